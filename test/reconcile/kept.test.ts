// Calendars and pools that go or change while a batch cannot follow: it stays in force as it was, over restarts.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { InForce } from "../../agent/definitions/in-force.ts";
import { openHistory } from "../../agent/history/open.ts";
import { systemClock } from "../../agent/platform/clock.ts";
import { Reconciler } from "../../agent/reconcile/reconciler.ts";
import { createSource } from "../../agent/sources/folder.ts";
import { createGroupStore } from "../../agent/sources/group-store.ts";
import { createRevisions } from "../../agent/sources/revisions.ts";
import { unlimited } from "../../agent/sources/tree.ts";
import { createWorkTree } from "../../agent/sources/worktree.ts";
import { quietLog } from "../helpers/quiet.ts";
import { eventually, temporaryFolder } from "../helpers/tmp.ts";

/** A folder, and agents one after the other that follow it. */
function place() {
  const home = temporaryFolder();
  const [root, data] = [join(home, "batches.d"), join(home, "data")];
  mkdirSync(join(data, "revisions"), { recursive: true });
  const put = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const batch = (path: string, yaml: string) => {
    put(`${path}/script.sh`, "true\n");
    put(`${path}/batch.yaml`, yaml);
  };
  const remove = (path: string) => rmSync(join(root, path));
  const kept = () => {
    const { calendars, pools } = JSON.parse(readFileSync(join(data, "groups.json"), "utf8")) as Record<
      "calendars" | "pools",
      { name: string }[]
    >;
    return { calendars: calendars.map(({ name }) => name), pools: pools.map(({ name }) => name) };
  };
  async function start() {
    const history = await openHistory(data, { clock: systemClock, log: quietLog() });
    const revisions = createRevisions(data, root, (at) => createSource(at, { limits: unlimited }));
    const parts = { source: createSource(root), recorder: history.recorder, clock: systemClock, timeZone: "UTC" };
    const log = quietLog();
    const inForce = new InForce({ ...parts, log, groupStore: createGroupStore(data) });
    const workTree = createWorkTree(root);
    const reconciler = new Reconciler({ ...parts, log, inForce, workTree, revisions, isWatching: () => true });
    const until = (done: () => boolean) =>
      eventually(async () => {
        await reconciler.resync();
        return done();
      });
    const stop = async () => {
      await reconciler.stop();
      await history.close();
    };
    const known = (name: string) => {
      const { revision, batch, problems } = inForce.batch(name) ?? {};
      const code = problems?.[0]?.code ?? null;
      return { revision, days: batch?.days?.key, schedule: batch?.schedule?.key, pool: batch?.poolWhenRead, code };
    };
    return { until, stop, known };
  }
  return { put, batch, remove, kept, start };
}

const nightly = 'cron: "0 3 * * *"\n';
const off = (date: string) => `calendars: { off: { dates: ["${date}"] } }\n`;

test("a calendar that goes while the agent runs, and its group's file with it", async () => {
  const { put, batch, remove, kept, start } = place();
  put("x/_group.yaml", `${off("12-25")}defaults: { skipOn: off }\n`);
  batch("x/a", nightly);
  batch("x/b", "after: a\n"); // names the calendar by a default, without a schedule of its own
  let agent = await start();
  await agent.until(() => agent.known("a").revision != null && agent.known("b").revision != null);
  const before = ["a", "b"].map(agent.known);
  put("x/_group.yaml", "defaults: { skipOn: off }\n");
  await agent.until(() => agent.known("a").code === "unknown-calendar" && agent.known("b").code === "unknown-calendar");
  const held = before.map((one) => ({ ...one, code: "unknown-calendar" }));
  for (let restart = 0; restart < 3; restart++) {
    expect(["a", "b"].map(agent.known)).toEqual(held);
    expect(kept().calendars).toEqual(["off"]);
    await agent.stop();
    agent = await start();
    await agent.until(() => agent.known("a").code !== null && agent.known("b").code !== null);
  }
  // Nothing names it any longer: the batches are as their files say, and nothing is kept.
  remove("x/_group.yaml");
  await agent.until(() => agent.known("a").code === null && agent.known("a").days === undefined);
  await agent.until(() => agent.known("b").code === null && kept().calendars.length === 0);
  await agent.stop();
});

test("a calendar that goes while no agent runs", async () => {
  const { put, batch, start, kept } = place();
  put("_group.yaml", off("12-25"));
  batch("x/a", `${nightly}onlyOn: off\n`);
  let agent = await start();
  await agent.until(() => agent.known("a").revision != null);
  const before = agent.known("a");
  await agent.stop();
  put("_group.yaml", "description: none\n");
  for (let restart = 0; restart < 2; restart++) {
    agent = await start();
    await agent.until(() => agent.known("a").code === "unknown-calendar");
    expect(agent.known("a")).toEqual({ ...before, code: "unknown-calendar" });
    expect(kept().calendars).toEqual(["off"]);
    await agent.stop();
  }
});

test("a calendar that changes while a batch's file is broken", async () => {
  const { put, batch, start, kept } = place();
  put("_group.yaml", off("12-25"));
  batch("a", `${nightly}skipOn: off\n`);
  let agent = await start();
  await agent.until(() => agent.known("a").revision != null);
  const before = agent.known("a");
  batch("a", `${nightly}skipOn: off\ntimeout: soon\n`);
  await agent.until(() => agent.known("a").code === "bad-duration");
  put("_group.yaml", off("12-26"));
  await agent.until(() => kept().calendars.length === 1);
  for (let restart = 0; restart < 2; restart++) {
    expect(agent.known("a")).toEqual({ ...before, code: "bad-duration" });
    await agent.stop();
    agent = await start();
    await agent.until(() => agent.known("a").code === "bad-duration");
  }
  batch("a", `${nightly}skipOn: off\ntimeout: 1h\n`);
  await agent.until(() => agent.known("a").code === null && kept().calendars.length === 0);
  expect(agent.known("a").days).not.toBe(before.days);
  await agent.stop();
});

test("a pool that goes keeps its size for the batches that name it", async () => {
  const { put, batch, start, kept } = place();
  put("_group.yaml", "pools: { db: 5 }\n");
  put("x/_group.yaml", "pools: { db: 3, other: 2 }\n");
  batch("x/a", `${nightly}pool: db\n`);
  batch("b", `${nightly}pool: db\n`);
  let agent = await start();
  await agent.until(() => agent.known("a").pool !== undefined && agent.known("b").pool !== undefined);
  expect(["a", "b"].map((name) => agent.known(name).pool)).toEqual([
    { group: "x", size: 3 },
    { group: "", size: 5 },
  ]);
  put("_group.yaml", "pools: { dbx: 5 }\n");
  put("x/_group.yaml", "pools: { other: 2 }\n");
  await agent.until(() => agent.known("a").code === "unknown-pool" && agent.known("b").code === "unknown-pool");
  for (let restart = 0; restart < 2; restart++) {
    expect(["a", "b"].map((name) => agent.known(name).pool)).toEqual([
      { group: "x", size: 3 },
      { group: "", size: 5 },
    ]);
    await agent.stop();
    agent = await start();
    await agent.until(() => agent.known("a").code !== null && agent.known("b").code !== null);
  }
  expect(kept().pools.sort()).toEqual(["db", "db"]);
  await agent.stop();
});
