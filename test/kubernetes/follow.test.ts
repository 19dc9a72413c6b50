// KUBERNETES_CLUSTER=control-plane npx vitest run test/kubernetes/follow.test.ts
// Who follows a pod's log gets every byte once and is told of its end, over restarts of the agent and over a change of
// the leader; on the fake server unless asked otherwise. Needs a build.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { startAgent, workplace, type RunningAgent } from "../helpers/agent.ts";
import { freePort, main } from "../helpers/cli.ts";
import { eventually } from "../helpers/tmp.ts";
import { openCluster, type Cluster } from "./support/asked-cluster.ts";
import { chatter, follow } from "./support/followers.ts";

vi.setConfig({ testTimeout: 300_000 });

let cluster: Cluster;
beforeEach(async () => (cluster = await openCluster()), 420_000);
afterEach(() => cluster.stop(), 60_000);

async function setUp(more: string[] = []) {
  const place = workplace();
  place.put("one", 'cron: "@yearly"\n', chatter(7));
  const port = await freePort();
  const args = [...(await cluster.argsFor(place.data)), ...more];
  const start = () => startAgent(place, [...args, "--port", String(port)]);
  return { place, args, start, agent: await start() };
}

async function running(agent: RunningAgent, data: string): Promise<string> {
  execFileSync(process.execPath, [main, "trigger", "one", "--data", data]);
  const row = await eventually(async () => (await agent.executions("?status=running"))[0] ?? null, 60_000);
  return row.id;
}

const stop = (data: string) => writeFileSync(join(data, "batches/one/state/stop"), "");

test("over restarts by SIGTERM and by SIGKILL", async () => {
  const { place, start, agent } = await setUp();
  const id = await running(agent, place.data);
  const followers = follow(agent.url, id);
  let current = agent;
  for (const signal of ["SIGTERM", "SIGKILL", "SIGTERM"] as const) {
    await followers.progress();
    await current.exit(signal);
    current = await start();
    expect(current.url).toBe(agent.url);
  }
  await followers.progress();
  stop(place.data);
  await followers.expectWhole(join(place.data, "batches/one/executions", id), 7);
});

// Longer than others: a leader that is killed is waited for until its Lease is over.
test.each(["SIGTERM", "SIGKILL"] as const)("at the one that stands by, when its leader ends by %s", async (signal) => {
  const { place, args, agent } = await setUp(["--lease", "batch-agent"]);
  const second = await startAgent(place, args);
  const id = await running(agent, place.data);
  const followers = follow(second.url, id);
  await followers.progress();
  await agent.exit(signal);
  await followers.progress();
  stop(place.data);
  await followers.expectWhole(join(place.data, "batches/one/executions", id), 7);
});
