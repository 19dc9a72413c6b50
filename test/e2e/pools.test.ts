// Pools with the built program: whatever starts batches and whatever happens to the agent, no more than a pool's size
// run at once, as the scripts themselves see it.
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startAgent, workplace, type RunningAgent } from "../helpers/agent.ts";
import { type } from "../helpers/cli.ts";
import { eventually } from "../helpers/tmp.ts";

interface GroupJson {
  name: string;
  pools: { name: string; size: number; running: number; waiting: number }[];
}

/** Writes a file by rename. */
function put(path: string, text: string): void {
  writeFileSync(`${path}.swp`, text);
  renameSync(`${path}.swp`, path);
}

const poolOf = async (agent: RunningAgent, group: string) =>
  (await agent.json<{ items: GroupJson[] }>("/api/groups")).items.find(({ name }) => name === group)?.pools[0];
const waits = async (agent: RunningAgent) =>
  Object.fromEntries((await agent.executions("?status=queued")).map(({ batch, waitingFor }) => [batch, waitingFor]));

/** Returns how many ran at once at most, by what the scripts have written. */
function maxAtOnce(path: string): number {
  let [now, most] = [0, 0];
  for (const line of readFileSync(path, "utf8").trim().split("\n")) most = Math.max(most, (now += Number(line)));
  return most;
}

test("a pool holds over kill -9, edits of its size and groups, whatever starts its batches", async () => {
  const place = workplace();
  const [story, gate] = [join(place.home, "story"), join(place.home, "gate")];
  writeFileSync(story, "");
  const script = `echo 1 >>${story}; while [ ! -e ${gate} ]; do sleep 0.05; done; sleep 0.1; echo -1 >>${story}\n`;
  mkdirSync(join(place.batches, "billing"), { recursive: true });
  put(join(place.batches, "billing/_group.yaml"), "pools: { db: 1 }\ndefaults: { pool: db, concurrency: allow }\n");
  place.put("billing/load", 'cron: "@yearly"\n', script);
  place.put("billing/report", "after: load\n", script);
  place.put("billing/urgent", 'cron: "@yearly"\npriority: 10\n', script);
  place.put("free", 'cron: "@yearly"\nconcurrency: allow\n', script);
  let agent = await startAgent(place, ["--max-parallel", "3"]);
  const trigger = async (name: string) => expect((await type(place.home, ["trigger", name])).code).toBe(0);
  for (const name of ["load", "load", "urgent", "free"]) await trigger(name);
  await eventually(async () => (await poolOf(agent, "billing"))?.waiting === 2);
  expect(await poolOf(agent, "billing")).toEqual({ name: "db", size: 1, running: 1, waiting: 2 });
  expect(await waits(agent)).toEqual({ load: "pool db", urgent: "pool db" });
  const metrics = await (await agent.get("/metrics")).text();
  for (const line of [
    'size{group="billing",pool="db"} 1',
    'running{group="billing",pool="db"} 1',
    'waiting{group="billing",pool="db"} 2',
  ])
    expect(metrics).toContain(`batch_agent_pool_${line}`);

  await agent.exit("SIGKILL");
  agent = await startAgent(place, ["--max-parallel", "3"]);
  await eventually(async () => (await agent.executions("?status=running")).length === 2);
  expect(await waits(agent)).toEqual({ load: "pool db", urgent: "pool db" });
  expect((await poolOf(agent, "billing"))?.running).toBe(1);
  expect(maxAtOnce(story)).toBe(2); // one of the pool, and the free one

  put(join(place.batches, "billing/_group.yaml"), "pools: { db: 2 }\ndefaults: { pool: db, concurrency: allow }\n");
  await eventually(async () => (await poolOf(agent, "billing"))?.running === 2);
  const running = (await agent.executions("?status=running")).map(({ batch }) => batch);
  expect(running.sort()).toEqual(["free", "load", "urgent"]);
  await trigger("free");
  await eventually(async () => (await waits(agent))["free"] === "a free place");

  put(join(place.batches, "billing/_group.yaml"), "pools: { db: 1 }\ndefaults: { pool: db, concurrency: allow }\n");
  await eventually(async () => (await poolOf(agent, "billing"))?.size === 1);
  writeFileSync(gate, "");
  await eventually(async () => {
    const counts = await agent.executions("?status=queued,running");
    return counts.length === 0 && (await agent.executions("?batch=report")).length === 2;
  }, 20_000);
  expect((await agent.executions("?status=succeeded")).length).toBe(7);
  expect(maxAtOnce(story)).toBe(3);
}, 60_000);

test("a pool that is gone but still named stays as it was, with a problem, over a restart too", async () => {
  const place = workplace();
  const group = join(place.batches, "_group.yaml");
  put(group, "pools: { db: 2 }\n");
  for (const name of ["a", "b", "c"]) place.put(name, 'cron: "@yearly"\npool: db\n', "sleep 60\n");
  let agent = await startAgent(place);
  put(group, "pools: { other: 2 }\n");
  await eventually(async () => (await agent.batch("a")).problems[0]?.code === "unknown-pool");
  for (const name of ["a", "b", "c"]) await type(place.home, ["trigger", name]);
  await eventually(async () => (await agent.executions("?status=running")).length === 2);
  expect(Object.values(await waits(agent))).toEqual(["pool db"]);
  await agent.exit("SIGKILL");
  agent = await startAgent(place);
  await eventually(async () => (await agent.executions("?status=running")).length === 2);
  expect(Object.values(await waits(agent))).toEqual(["pool db"]);
  expect((await agent.batch("a")).state).toBe("scheduled");
  await agent.exit("SIGKILL");
  for (const { pid } of pidsOf(place.data)) process.kill(-pid, "SIGKILL");
}, 60_000);

function pidsOf(data: string): { pid: number }[] {
  const files = readdirSync(data, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith("/pid"));
  return files.map((path) => ({ pid: Number(readFileSync(join(data, path), "utf8")) }));
}
