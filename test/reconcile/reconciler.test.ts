// The reconciler on real folders, with a source that counts its loads.
import { mkdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { InForce } from "../../agent/definitions/in-force.ts";
import { readRecord } from "../../agent/history/offline.ts";
import type { Batch } from "../../agent/model/batch.ts";
import { systemClock } from "../../agent/platform/clock.ts";
import { Reconciler } from "../../agent/reconcile/reconciler.ts";
import { createSource } from "../../agent/sources/folder.ts";
import type { WorkTree, BatchSource } from "../../agent/sources/port.ts";
import { createGroupStore } from "../../agent/sources/group-store.ts";
import { unlimited } from "../../agent/sources/tree.ts";
import { createRevisions } from "../../agent/sources/revisions.ts";
import { createWorkTree } from "../../agent/sources/worktree.ts";
import { block } from "../helpers/disk.ts";
import { openTestHistory } from "../helpers/history.ts";
import { quietLog } from "../helpers/quiet.ts";
import { eventually, temporaryFolder } from "../helpers/tmp.ts";

async function setUp(
  home = temporaryFolder(),
  wrap: (source: BatchSource) => BatchSource = (source) => source,
  workTree: WorkTree = createWorkTree(join(home, "batches.d")),
) {
  const root = join(home, "batches.d");
  const data = join(home, "data");
  mkdirSync(root, { recursive: true });
  mkdirSync(join(data, "revisions"), { recursive: true });
  const log = quietLog();
  const clock = systemClock;
  const history = await openTestHistory(data, { clock, log });
  const loads: string[] = [];
  const inner = wrap(createSource(root));
  const groups = createSource(root);
  const source = {
    ...groups,
    ...inner,
    list: inner.list,
    load: (name: string) => (loads.push(name), inner.load(name)),
  };
  const applied: [string, Batch | null][] = [];
  const revisions = createRevisions(data, root, (home) => createSource(home, { limits: unlimited }));
  const { recorder } = history;
  const timeZone = "UTC";
  const inForce = new InForce({
    source,
    groupStore: createGroupStore(data, { clock, log }),
    recorder,
    clock,
    log,
    timeZone,
  });
  inForce.subscribe({ onApplied: (name, batch) => applied.push([name, batch]) });
  const reconciler = new Reconciler({
    ...{ source, inForce, workTree, revisions, recorder, clock, log, timeZone },
    isWatching: () => true,
  });
  function put(name: string, yaml: string, script = "true\n"): void {
    mkdirSync(join(root, name), { recursive: true });
    writeFileSync(join(root, name, "script.sh"), script);
    writeFileSync(join(root, name, "batch.yaml"), yaml);
  }
  return { home, root, log, history, loads, applied, inForce, reconciler, put };
}

const daily = 'cron: "@daily"\n';

describe("reconciler", () => {
  test("a failed pass is not a done one: it says so and tries again until it succeeds", async () => {
    let broken = true;
    const workTree: WorkTree = {
      read: () =>
        broken ? Promise.reject(new Error("stack overflow")) : Promise.resolve({ commit: null, lockedAt: null }),
    };
    const { reconciler, put, applied } = await setUp(temporaryFolder(), (source) => source, workTree);
    put("a", daily);
    await reconciler.resync();
    expect(applied).toEqual([]);
    expect(reconciler.rootProblem()).toMatchObject({
      code: "reconcile-failed",
      batch: "",
      message: "reconcile failed: stack overflow",
    });
    expect(reconciler.health().lastVerifiedAt).toBeNull();

    broken = false; // nobody says that anything is to be looked at again
    await eventually(() => applied.length === 1);
    await eventually(() => reconciler.rootProblem() === null);
    expect(reconciler.health().lastVerifiedAt).not.toBeNull();
    await reconciler.stop();
  });

  test("a pass that is stopped breaks off", async () => {
    const { reconciler, put, applied } = await setUp();
    for (let i = 0; i < 5; i++) put(`batch-${i}`, daily, `echo ${i}\n`);
    const pass = reconciler.resync();
    await reconciler.stop();
    await pass;
    expect([applied, reconciler.health().lastVerifiedAt]).toEqual([[], null]);
  });

  test("1,000 folders: one edit loads one batch", async () => {
    const { reconciler, put, loads, applied, history } = await setUp();
    for (let i = 0; i < 1_000; i++) put(`batch-${i}`, daily, `echo ${i}\n`);
    await reconciler.resync();
    await eventually(() => applied.length === 1_000);
    const covered = history.recorder.head("batch-8")?.schedule;
    loads.length = applied.length = 0;

    put("batch-7", 'cron: "@hourly"\n');
    reconciler.dirty("batch-7");
    await eventually(() => applied.length === 1);
    expect(new Set(loads)).toEqual(new Set(["batch-7"]));
    expect(loads.length).toBeLessThanOrEqual(2); // the second when it was not yet settled at the first
    expect(applied[0]?.[1]?.file.cron).toBe("@hourly");
    expect(history.recorder.head("batch-8")?.schedule).toEqual(covered);

    loads.length = applied.length = 0;
    await reconciler.resync();
    expect(loads).toHaveLength(1_000);
    expect(applied).toEqual([]);
    expect(reconciler.health().missedEvents).toBe(0);
  }, 60_000);

  test("a change that only a resync found is counted as missed by the next", async () => {
    const { reconciler, put, applied } = await setUp();
    put("a", daily);
    await reconciler.resync();
    put("a", 'cron: "@hourly"\n');
    await reconciler.resync();
    await eventually(() => applied.at(-1)?.[1]?.file.cron === "@hourly");
    await reconciler.resync();
    expect(reconciler.health().missedEvents).toBe(1);
  });

  test("after a restart an unchanged batch keeps its place, and a broken one its last valid revision", async () => {
    const first = await setUp();
    first.put("steady", daily);
    first.put("broken", daily);
    await first.reconciler.resync();
    await eventually(() => first.applied.length === 2);
    const before = structuredClone(first.history.recorder.head("steady"));
    first.put("broken", "cron: [");
    const again = await setUp(first.home);
    await again.reconciler.resync();
    expect(again.history.recorder.head("steady")).toEqual(before);
    expect(again.applied.map(([name, batch]) => [name, batch?.file.cron]).sort()).toEqual([
      ["broken", "@daily"],
      ["steady", "@daily"],
    ]);
    expect(again.inForce.batch("broken")).toMatchObject({ state: "scheduled", problems: [{ code: "yaml-syntax" }] });
  });

  test("a batch whose folder went while no agent ran is removed, its history kept", async () => {
    const first = await setUp();
    first.put("a", daily);
    await first.reconciler.resync();
    rmSync(join(first.root, "a"), { recursive: true });
    const again = await setUp(first.home);
    await again.reconciler.resync();
    await eventually(() => again.inForce.batch("a")?.state === "removed");
    expect(again.history.recorder.head("a")?.removedAt).not.toBeNull();
  });

  test("what git is still writing is not looked at; a lock that was left behind holds nothing up", async () => {
    let lockedAt: number | null = Date.now();
    const { reconciler, put, loads, applied } = await setUp(undefined, undefined, {
      read: () => Promise.resolve({ commit: null, lockedAt }),
    });
    put("a", daily);
    const looking = reconciler.resync();
    await new Promise((done) => setTimeout(done, 500));
    expect(loads).toEqual([]);
    lockedAt = null;
    await looking;
    await eventually(() => applied.length === 1);
    lockedAt = Date.now() - 60_000;
    put("b", daily);
    reconciler.dirty("b");
    await eventually(() => applied.length === 2);
  });

  test("a commit that comes in the middle of a look makes it look again, and is the one that is recorded", async () => {
    let looks = 0;
    const [one, two] = ["1".repeat(40), "2".repeat(40)];
    const { reconciler, put, applied, history, loads } = await setUp(undefined, undefined, {
      read: () => Promise.resolve({ commit: ++looks === 1 ? one : two, lockedAt: null }),
    });
    put("a", daily);
    await new Promise((done) => setTimeout(done, 200)); // settled at the first look
    await reconciler.resync();
    await eventually(() => applied.length > 0);
    expect(loads).toEqual(["a", "a"]);
    expect(history.recorder.head("a")?.commit).toBe(two);
  });

  test("an edit committed after it came into force gets that commit, and nothing is applied for it", async () => {
    let commit = "1".repeat(40);
    const { reconciler, put, applied, home, inForce } = await setUp(undefined, undefined, {
      read: () => Promise.resolve({ commit, lockedAt: null }),
    });
    put("a", daily);
    await reconciler.resync();
    await eventually(() => applied.length === 1);
    const document = join(home, "data/journal/1.jsonl");
    const written = statSync(document).mtimeMs;
    commit = "2".repeat(40);
    await reconciler.checkHead();
    await eventually(() => inForce.batch("a")?.commit === commit);
    expect(applied).toHaveLength(1);
    expect(statSync(document).mtimeMs).toBe(written);
  });

  test("a folder that is gone for a blink is never unscheduled", async () => {
    const { reconciler, put, root, applied } = await setUp();
    put("a", daily);
    await reconciler.resync();
    rmSync(join(root, "a"), { recursive: true });
    reconciler.dirty("a");
    await new Promise((done) => setTimeout(done, 130)); // a first look has seen it gone
    put("a", daily);
    reconciler.dirty("a");
    await new Promise((done) => setTimeout(done, 600));
    expect(applied.map(([, batch]) => batch === null)).toEqual([false]);
  });

  test("what cannot be read is told and changes nothing; read again, the problem goes", async () => {
    let broken = false;
    const problem = {
      batch: "a",
      file: null,
      line: null,
      column: null,
      path: null,
      code: "unreadable",
      message: "EIO",
      hint: null,
    } as const;
    const { reconciler, put, applied, inForce } = await setUp(undefined, (source) => ({
      list: source.list,
      load: (name) => (broken ? Promise.resolve({ kind: "unreadable", problem }) : source.load(name)),
    }));
    put("a", daily);
    await reconciler.resync();
    await eventually(() => applied.length === 1);
    broken = true;
    await reconciler.resync();
    expect(inForce.batch("a")).toMatchObject({ state: "scheduled", problems: [{ code: "unreadable" }] });
    broken = false;
    await reconciler.resync();
    expect(inForce.batch("a")).toMatchObject({ state: "scheduled", problems: [] });
    expect(applied.every(([, batch]) => batch !== null)).toBe(true);
  });

  test("a folder that something writes to all the time is a problem, and none once it rests", async () => {
    const { reconciler, put, applied, inForce } = await setUp();
    let turn = 0;
    const writing = setInterval(() => put("restless", daily, `echo ${turn++}\n`), 20);
    put("calm", daily);
    await reconciler.resync();
    expect(applied.map(([name]) => name)).toEqual(["calm"]);
    await eventually(() => inForce.batch("restless")?.problems[0]?.code === "unsettled");
    clearInterval(writing);
    await reconciler.resync();
    await eventually(
      () => inForce.batch("restless")?.state === "scheduled" && inForce.batch("restless")?.problems.length === 0,
    );
  });

  test("one bad folder disturbs no other", async () => {
    const { reconciler, put, applied, root, inForce } = await setUp();
    put("good", daily);
    put("Bad Name", daily);
    put("nonsense", "\u0000\u0001");
    mkdirSync(join(root, "half"));
    writeFileSync(join(root, "half/script.sh"), "true\n");
    await reconciler.resync();
    await eventually(() => inForce.batches().length === 4);
    expect(applied.map(([name]) => name)).toEqual(["good"]);
    const states = Object.fromEntries(
      inForce.batches().map((entry) => [entry.name, [entry.state, entry.problems[0]?.code]]),
    );
    expect(states).toEqual({
      good: ["scheduled", undefined],
      "Bad Name": ["invalid", "bad-name"],
      half: ["invalid", "no-settings"],
      nonsense: ["invalid", "not-text"],
    });
  });

  test("counts and lists of what is in force agree, as batches come, break and go", async () => {
    const { reconciler, put, root, inForce } = await setUp();
    const isSound = () => {
      const there = inForce.batches().filter(({ state }) => state !== "removed");
      expect(inForce.batches().map(({ name }) => name)).toEqual([...inForce.batches()].map(({ name }) => name).sort());
      expect(inForce.count()).toBe(there.length);
      expect(inForce.problems()).toEqual(there.flatMap(({ problems }) => problems));
      expect(inForce.definitions()).toEqual(there.flatMap(({ batch }) => batch ?? []));
      return there.map(({ name }) => name);
    };
    expect(isSound()).toEqual([]);
    put("b", daily);
    put("d", "after: b\n");
    await reconciler.resync();
    await eventually(() => inForce.batch("d")?.state === "chained");
    expect(isSound()).toEqual(["b", "d"]);
    put("a", "cron: [");
    put("b", 'cron: "nonsense"\n');
    rmSync(join(root, "d"), { recursive: true });
    put("c", "after: nobody\n");
    await reconciler.resync();
    await eventually(() => inForce.batch("d")?.state === "removed" && inForce.batch("a")?.state === "invalid");
    expect(isSound()).toEqual(["a", "b", "c"]);
    expect(inForce.problems().map(({ batch }) => batch)).toEqual(["a", "b", "c"]);
    rmSync(join(root, "a"), { recursive: true });
    put("d", daily);
    await reconciler.resync();
    await eventually(() => inForce.batch("d")?.state === "scheduled" && inForce.batch("a") === undefined);
    expect(isSound()).toEqual(["b", "c", "d"]);
  });

  test("a batch that was removed, came back broken and went again leaves no problem behind", async () => {
    const { reconciler, put, root, inForce } = await setUp();
    put("a", daily);
    await reconciler.resync();
    rmSync(join(root, "a"), { recursive: true });
    await reconciler.resync();
    await eventually(() => inForce.batch("a")?.state === "removed");
    put("a", "cron: [");
    await reconciler.resync();
    await eventually(() => inForce.batch("a")?.state === "invalid");
    rmSync(join(root, "a"), { recursive: true });
    await reconciler.resync();
    await reconciler.resync();
    expect(inForce.batch("a")).toMatchObject({ state: "removed", problems: [] });
  });

  test("after the root was away for a while a removed batch is still not there for who names it", async () => {
    const { reconciler, put, root, inForce } = await setUp();
    put("a", daily);
    put("b", "after: a\n");
    put("c", daily);
    await reconciler.resync();
    await eventually(() => inForce.batch("b")?.state === "chained");
    rmSync(join(root, "a"), { recursive: true });
    await reconciler.resync();
    await eventually(() => inForce.batch("b")?.problems[0]?.code === "unknown-batch");
    renameSync(root, `${root}.away`);
    await reconciler.resync();
    renameSync(`${root}.away`, root);
    put("c", 'cron: "@hourly"\nafter: b\n');
    await reconciler.resync();
    await eventually(() => inForce.batch("c")?.batch?.file.cron === "@hourly");
    expect(inForce.batch("b")?.problems.map(({ code }) => code)).toEqual(["unknown-batch"]);
  });

  test("while a restless batch is looked at seldom, an edit of another one is followed at once", async () => {
    const { reconciler, put, inForce } = await setUp();
    put("calm", daily);
    put("restless", daily);
    let turn = 0;
    const writing = setInterval(() => put("restless", daily, `echo ${turn++}\n`), 20);
    await reconciler.resync();
    await eventually(() => inForce.batch("restless")?.problems[0]?.code === "unsettled");
    put("calm", 'cron: "@hourly"\n');
    const began = performance.now();
    reconciler.dirty("calm");
    await eventually(() => inForce.batch("calm")?.batch?.file.cron === "@hourly");
    clearInterval(writing);
    expect(performance.now() - began).toBeLessThan(3_000); // its own look comes every 5 s
  });

  test("a folder deleted while its record cannot be written leaves the schedule all the same", async () => {
    const { home, root, applied, history, reconciler, put, inForce } = await setUp();
    put("report", daily);
    await reconciler.resync();
    await eventually(() => applied.length === 1);
    const unblock = await block(join(home, "data"));
    rmSync(join(root, "report"), { recursive: true });
    await reconciler.resync();
    await eventually(() => history.trouble() !== null);
    await unblock();
    await eventually(() => applied.at(-1)?.[1] === null);
    await eventually(() => history.trouble() === null);
    expect(inForce.batch("report")?.state).toBe("removed");
  });

  test("once a chain is mended nothing is owed for the time in which it was broken", async () => {
    const { home, root, history, reconciler, put, inForce } = await setUp();
    put("a", "cron: '@daily'\nonFailure: alert\n");
    put("alert", daily);
    await reconciler.resync();
    rmSync(join(root, "alert"), { recursive: true });
    await reconciler.resync();
    await eventually(() => inForce.batch("a")?.state === "invalid");
    put("alert", daily);
    const mended = Date.now();
    await reconciler.resync();
    await eventually(() => inForce.batch("a")?.state === "scheduled");
    const covered = () =>
      Date.parse(readRecord(join(home, "data")).batches.get("a")?.head.schedule?.coveredUntil ?? "");
    await eventually(() => covered() >= mended); // on disk
    expect(history.trouble()).toBeNull();
  });
});
