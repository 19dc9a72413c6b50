// What a script in a pod, or anybody else who has the shared volume, puts in the place of a file that its wrapper and
// the agent use: every execution still ends, nothing else is held up, also over a restart, and SIGTERM ends the agent.
// One agent for all kinds; what left no exit code is waited for, which takes most of its twenty seconds.
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { askAgent } from "../../agent/executions/command-box.ts";
import type { Execution } from "../../agent/model/execution.ts";
import { startAgent, workplace, type RunningAgent } from "../helpers/agent.ts";
import { giveAway, isRoot, nobody, obstacles, put, type Obstacle } from "../helpers/obstacles.ts";
import { eventually } from "../helpers/tmp.ts";
import { fakeCluster, type Cluster } from "./support/clusters.ts";

const patienceMs = 120_000;
/** Every file of an execution's folder, by whomever it is written. */
const files = [
  ...["stdout.log", "stderr.log", "exit", "told", "ended", "second", "claim", "claim.agent", "env", "pod.json"],
  ...["times", "progress", "stop-reason"],
];

let cluster: Cluster;
beforeEach(async () => {
  cluster = await fakeCluster();
});
afterEach(() => cluster.stop());

test("at each path, while scripts run and over a kill of the agent", async () => {
  const place = workplace();
  const { data, home } = place;
  const kinds = Object.entries(obstacles).map(([name, make], i): [string, Obstacle] => [`${i}`, [name, make]]);
  place.put("other", 'cron: "* * * * * *"\nkeep: {executions: 20}\n', "true\n");
  for (const [i] of kinds) {
    const wait = `until [ -e ${home}/go ]; do sleep 0.2; done; exit 7\n`;
    place.put(`ends-${i}`, 'cron: "@yearly"\nconcurrency: allow\n', `echo a line\n${wait}`);
    place.put(`stopped-${i}`, 'cron: "@yearly"\n', "trap 'exit 9' TERM\nwhile :; do sleep 0.2; done\n");
  }
  chmodSync(home, 0o777);
  const args = [...(await cluster.argsFor(data)), "--grace", "1s"];
  giveAway(home);
  const start = () => startAgent(place, args, { patienceMs, ...(isRoot ? { uid: nobody } : {}) });
  const ask = async (request: Parameters<typeof askAgent>[1]["request"]) =>
    expect(await askAgent(data, { actor: "test@here", note: null, request }, { waitMs: patienceMs })).toHaveProperty(
      "ids",
    );
  const folderOf = ({ batch, id }: Execution) => join(data, "batches", batch, "executions", id);
  const rowOf = async (agent: RunningAgent, batch: string) => {
    const [row] = await agent.executions(`?batch=${batch}&limit=1`);
    if (row === undefined) throw new Error(`no row of ${batch}`);
    return row;
  };
  const othersGoOn = async (agent: RunningAgent) => {
    const since = Date.now();
    await eventually(async () => {
      const rows = await agent.executions("?batch=other&status=succeeded&limit=20");
      return rows.some(({ startedAt }) => Date.parse(startedAt ?? "") > since);
    }, patienceMs);
    for (const page of ["/", "/problems", "/api/executions", "/metrics"])
      expect((await agent.get(page)).status).toBe(200);
  };

  const first = await start();
  await othersGoOn(first);
  for (const [i] of kinds)
    for (const name of [`ends-${i}`, `stopped-${i}`])
      await ask({ kind: "trigger", batch: name, params: {}, dueAt: null });
  for (const [i, kind] of kinds)
    for (const name of [`ends-${i}`, `stopped-${i}`]) {
      const row = await eventually(async () => {
        const found = await rowOf(first, name);
        return found.status === "running" && existsSync(join(folderOf(found), "claim")) ? found : null;
      }, patienceMs);
      for (const file of files) put(kind, join(folderOf(row), file));
      giveAway(folderOf(row));
    }
  await othersGoOn(first);
  for (const [i] of kinds) await ask({ kind: "cancel", target: `stopped-${i}` });
  for (const [i] of kinds) {
    const stopped = await eventually(async () => {
      const row = await rowOf(first, `stopped-${i}`);
      return row.finishedAt === null ? null : row;
    }, patienceMs);
    expect(stopped).toMatchObject({ status: "aborted", reason: "cancelled" });
  }

  await first.exit("SIGKILL");
  const second = await start();
  await othersGoOn(second);
  writeFileSync(join(home, "go"), "");
  for (const [i] of kinds) {
    const row = await eventually(async () => {
      const found = await rowOf(second, `ends-${i}`);
      return found.finishedAt === null ? null : found;
    }, patienceMs);
    // Its code is lost with the file that held it.
    expect(row).toMatchObject({ status: "failed", reason: "lost" });
    expect((await second.get(`/api/executions/${row.id}`)).status).toBe(200);
  }

  // What lasts longer than one execution is put right before the next.
  for (const [i, kind] of kinds) {
    put(kind, join(data, "batches", `ends-${i}`, "state"));
    giveAway(data);
    await ask({ kind: "trigger", batch: `ends-${i}`, params: {}, dueAt: null });
  }
  for (const [i] of kinds) {
    const row = await eventually(async () => (await second.executions(`?batch=ends-${i}&reason=exit`))[0], patienceMs);
    expect(row).toMatchObject({ status: "failed", exitCode: 7 });
  }
  await othersGoOn(second);
  expect((await second.exit("SIGTERM")).code).toBe(0);
}, 400_000);
