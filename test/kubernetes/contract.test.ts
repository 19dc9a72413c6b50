// What an agent on Kubernetes promises, on every cluster that can be had here. Needs a build.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import type { Execution } from "../../agent/model/execution.ts";
import { startAgent, workplace, type RunningAgent } from "../helpers/agent.ts";
import { main } from "../helpers/cli.ts";
import { eventually } from "../helpers/tmp.ts";
import { fakeCluster } from "./support/clusters.ts";
import { realFault, tryRealCluster } from "./support/real-cluster.ts";
import { useCluster } from "./support/use-cluster.ts";

const clusters = [
  { name: "a fake API server", open: fakeCluster, fault: null },
  {
    name: "a real control plane with a stand-in kubelet",
    open: () => tryRealCluster("control-plane"),
    fault: realFault("control-plane"),
  },
  { name: "a real kubelet on containerd", open: () => tryRealCluster("kubelet"), fault: realFault("kubelet") },
];
for (const { name, fault } of clusters) if (fault !== null) console.warn(`passed over: ${name}: ${fault}`);

// Real ones take seconds for a pod.
vi.setConfig({ testTimeout: 120_000 });

describe.each(clusters)("on $name", ({ open, fault }) => {
  if (fault !== null) return test.skip(`passed over: ${fault}`, () => undefined);
  const cluster = useCluster(open);

  async function run(batches: Record<string, [yaml: string, script: string]>, args: string[] = []) {
    const place = workplace();
    for (const [name, [yaml, script]] of Object.entries(batches)) place.put(name, yaml, script);
    const own = await cluster().argsFor(place.data);
    const start = () => startAgent(place, [...own, ...args]);
    return { place, start, agent: await start() };
  }
  const due = (seconds = 5) => `cron: "${new Date(Date.now() + seconds * 1_000).toISOString()}"\n`;
  const ended = (agent: RunningAgent, name: string, count = 1) =>
    eventually(async () => {
      const rows = (await agent.executions(`?batch=${name}`)).filter(({ finishedAt }) => finishedAt !== null);
      return rows.length >= count ? rows : null;
    }, 60_000);

  const command = (data: string, ...words: string[]) =>
    execFileSync(process.execPath, [main, ...words, "--data", data], { encoding: "utf8" });

  test("a script's code, output, environment and place are on record", async () => {
    const script =
      'echo "$BATCH_NAME $WHO $BATCH_TRIGGER"; echo oops >&2; echo "50 half" >"$BATCH_PROGRESS"; echo kept >"$BATCH_STATE_DIR/f"; exit 3';
    const { agent, place } = await run({ report: [`${due()}env: {WHO: me}\n`, script] });
    const [row] = (await ended(agent, "report")) as [Execution];
    expect(row).toMatchObject({ status: "failed", reason: "exit", exitCode: 3, pid: null, place: { node: "n1" } });
    expect(row.place?.pod).toMatch(/^report-[0-9a-f]{10}$/);
    expect(await (await agent.get(`/api/executions/${row.id}/stdout`)).text()).toBe("report me cron\n");
    expect(await (await agent.get(`/api/executions/${row.id}/stderr`)).text()).toBe("oops\n");
    expect(readFileSync(join(place.data, "batches/report/state/f"), "utf8")).toBe("kept\n");
    expect(existsSync(join(place.data, "batches/report/executions", row.id, "env"))).toBe(false);
    const pod = (await cluster().pods()).find(({ metadata }) => metadata.name === row.place?.pod);
    expect(JSON.stringify(pod)).not.toContain('"WHO');
    const { details } = await agent.json<{ details: object }>("/readyz");
    expect(details).toMatchObject({
      runner: { kind: "kubernetes", namespace: cluster().namespace, watching: true, problem: null },
    });
  });

  test("a chain hands its output on", async () => {
    const { agent } = await run({
      first: [due(), "echo 1; echo 2"],
      second: ["after: first\ninput: previous\n", 'wc -l; head -1 "$BATCH_PREVIOUS_STDOUT"'],
    });
    const [row] = (await ended(agent, "second")) as [Execution];
    expect(row.status).toBe("succeeded");
    expect((await (await agent.get(`/api/executions/${row.id}/stdout`)).text()).replace(/ /g, "")).toBe("2\n1\n");
  });

  test("a script goes on while no agent is there, and its end is found", async () => {
    const { agent, start } = await run({ slow: [due(), "sleep 4; echo done; exit 5"] });
    await eventually(async () => (await agent.executions("?status=running")).length === 1, 30_000);
    await agent.exit("SIGTERM");
    const next = await start();
    const [row, ...others] = await ended(next, "slow");
    expect(others).toEqual([]);
    expect(row).toMatchObject({ status: "failed", exitCode: 5 });
    expect(row?.durationMs).toBeGreaterThan(3_500);
  });

  test("a timeout ends it, and counts from its start", async () => {
    const { agent } = await run({ endless: [`${due()}timeout: 2s\n`, "sleep 60"] });
    const [row] = (await ended(agent, "endless")) as [Execution];
    expect(row).toMatchObject({ status: "failed", reason: "timeout" });
  });

  test("a pod that is deleted by others is failed, though its script says that all is well", async () => {
    const { agent } = await run({ polite: [due(), "trap 'exit 0' TERM; sleep 60 & wait"] });
    const [row] = await eventually(async () => {
      const rows = await agent.executions("?status=running");
      return rows.length === 1 ? rows : null;
    }, 30_000);
    await new Promise((done) => setTimeout(done, 500)); // its trap is set
    const path = `/api/v1/namespaces/${cluster().namespace}/pods/${row?.place?.pod}`;
    expect(await cluster().client.request("DELETE", path)).toMatchObject({ kind: "ok" });
    const [end] = (await ended(agent, "polite")) as [Execution];
    expect(end).toMatchObject({ status: "failed", reason: "signal", signal: "SIGTERM", exitCode: null });
    expect(end.message).toBe("ended by its node: deleted");
  });

  test("an image that is not there is waited for in the cluster's words, then it is a failed start", async () => {
    const yaml = `${due()}kubernetes: {image: nowhere.example.org/none}\n`;
    const { agent } = await run({ lost: [yaml, "echo no"] }, [
      "--kubernetes-images",
      "*",
      "--kubernetes-pending",
      "6s",
    ]);
    const waiting = await eventually(async () => {
      const [row] = await agent.executions("?batch=lost");
      return row?.waitingFor?.includes("Image") === true ? row : null;
    }, 30_000);
    expect(waiting).toMatchObject({ status: "queued", startedAt: null });
    const [row] = (await ended(agent, "lost")) as [Execution];
    expect(row).toMatchObject({ status: "failed", reason: "spawn", startedAt: null });
    expect(row.message).toContain("nowhere.example.org/none");
  });

  test("Secrets come over the agent's variables, under the batch's; streams keep their order in a pipe", async () => {
    await cluster().putSecret("warehouse", { LEVEL: "secret", TOKEN: "t0ken", TZ: "Asia/Tokyo" });
    const yaml = `${due()}env: {LEVEL: batch}\nkubernetes: {envFrom: [{secret: warehouse}]}\n`;
    const script =
      'echo "$LEVEL $TOKEN $TZ ${BATCH_AGENT_NODE-none}"; echo a >/dev/stderr; echo b | tee /dev/stderr; id -u';
    const { agent } = await run({ secret: [yaml, script] }, ["--kubernetes-secrets", "ware*"]);
    const [row] = (await ended(agent, "secret")) as [Execution];
    expect(row.status).toBe("succeeded");
    const [first, second, user] = (await (await agent.get(`/api/executions/${row.id}/stdout`)).text()).split("\n");
    expect([first, second]).toEqual(["batch t0ken Asia/Tokyo none", "b"]);
    if (cluster().isIsolated) expect(user).toBe("1000");
    expect(await (await agent.get(`/api/executions/${row.id}/stderr`)).text()).toBe("a\nb\n");
  });

  test("a Secret that is not there is waited for, and cancelling that deletes the pod", async () => {
    const yaml = "cron: '@yearly'\nkubernetes: {envFrom: [{secret: nope}]}\n";
    const { agent, place } = await run({ missing: [yaml, "echo no"] }, ["--kubernetes-secrets", "*"]);
    command(place.data, "trigger", "missing");
    const row = await eventually(async () => {
      const [one] = await agent.executions("?batch=missing");
      return one?.waitingFor?.includes("nope") === true ? one : null;
    }, 30_000);
    expect(row).toMatchObject({ status: "queued", startedAt: null, place: { node: "n1" } });
    command(place.data, "cancel", row.id);
    const [end] = (await ended(agent, "missing")) as [Execution];
    expect(end).toMatchObject({ status: "aborted", reason: "cancelled", startedAt: null });
    await eventually(
      async () => (await cluster().pods()).every(({ metadata }) => metadata.name !== row.place?.pod),
      30_000,
    );
  });

  test("cancelling one that runs ends it, with what it started", async () => {
    const { agent, place } = await run({ deep: [due(), "trap '' TERM; sleep 300 & sleep 300"] });
    const row = await eventually(async () => (await agent.executions("?status=running"))[0] ?? null, 30_000);
    command(place.data, "cancel", row.id);
    const [end] = (await ended(agent, "deep")) as [Execution];
    expect(end).toMatchObject({ status: "aborted", reason: "cancelled" });
    expect(end.durationMs).toBeGreaterThan(8_000);
  });

  test("a log beyond its limit ends it", async () => {
    const { agent } = await run({ chatty: [due(), "while :; do echo 0123456789; done"] }, ["--log-limit", "100000"]);
    const [end] = (await ended(agent, "chatty")) as [Execution];
    expect(end).toMatchObject({ status: "failed", reason: "log-limit", stdoutBytes: 100_000 });
  });

  test("a full quota is waited for as a place is", async () => {
    const free = await cluster().setQuota(1);
    try {
      const { agent } = await run({ one: [due(), "sleep 10"], two: [due(), "sleep 10"] });
      const waiting = await eventually(
        async () =>
          (await agent.executions("?status=queued")).find(({ waitingFor }) => waitingFor?.includes("quota")) ?? null,
        30_000,
      );
      expect(waiting.waitingFor).toContain("exceeded quota");
      expect((await ended(agent, "one"))[0]).toMatchObject({ status: "succeeded" });
      expect((await ended(agent, "two"))[0]).toMatchObject({ status: "succeeded" });
    } finally {
      await free();
    }
  });

  test("an eviction names itself, as a drain does, though the script says that all is well", async ({ skip }) => {
    if (cluster().server !== null) skip("the fake server knows no eviction");
    const { agent } = await run({ drained: [due(), "trap 'exit 0' TERM; sleep 60 & wait"] });
    const row = await eventually(async () => (await agent.executions("?status=running"))[0] ?? null, 30_000);
    await new Promise((done) => setTimeout(done, 500)); // its trap is set
    const pod = row.place?.pod ?? "";
    const path = `/api/v1/namespaces/${cluster().namespace}/pods/${pod}/eviction`;
    const body = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name: pod, namespace: cluster().namespace } };
    expect(await cluster().client.request("POST", path, body)).toMatchObject({ kind: "ok" });
    const [end] = (await ended(agent, "drained")) as [Execution];
    expect(end).toMatchObject({ status: "failed", reason: "signal", message: "ended by its node: evicted" });
  });

  test("out of memory is said so, of a child and of all", async ({ skip }) => {
    if (!cluster().isIsolated) skip("only a real container has a limit of memory");
    const kubernetes = "kubernetes: {resources: {limits: {memory: 48Mi}}}\n";
    const eat = "head -c 200000000 /dev/zero | tail -c 190000000 >/dev/null";
    const { agent } = await run({
      child: [due() + kubernetes, `bash -c '${eat}; exit 137'; exit 137`],
      own: [due() + kubernetes, "a=$(head -c 200000000 /dev/zero | tr '\\0' x); echo ${#a}"],
      survivor: [due() + kubernetes, `${eat} || true; exit 3`],
    });
    for (const name of ["child", "own"]) {
      const [row] = (await ended(agent, name)) as [Execution];
      expect(row).toMatchObject({
        status: "failed",
        reason: "signal",
        signal: "SIGKILL",
        message: "out of memory, limit 48Mi",
      });
    }
    expect((await ended(agent, "survivor"))[0]).toMatchObject({ status: "failed", reason: "exit", exitCode: 3 });
  });
});
