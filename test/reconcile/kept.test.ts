// Calendars and pools that go or change while a batch cannot follow: it stays in force as it was, over restarts.
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { followFolder, makePlace } from "../helpers/reconcile.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

/** A folder, and agents one after the other that follow it. */
function place() {
  const folders = makePlace(temporaryFolder());
  const { root, data, put, batch } = folders;
  const remove = (path: string) => rmSync(join(root, path));
  const kept = () => {
    const { calendars, pools } = JSON.parse(readFileSync(join(data, "groups.json"), "utf8")) as Record<
      "calendars" | "pools",
      { name: string }[]
    >;
    return { calendars: calendars.map(({ name }) => name), pools: pools.map(({ name }) => name) };
  };
  async function start() {
    const { history, inForce, reconciler, settled } = await followFolder(folders);
    const stop = async () => {
      await reconciler.stop();
      await history.close();
    };
    const known = (name: string) => {
      const { revision, batch, problems } = inForce.batch(name) ?? {};
      const code = problems?.[0]?.code ?? null;
      return { revision, days: batch?.days?.key, schedule: batch?.schedule?.key, pool: batch?.poolWhenRead, code };
    };
    return { until: settled, stop, known };
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
