// The parts of a real cluster are killed while scripts run. Needs a build.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startAgent, workplace, type RunningAgent } from "../helpers/agent.ts";
import { main } from "../helpers/cli.ts";
import { eventually } from "../helpers/tmp.ts";
import { realFault, tryRealCluster, type RealCluster } from "./support/real-cluster.ts";

const fault = realFault("kubelet");
if (fault !== null) console.warn(`passed over: faults of a real cluster: ${fault}`);

describe.skipIf(fault !== null)("on a real cluster", { timeout: 180_000 }, () => {
  let cluster: RealCluster;
  let missing: string | null = null;
  beforeAll(async () => {
    const opened = await tryRealCluster("kubelet");
    if (typeof opened === "string") console.warn(`passed over: ${(missing = opened)}`);
    else cluster = opened;
  }, 420_000);
  beforeEach(({ skip }) => skip(missing !== null, missing ?? ""));
  afterAll(() => (missing === null ? cluster.stop() : undefined), 60_000);

  async function setUp(script: string) {
    const place = workplace();
    place.put("one", 'cron: "@yearly"\nconcurrency: allow\n', `echo run >>"$BATCH_STATE_DIR/ran"\n${script}`);
    const agent = await startAgent(place, await cluster.argsFor(place.data));
    const trigger = () => execFileSync(process.execPath, [main, "trigger", "one", "--data", place.data]);
    const ran = () => readFileSync(join(place.data, "batches/one/state/ran"), "utf8").trim().split("\n").length;
    return { agent, trigger, ran };
  }
  const ended = (agent: RunningAgent, count: number) =>
    eventually(async () => {
      const rows = (await agent.executions()).filter(({ finishedAt }) => finishedAt !== null);
      return rows.length >= count ? rows : null;
    }, 120_000);
  const isRunning = (agent: RunningAgent) =>
    eventually(async () => (await agent.executions("?status=running")).length > 0, 60_000);

  test("the API server is killed: ends are recorded meanwhile, and starts go on after", async () => {
    const { agent, trigger, ran } = await setUp("sleep 4; exit 7");
    trigger();
    await isRunning(agent);
    await cluster.programs.kill("kube-apiserver");
    expect((await ended(agent, 1))[0]).toMatchObject({ status: "failed", exitCode: 7 });
    trigger();
    await eventually(
      async () => (await agent.executions("?status=queued"))[0]?.waitingFor?.startsWith("the API server") === true,
      30_000,
    );
    await cluster.startServer();
    expect((await ended(agent, 2)).map(({ exitCode }) => exitCode)).toEqual([7, 7]);
    expect(ran()).toBe(2);
  });

  test("the kubelet is killed while a script ends: its true exit code, and it ran once", async () => {
    const { agent, trigger, ran } = await setUp("sleep 4; exit 9");
    trigger();
    await isRunning(agent);
    await cluster.programs.kill("kubelet");
    expect((await ended(agent, 1))[0]).toMatchObject({ status: "failed", exitCode: 9 });
    cluster.programs.again("kubelet");
    const [row] = await agent.executions();
    await eventually(
      async () =>
        (await cluster.pods()).find(({ metadata }) => metadata.name === row?.place?.pod)?.status?.["phase"] ===
        "Failed",
      120_000,
    );
    expect(ran()).toBe(1);
    expect(await agent.executions()).toHaveLength(1);
  });
});
