// Groups in force: defaults that change revisions, edits that break a `_group.yaml`, moves, names that come twice,
// restarts.
import { cpSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { followFolder, makePlace } from "../helpers/reconcile.ts";
import { eventually, temporaryFolder } from "../helpers/tmp.ts";

async function setUp(home = temporaryFolder()) {
  const place = makePlace(home);
  const following = await followFolder(place);
  const entry = (name: string) => following.inForce.batch(name);
  return { home, ...place, ...following, entry };
}

describe("groups", () => {
  test("defaults are in force, and a changed one is a new revision of every batch that it changes", async () => {
    const { put, batch, settled, entry, revisions } = await setUp();
    put("billing/_group.yaml", "defaults: { timeZone: Europe/Paris, timeout: 1h }\n");
    batch("billing/eu/a");
    batch("billing/b", 'cron: "0 3 * * *"\ntimeout: 5m\n');
    batch("c");
    await settled(() => entry("a")?.state === "scheduled" && entry("b") !== undefined && entry("c") !== undefined);
    expect(entry("a")?.batch).toMatchObject({
      group: "billing/eu",
      timeoutMs: 3_600_000,
      schedule: { timeZone: "Europe/Paris" },
      inherited: { timeZone: "billing", timeout: "billing" },
    });
    const before = ["a", "b", "c"].map((name) => entry(name)?.revision);
    put("billing/_group.yaml", "defaults: { timeZone: Europe/Paris, timeout: 2h }\n");
    await settled(() => entry("a")?.batch?.timeoutMs === 7_200_000);
    const after = ["a", "b", "c"].map((name) => entry(name)?.revision);
    expect(after[0]).not.toBe(before[0]);
    expect(after.slice(1)).toEqual(before.slice(1)); // b sets its own timeout, c lies outside
    const files = (await revisions.files(after[0] as never)) ?? [];
    const inherited = files.find(({ path }) => path === "_group.yaml");
    expect(new TextDecoder().decode(await inherited?.read())).toBe("timeZone: Europe/Paris\ntimeout: 2h\n");
  });

  test("a group is paused by a default", async () => {
    const { put, batch, settled, entry } = await setUp();
    batch("billing/a");
    await settled(() => entry("a")?.state === "scheduled");
    put("billing/_group.yaml", "defaults: { enabled: false }\n");
    await settled(() => entry("a")?.state === "disabled");
    put("billing/_group.yaml", "# nothing\n");
    await settled(() => entry("a")?.state === "scheduled");
  });

  test("an edit that breaks a group's file changes nothing but its problems, over a restart too", async () => {
    const { home, put, batch, settled, entry, reconciler, inForce, history } = await setUp();
    put("billing/_group.yaml", "defaults: { timeout: 1h }\npools: { db: 2 }\n");
    batch("billing/a", 'cron: "0 3 * * *"\npool: db\n');
    await settled(() => entry("a")?.batch?.timeoutMs === 3_600_000);
    const revision = entry("a")?.revision;
    put("billing/_group.yaml", "default: { timeout: 9h }\n");
    await settled(() => inForce.groups.problems().length === 1);
    expect(inForce.groups.problems()[0]).toMatchObject({ batch: "billing/_group.yaml", code: "unknown-key" });
    expect(entry("a")).toMatchObject({ revision, problems: [], batch: { timeoutMs: 3_600_000 } });
    // Something new below it: what was valid last counts.
    batch("billing/b", 'cron: "0 3 * * *"\npool: db\n');
    await settled(() => entry("b")?.batch?.timeoutMs === 3_600_000);
    await reconciler.stop();
    await history.close();

    const second = await setUp(home);
    await second.settled(() => second.entry("a")?.state === "scheduled");
    expect(second.inForce.groups.problems()).toHaveLength(1);
    expect(second.entry("a")).toMatchObject({ revision, batch: { timeoutMs: 3_600_000 } });
    expect(second.inForce.pool("billing", "db")).toEqual({ group: "billing", size: 2 });
  });

  test("below a group's file that never was valid nothing new is put in force, and what was stays", async () => {
    const { put, batch, settled, entry, inForce } = await setUp();
    batch("billing/a");
    await settled(() => entry("a")?.state === "scheduled");
    put("billing/_group.yaml", "nonsense: 1\n");
    batch("billing/b");
    await settled(() => entry("b")?.problems[0]?.code === "group-invalid");
    expect(entry("a")).toMatchObject({ state: "scheduled" });
    expect(entry("b")).toMatchObject({ state: "invalid", batch: null });
    put("billing/_group.yaml", "pools: {}\n");
    await settled(() => entry("b")?.state === "scheduled");
    expect(inForce.groups.problems()).toEqual([]);
  });

  test("a batch that moves keeps its history and gets the defaults of its new group", async () => {
    const { root, put, batch, settled, entry, history } = await setUp();
    put("x/_group.yaml", "defaults: { timeout: 1h }\n");
    batch("a");
    await settled(() => entry("a")?.state === "scheduled");
    const firstSeenAt = history.recorder.head("a")?.firstSeenAt;
    renameSync(join(root, "a"), join(root, "x/a"));
    await settled(() => entry("a")?.batch?.group === "x");
    expect(entry("a")?.batch?.timeoutMs).toBe(3_600_000);
    expect(history.recorder.head("a")?.firstSeenAt).toBe(firstSeenAt);
    renameSync(join(root, "x/a"), join(root, "a"));
    await settled(() => entry("a")?.batch?.group === "");
    expect(entry("a")?.batch?.timeoutMs).toBeNull();
  });

  test.each<[string, string, string, string]>([
    ["renamed", "team", "squad", "squad/eu"],
    ["moved below another one", "team", "x/team", "x/team/eu"],
    ["moved out of another one", "x/team", "team", "team/eu"],
  ])("a group that is %s takes its file and its batches along, by two events", async (_name, from, to, group) => {
    const { root, put, batch, settled, entry, reconciler, inForce } = await setUp();
    put("x/_group.yaml", "description: x\n");
    put(`${from}/_group.yaml`, "pools: { db: 2 }\ndefaults: { pool: db, timeout: 1h }\n");
    put(`${from}/bad/_group.yaml`, "nonsense: 1\n");
    put(`${from}/eu/_group.yaml`, "defaults: { timeout: 2h }\n");
    batch(`${from}/eu/a`);
    await settled(() => entry("a")?.state === "scheduled" && inForce.groups.problems().length === 1);
    renameSync(join(root, from), join(root, to));
    reconciler.dirty(from);
    reconciler.dirty(to);
    await eventually(() => entry("a")?.batch?.group === group);
    expect(entry("a")?.batch).toMatchObject({ timeoutMs: 7_200_000, pool: "db" });
    await eventually(() => inForce.groups.problems()[0]?.batch === `${to}/bad/_group.yaml`);
    expect(inForce.groups.problems()).toHaveLength(1);
    expect([...inForce.groups.inForce().keys()].sort()).toEqual([to, `${to}/eu`, "x"].sort());
    rmSync(join(root, to), { recursive: true });
    reconciler.dirty(to);
    await eventually(() => inForce.groups.names().join() === "x");
    expect(inForce.groups.problems()).toEqual([]);
    await reconciler.stop();
  });

  test("of two batches of one name what was in force stays", async () => {
    const { root, batch, settled, entry } = await setUp();
    batch("x/a");
    await settled(() => entry("a")?.state === "scheduled");
    batch("y/a", 'cron: "0 4 * * *"\n');
    await settled(() => entry("a")?.problems.length === 2);
    expect(entry("a")).toMatchObject({
      state: "scheduled",
      batch: { group: "x", file: { cron: "0 3 * * *" } },
      problems: [{ code: "duplicate-name" }, { code: "duplicate-name" }],
    });
    rmSync(join(root, "x"), { recursive: true });
    await settled(() => entry("a")?.batch?.group === "y");
    expect(entry("a")).toMatchObject({ problems: [], batch: { file: { cron: "0 4 * * *" } } });
  });

  test.each<[string, (root: string, to: string) => void]>([
    ["copied", (root, to) => cpSync(join(root, "x"), join(root, to), { recursive: true })],
    ["linked to", (root, to) => symlinkSync("x", join(root, to))],
  ])("a group that is %s brings names that are taken, by one event, and takes them away", async (_name, bring) => {
    const { root, batch, settled, entry, reconciler } = await setUp();
    batch("x/a");
    batch("x/eu/b");
    await settled(() => entry("a")?.state === "scheduled" && entry("b")?.state === "scheduled");
    for (const to of ["w", "y"]) {
      bring(root, to);
      reconciler.dirty(to);
      await eventually(() => entry("a")?.problems.length === 2 && entry("b")?.problems.length === 2);
      expect(
        entry("b")
          ?.problems.map(({ code, file }) => [code, file?.split("/").slice(-3).join("/")])
          .sort(),
      ).toEqual([`${to}/eu/b`, "x/eu/b"].sort().map((file) => ["duplicate-name", file]));
      expect(entry("a")).toMatchObject({ state: "scheduled", batch: { group: "x" } });
      rmSync(join(root, to), { recursive: true });
      reconciler.dirty(to);
      await eventually(() => entry("a")?.problems.length === 0 && entry("b")?.problems.length === 0);
    }
    await reconciler.stop();
  });

  test("calendars: a changed one is a new revision, one that is not there a problem of the batch", async () => {
    const { put, batch, settled, entry } = await setUp();
    put("_group.yaml", 'calendars: { off: { dates: ["2027-01-01"] } }\n');
    batch("a", 'cron: "0 3 * * *"\nskipOn: off\n');
    batch("b", 'cron: "0 3 * * *"\nskipOn: of\n');
    await settled(() => entry("a")?.state === "scheduled" && entry("b")?.state === "invalid");
    expect(entry("b")?.problems).toMatchObject([{ code: "unknown-calendar", hint: "did you mean `off`?" }]);
    const { revision } = entry("a") ?? {};
    put("_group.yaml", 'calendars: { off: { dates: ["2027-01-02"] } }\n');
    await settled(() => entry("a")?.revision !== revision);
    expect(entry("a")?.state).toBe("scheduled");
  });

  test("an iCalendar file beside it is part of it: read, watched, and a problem where it is broken", async () => {
    const { put, batch, settled, entry, inForce } = await setUp();
    const ics = (date: string) =>
      `BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:${date}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n`;
    put("x/holidays.ics", ics("20270101"));
    put("x/_group.yaml", "calendars: { off: { ics: holidays.ics } }\n");
    batch("x/a", 'cron: "0 3 * * *"\nskipOn: off\n');
    await settled(() => entry("a")?.state === "scheduled");
    const { revision } = entry("a") ?? {};
    put("x/holidays.ics", ics("20270102"));
    await settled(() => entry("a")?.revision !== revision);
    put("x/holidays.ics", "broken");
    await settled(() => inForce.groups.problems()[0]?.code === "bad-calendar");
    expect(entry("a")).toMatchObject({ state: "scheduled", problems: [] });
  });
});
