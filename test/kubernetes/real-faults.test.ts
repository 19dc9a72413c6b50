// KUBERNETES_AWAY=300 KUBERNETES_LOG_MIB=1024 npx vitest run test/kubernetes/real-faults.test.ts
// The parts of a real cluster are killed, cut off and slow while scripts run. Needs a build. Seconds that the API server
// stays away, and size of each of two logs.
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { startAgent, usage, workplace, type RunningAgent } from "../helpers/agent.ts";
import { freePort, main } from "../helpers/cli.ts";
import { eventually } from "../helpers/tmp.ts";
import { chatter, follow } from "./support/followers.ts";
import { startProxy, type Proxy } from "./support/proxy.ts";
import { realFault, tryRealCluster } from "./support/real-cluster.ts";
import { useCluster } from "./support/use-cluster.ts";

const fault = realFault("kubelet");
const awaySeconds = Number(process.env["KUBERNETES_AWAY"] ?? 0);
const logBytes = Number(process.env["KUBERNETES_LOG_MIB"] ?? 8) * 1024 * 1024;
const maxGrowth = 100 * 1024 * 1024;
if (fault !== null) console.warn(`passed over: faults of a real cluster: ${fault}`);

describe.skipIf(fault !== null)("on a real cluster", { timeout: 420_000 + awaySeconds * 1_000 }, () => {
  const cluster = useCluster(() => tryRealCluster("kubelet"));

  async function setUp(script: string, network: Proxy | null = null) {
    const place = workplace();
    place.put("one", 'cron: "@yearly"\nconcurrency: allow\n', `echo run >>"$BATCH_STATE_DIR/ran"\n${script}`);
    const args = await cluster().argsFor(place.data);
    if (network !== null) {
      const at = args.indexOf("--kubeconfig") + 1;
      const text = readFileSync(args[at] ?? "", "utf8").replace(cluster().url, network.url);
      writeFileSync((args[at] = join(place.home, "kubeconfig")), text);
    }
    args.push("--port", String(await freePort()));
    const start = () => startAgent(place, args);
    const agent = await start();
    const trigger = () => execFileSync(process.execPath, [main, "trigger", "one", "--data", place.data]);
    const ran = () => readFileSync(join(place.data, "batches/one/state/ran"), "utf8").trim().split("\n").length;
    return { place, agent, start, trigger, ran };
  }
  const ended = (agent: RunningAgent, count: number) =>
    eventually(async () => {
      const rows = (await agent.executions()).filter(({ finishedAt }) => finishedAt !== null);
      return rows.length >= count ? rows : null;
    }, 400_000);
  const isRunning = (agent: RunningAgent) =>
    eventually(async () => (await agent.executions("?status=running")).length > 0, 60_000);

  test("the API server is killed: ends are recorded meanwhile, and starts go on after", async () => {
    const { agent, trigger, ran } = await setUp("sleep 4; exit 7");
    trigger();
    await isRunning(agent);
    await cluster().programs.kill("kube-apiserver");
    expect((await ended(agent, 1))[0]).toMatchObject({ status: "failed", exitCode: 7 });
    trigger();
    await eventually(
      async () => (await agent.executions("?status=queued"))[0]?.waitingFor?.startsWith("the API server") === true,
      30_000,
    );
    await new Promise((done) => setTimeout(done, awaySeconds * 1_000));
    await cluster().startServer();
    expect((await ended(agent, 2)).map(({ exitCode }) => exitCode)).toEqual([7, 7]);
    expect(ran()).toBe(2);
  });

  test("the kubelet is killed while a script ends: its true exit code, and it ran once", async () => {
    const { agent, trigger, ran } = await setUp("sleep 4; exit 9");
    trigger();
    await isRunning(agent);
    await cluster().programs.kill("kubelet");
    expect((await ended(agent, 1))[0]).toMatchObject({ status: "failed", exitCode: 9 });
    cluster().programs.again("kubelet");
    const [row] = await agent.executions();
    await eventually(
      async () =>
        (await cluster().pods()).find(({ metadata }) => metadata.name === row?.place?.pod)?.status?.["phase"] ===
        "Failed",
      120_000,
    );
    expect(ran()).toBe(1);
    expect(await agent.executions()).toHaveLength(1);
  });

  test("a compaction while the agent is cut off: the end is on record, and it follows again", async () => {
    const network = await startProxy(cluster().url);
    try {
      const { agent, trigger, ran } = await setUp("sleep 4; exit 4", network);
      trigger();
      await isRunning(agent);
      network.drop();
      const [row] = await ended(agent, 1);
      expect(row).toMatchObject({ status: "failed", reason: "exit", exitCode: 4 });
      const path = `/api/v1/namespaces/${cluster().namespace}/pods/${row?.place?.pod}`;
      expect(await cluster().client.request("DELETE", `${path}?gracePeriodSeconds=0`)).toMatchObject({ kind: "ok" });
      await cluster().compact();
      // Without what the server has in memory, versions of before are gone for good.
      await cluster().programs.kill("kube-apiserver");
      await cluster().startServer();
      network.restore();
      await eventually(async () => {
        const { details } = await agent.json<{ details: { runner: object } }>("/readyz");
        return JSON.stringify(details.runner).includes('"watching":true,"problem":null');
      }, 120_000);
      trigger();
      expect((await ended(agent, 2)).map(({ exitCode }) => exitCode)).toEqual([4, 4]);
      expect(ran()).toBe(2);
    } finally {
      await network.close();
    }
  });

  test.each([
    ["says that all is well", "trap 'exit 0' TERM; sleep 600 & wait", "signal"],
    ["ignores SIGTERM", "trap '' TERM; sleep 600", null],
  ])("a pod that is forced away, whose script %s, is a failure", async (_, script, reason) => {
    const { place, agent, trigger, ran } = await setUp(script.replace("sleep", 'touch "$BATCH_STATE_DIR/set"; sleep'));
    trigger();
    await isRunning(agent);
    await eventually(() => existsSync(join(place.data, "batches/one/state/set")), 60_000);
    const [row] = await agent.executions();
    const path = `/api/v1/namespaces/${cluster().namespace}/pods/${row?.place?.pod}`;
    expect(await cluster().client.request("DELETE", `${path}?gracePeriodSeconds=0`)).toMatchObject({ kind: "ok" });
    const [end] = await ended(agent, 1);
    console.warn(end?.reason, end?.message);
    expect(end).toMatchObject({ status: "failed", exitCode: null, ...(reason !== null && { reason }) });
    expect(end?.message).toMatch(/deleted|ended from outside/);
    expect(ran()).toBe(1);
  });

  test("a drain of the only node: refused at first, then an eviction that is named, and starts wait until it is over", async () => {
    const polite = `trap 'exit 0' TERM; touch "$BATCH_STATE_DIR/set"; sleep 600 & wait`;
    const { place, agent, trigger, ran } = await setUp(polite);
    trigger();
    await isRunning(agent);
    await eventually(() => existsSync(join(place.data, "batches/one/state/set")), 60_000);
    const docs = readFileSync(join(import.meta.dirname, "../../docs/kubernetes-pods.md"), "utf8");
    const [, options = ""] = /`kubectl drain <node> ([^`]*)`/.exec(docs) ?? [];
    const drain = (...words: string[]) => {
      try {
        return { code: 0, said: cluster().kubectl("drain", "n1", "--timeout=60s", ...words) };
      } catch (error) {
        return { code: 1, said: (error as { stderr: Buffer | string }).stderr.toString() };
      }
    };
    try {
      expect(options.split(" ").sort()).toEqual(["--delete-emptydir-data", "--force"]);
      for (const given of [[], ["--force"], ["--delete-emptydir-data"]]) {
        const refused = drain(...given);
        expect(refused.code).toBe(1);
        expect(refused.said).toMatch(/use --(force|delete-emptydir-data) to override/);
      }
      expect(await agent.executions()).toMatchObject([{ status: "running" }]);

      expect(drain(...options.split(" "))).toMatchObject({
        code: 0,
        said: expect.stringContaining("drained") as string,
      });
      const [end] = await ended(agent, 1);
      expect(end).toMatchObject({ status: "failed", reason: "signal", signal: "SIGTERM", exitCode: null });
      expect(end?.message).toBe("ended by its node: evicted");

      writeFileSync(join(place.batches, "one/script.sh"), 'echo run >>"$BATCH_STATE_DIR/ran"\n');
      await eventually(async () => (await agent.batch("one")).revision !== end?.revision, 60_000);
      trigger();
      const waiting = await eventually(async () => {
        const [row] = await agent.executions("?status=queued");
        return row?.waitingFor?.includes("unschedulable") === true ? row : null;
      }, 60_000);
      expect(waiting.waitingFor).toContain("0/1 nodes are available");
    } finally {
      cluster().kubectl("uncordon", "n1");
    }
    expect((await ended(agent, 2)).map(({ status }) => status)).toEqual(["succeeded", "failed"]);
    expect(ran()).toBe(2);
  });

  test("who follows a log over the agent's restarts gets each byte once, and is told of the end", async () => {
    const { place, agent, start, trigger } = await setUp(chatter(7));
    trigger();
    await isRunning(agent);
    const id = (await agent.executions("?status=running"))[0]?.id ?? "";
    const followers = follow(agent.url, id);
    let current = agent;
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      await followers.progress();
      await current.exit(signal);
      current = await start();
    }
    await followers.progress();
    writeFileSync(join(place.data, "batches/one/state/stop"), "");
    await followers.expectWhole(join(place.data, "batches/one/executions", id), 7);
  });

  test("both logs are whole, byte for byte, and the agent's memory stays flat", async () => {
    const write = (word: string) => `yes ${word} | head -c ${logBytes}`;
    const { place, agent, trigger } = await setUp(`${write("out-0123456789")} & ${write("err-0123456789")} >&2; wait`);
    const pid = agent.child.pid ?? 0;
    const before = usage(pid).rssBytes;
    let most = 0;
    const measuring = setInterval(() => (most = Math.max(most, usage(pid).rssBytes)), 100);
    trigger();
    const [row] = await ended(agent, 1);
    clearInterval(measuring);
    expect(row).toMatchObject({ status: "succeeded", stdoutBytes: logBytes, stderrBytes: logBytes });
    const folder = join(place.data, "batches/one/executions", row?.id ?? "");
    for (const [file, word] of [
      ["stdout.log", "out-0123456789"],
      ["stderr.log", "err-0123456789"],
    ] as const) {
      const want = execFileSync("sh", ["-c", `${write(word)} | sha256sum`], { encoding: "utf8" }).slice(0, 64);
      expect(await sha256(join(folder, file))).toBe(want);
    }
    console.warn(
      `${logBytes} bytes a stream: ${row?.durationMs} ms, ${((most - before) / 2 ** 20).toFixed(0)} MiB more`,
    );
    expect(most - before).toBeLessThan(maxGrowth);
  });

  test("the documentation's way on one node, word for word", async () => {
    const { home } = workplace();
    const data = join(home, "data");
    const docs = readFileSync(join(import.meta.dirname, "../../docs/kubernetes-pods.md"), "utf8");
    const block = /## Try it on one node[\s\S]*?```sh\n([\s\S]*?)```/.exec(docs)?.[1] ?? "";
    const given = {
      "/srv/batch-agent": data,
      "debian:stable-slim": cluster().image,
      "~/.kube/config": cluster().kubeconfig,
    };
    const script = Object.entries(given).reduce((text, [from, to]) => text.replaceAll(from, to), block);
    mkdirSync(join(home, "bin"));
    const commands = { kubectl: cluster().kubectlCommand, "batch-agent": `${process.execPath} ${main}` };
    for (const [name, command] of Object.entries(commands))
      writeFileSync(join(home, "bin", name), `#!/bin/sh\nexec ${command} "$@"\n`, { mode: 0o755 });
    const env = {
      ...process.env,
      PATH: `${join(home, "bin")}:${process.env["PATH"]}`,
      BATCH_AGENT_PORT: "0",
      BATCH_AGENT_KUBERNETES_TEMPLATE: cluster().template(),
    };
    const shell = spawn("sh", ["-ec", script], { cwd: home, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    for (const stream of [shell.stdout, shell.stderr]) stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
    try {
      await eventually(() => said.includes('"url":'), 120_000).catch(() => expect(said).toBe("an agent that serves"));
      const told = execFileSync("sh", ["-c", `batch-agent trigger hello --data ${data} --follow`], { cwd: home, env });
      expect(told.toString().trim().split("\n").length).toBeGreaterThan(1);
      const pods = execFileSync("sh", ["-c", "kubectl -n batch-agent get pods"], { env, encoding: "utf8" });
      expect(pods).toMatch(/^hello-[0-9a-f]{10} /m);
    } finally {
      process.kill(-(shell.pid ?? 0), "SIGKILL");
    }
  });
});

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
