// What goes wrong between an agent and its cluster, on a server of ours that does wrong on purpose. Needs a build.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Execution } from "../../agent/model/execution.ts";
import { startAgent, workplace, type RunningAgent } from "../helpers/agent.ts";
import { main } from "../helpers/cli.ts";
import { eventually } from "../helpers/tmp.ts";
import { recordedRows } from "../helpers/ledger.ts";
import { fakeCluster, type Cluster } from "./support/clusters.ts";
import type { FakeServer } from "./support/fake-server.ts";
import type { Kubelet } from "./support/kubelet.ts";

vi.setConfig({ testTimeout: 180_000 });

let cluster: Cluster & { server: FakeServer; kubelet: Kubelet };
beforeEach(async () => {
  const { server, kubelet, ...rest } = await fakeCluster();
  if (server === null || kubelet === null) throw new Error("these are the fake one's");
  cluster = { ...rest, server, kubelet };
});
afterEach(() => cluster.stop());

/** `count` batches that are started by hand; each writes a line into one file for each time that it runs. */
async function setUp(count: number, script: string, args: string[] = []) {
  const place = workplace();
  const names = Array.from({ length: count }, (_, i) => `b-${i}`);
  for (const name of names) place.put(name, 'cron: "@yearly"\n', `echo $BATCH_NAME >>${place.home}/ran\n${script}`);
  const all = [...(await cluster.argsFor(place.data)), ...args];
  const start = () => startAgent(place, all);
  return { place, names, start, agent: await start(), ran: () => lines(join(place.home, "ran")) };
}
const lines = (path: string) => {
  try {
    return readFileSync(path, "utf8").trim().split("\n");
  } catch {
    return [];
  }
};
const command = (data: string, ...words: string[]) =>
  execFileSync(process.execPath, [main, ...words, "--data", data], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
const settled = (agent: RunningAgent, count: number, ms = 120_000) =>
  eventually(async () => {
    const rows = await agent.executions("?limit=500");
    return rows.length >= count && rows.every(({ finishedAt }) => finishedAt !== null) ? rows : null;
  }, ms);
const statuses = (rows: readonly Execution[]) => [...new Set(rows.map(({ status }) => status))];

test("a POST whose answer is lost after the server took it makes one pod", async () => {
  const { place, agent, ran } = await setUp(1, "true");
  let lost = 0;
  cluster.server.intercept = (method, path) =>
    method === "POST" && path.endsWith("/pods") && lost++ < 2 ? "cut-after" : null;
  command(place.data, "trigger", "b-0");
  expect(statuses(await settled(agent, 1))).toEqual(["succeeded"]);
  expect(ran()).toEqual(["b-0"]);
  expect(cluster.server.objects("pods")).toHaveLength(1);
});

test("every container runs twice, and every script once", async () => {
  const count = Number(process.env["KUBERNETES_TWICE"] ?? 60);
  const place = workplace();
  const ran = join(place.home, "ran");
  const due = new Date(Math.ceil((Date.now() + 5_000 + count * 20) / 1_000) * 1_000).toISOString();
  const names = Array.from({ length: count }, (_, i) => `b-${i}`);
  for (const name of names) place.put(name, `cron: "${due}"\n`, `echo $BATCH_NAME >>${ran}\nsleep 0.2`);
  cluster.kubelet.copies = 2;
  const agent = await startAgent(place, await cluster.argsFor(place.data), { patienceMs: 60_000 });
  await eventually(() => lines(ran).length >= count, 1_200_000);
  await eventually(async () => {
    const { details } = await agent.json<{ details: { running: number; queued: number } }>("/readyz");
    return details.running + details.queued === 0;
  }, 1_200_000);
  await agent.exit("SIGTERM");
  const rows = recordedRows(place.data);
  expect(rows.map(({ batch }) => batch).sort()).toEqual([...names].sort());
  expect(statuses(rows)).toEqual(["succeeded"]);
  expect(lines(ran).sort()).toEqual([...names].sort());
  const seconds = rows.map(({ id, batch }) => lines(join(place.data, "batches", batch, "executions", id, "second")));
  expect(seconds.filter(({ length }) => length !== 1)).toEqual([]);
}, 3_000_000);

test("scripts that end while the API server is away are recorded, and nothing starts twice", async () => {
  const { place, names, agent, ran } = await setUp(5, "sleep 3");
  for (const name of names) command(place.data, "trigger", name);
  await eventually(async () => (await agent.executions("?status=running")).length === names.length, 30_000);
  await cluster.server.down();
  const rows = await settled(agent, names.length, 30_000);
  expect(statuses(rows)).toEqual(["succeeded"]);
  expect((await agent.get("/readyz")).status).toBe(200);
  const ready = await agent.json<{ details: { runner: { problem: string | null } } }>("/readyz");
  expect(ready.details.runner.problem).not.toBeNull();
  command(place.data, "trigger", "b-0");
  await eventually(
    async () => (await agent.executions("?status=queued"))[0]?.waitingFor?.startsWith("the API server") === true,
    20_000,
  );
  await cluster.server.up();
  expect(statuses(await settled(agent, names.length + 1, 60_000))).toEqual(["succeeded"]);
  expect(ran()).toHaveLength(names.length + 1);
});

test("a compaction while the agent is cut off costs no event", async () => {
  const { place, agent } = await setUp(2, "sleep 4");
  command(place.data, "trigger", "b-0");
  const row = await eventually(async () => (await agent.executions("?status=running"))[0] ?? null, 30_000);
  let watches = 0;
  cluster.server.intercept = (method) => (method === "WATCH" && watches++ < 3 ? "cut" : null);
  await cluster.server.down();
  await cluster.server.up();
  cluster.server.remove("pods", row.place?.pod ?? ""); // forced away, unseen
  cluster.server.put("secrets", { metadata: { name: "another" } });
  cluster.server.compact();
  const [end] = await settled(agent, 1, 60_000);
  expect(end?.status).toBe("succeeded"); // its exit code is on the volume
  await eventually(
    async () => (await agent.json<{ details: { runner: { watching: boolean } } }>("/readyz")).details.runner.watching,
    60_000,
  );
});

test("a 429 is obeyed by all requests, and a busy server is asked again", async () => {
  const { place, names, agent, ran } = await setUp(10, "true");
  const times: number[] = [];
  let refused = 0;
  cluster.server.intercept = (method, path) => {
    if (method !== "POST" || !path.endsWith("/pods")) return null;
    times.push(Date.now());
    refused += 1;
    if (refused <= 3) return { status: 429, headers: { "retry-after": "1" } };
    return refused <= 6 ? { status: 503 } : null;
  };
  for (const name of names) command(place.data, "trigger", name);
  expect(statuses(await settled(agent, names.length))).toEqual(["succeeded"]);
  expect(ran()).toHaveLength(names.length);
  expect(times.length).toBeLessThan(40);
});

test.each([
  [
    {
      status: 403,
      body: { code: 403, message: 'pods "x" is forbidden: violates PodSecurity "restricted:latest": host namespaces' },
    },
    "violates PodSecurity",
  ],
  [
    { status: 422, body: { code: 422, reason: "Invalid", message: "spec.nodeSelector: Invalid value" } },
    "Invalid value",
  ],
])("a refusal for good is a failed start in the server's words: %o", async (fault, words) => {
  const { place, agent } = await setUp(1, "true");
  cluster.server.intercept = (method, path) => (method === "POST" && path.endsWith("/pods") ? fault : null);
  command(place.data, "trigger", "b-0");
  const [row] = await settled(agent, 1);
  expect(row).toMatchObject({ status: "failed", reason: "spawn", startedAt: null });
  expect(row?.message).toContain(words);
  const ready = await agent.json<{ details: { runner: { problem: string } } }>("/readyz");
  expect(ready.details.runner.problem).toContain(words);
});

test("ended pods go after their time, and a copy that somebody made stays", async () => {
  const { place, agent } = await setUp(1, "true", ["--kubernetes-keep", "0s"]);
  command(place.data, "trigger", "b-0");
  await settled(agent, 1);
  const [own] = cluster.server.objects("pods");
  if (own !== undefined)
    cluster.server.put("pods", { ...structuredClone(own), metadata: { ...own.metadata, name: "a-copy" } });
  await eventually(
    () => cluster.server.objects("pods").every(({ metadata }) => !metadata.name.startsWith("b-0")),
    30_000,
  );
  expect(cluster.server.objects("pods").map(({ metadata }) => metadata.name)).toEqual(["a-copy"]);
});

test("a pod that ended and was deleted while no agent was there has its true exit code", async () => {
  const { place, agent, start, ran } = await setUp(1, "sleep 1; exit 6");
  command(place.data, "trigger", "b-0");
  const row = await eventually(async () => (await agent.executions("?status=running"))[0] ?? null, 30_000);
  await agent.exit("SIGKILL");
  await eventually(() => cluster.server.objects("pods")[0]?.status?.["phase"] === "Failed", 30_000);
  cluster.server.remove("pods", row.place?.pod ?? "");
  const [end] = await settled(await start(), 1);
  expect(end).toMatchObject({ status: "failed", reason: "exit", exitCode: 6 });
  expect(ran()).toHaveLength(1);
});

test.each([-600, 600])(
  "a node whose clock is %s s off: times and chains are the agent's, a timeout counts",
  async (off) => {
    cluster.kubelet.aheadSeconds = off;
    const place = workplace();
    place.put("first", 'cron: "*/4 * * * * *"\nconcurrency: allow\n', "sleep 1");
    // Judged by the end of the one before it.
    place.put("second", 'cron: "*/5 * * * * *"\nafter: first\n', "true");
    place.put("endless", 'cron: "@yearly"\ntimeout: 3s\n', "exec sleep 60");
    const agent = await startAgent(place, await cluster.argsFor(place.data));
    command(place.data, "trigger", "endless");
    const [endless] = await endedRows(agent, "endless");
    expect(endless).toMatchObject({ status: "failed", reason: "timeout" });
    expect(endless?.durationMs).toBeGreaterThan(2_000);
    const [second] = await endedRows(agent, "second", "&status=succeeded");
    const [first] = await endedRows(agent, "first", "&status=succeeded");
    const claim = readFileSync(join(place.data, "batches/first/executions", first?.id ?? "", "claim"), "utf8");
    const claimedMs = Number(claim.split(" ")[0]) * 1_000;
    expect(Math.abs(claimedMs - off * 1_000 - Date.parse(first?.startedAt ?? ""))).toBeLessThan(300_000);
    const rows = [first, second, endless].filter((row) => row !== undefined);
    for (const { createdAt, startedAt, finishedAt } of rows) {
      const times = [createdAt, startedAt, finishedAt].map((at) => Date.parse(at ?? ""));
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      expect(times[2]).toBeLessThanOrEqual(Date.now());
    }
  },
);

const endedRows = (agent: RunningAgent, batch: string, query = "") =>
  eventually(async () => {
    const rows = (await agent.executions(`?batch=${batch}${query}`)).filter(({ finishedAt }) => finishedAt !== null);
    return rows.length > 0 ? rows : null;
  }, 120_000);

test("a token that is replaced while it runs: the old one is refused, and nobody notices", async () => {
  const place = workplace();
  place.put("often", 'cron: "* * * * * *"\nconcurrency: allow\n', "true");
  const [token, args] = await withTokenFile(place);
  let valid = "first";
  const refused: string[] = [];
  cluster.server.intercept = (method, path, { authorization = "", "user-agent": who = "" }) => {
    if (!who.startsWith("batch-agent/") || authorization === `Bearer ${valid}`) return null;
    refused.push(`${method} ${path} ${authorization}`);
    return { status: 401, body: { kind: "Status", code: 401, reason: "Unauthorized", message: "Unauthorized" } };
  };
  const agent = await startAgent(place, [...args, "--lease", "batch-agent"]);
  const succeeded = async () => (await agent.executions("?status=succeeded&limit=500")).length;
  await eventually(async () => (await succeeded()) > 0, 60_000);
  for (valid of ["second", "third"]) {
    token(valid);
    const before = await succeeded();
    await eventually(async () => (await succeeded()) > before + 2, 60_000);
  }
  expect(refused.length).toBeGreaterThan(0);
  expect((await agent.executions("?limit=500")).filter(({ status }) => status === "failed")).toEqual([]);
  const { details } = await agent.json<{ details: object }>("/readyz");
  expect(details).toMatchObject({ lease: { leading: true } });
});

/** Arguments of an agent whose kubeconfig names a file with its token; the first result writes another one. */
async function withTokenFile(place: ReturnType<typeof workplace>) {
  const args = await cluster.argsFor(place.data);
  const file = join(place.home, "token");
  const write = (value: string) => {
    writeFileSync(`${file}.new`, value);
    renameSync(`${file}.new`, file); // as the kubelet does it
  };
  write("first");
  const kubeconfig = `${place.data}.kubeconfig`;
  const text = readFileSync(kubeconfig, "utf8").replace('"token":"test"', '"tokenFile":"token"');
  writeFileSync(join(place.home, "kubeconfig"), text);
  return [write, args.map((one) => (one === kubeconfig ? join(place.home, "kubeconfig") : one))] as const;
}

const libraries = ["x86_64", "aarch64"].map((arch) => `/usr/lib/${arch}-linux-gnu/faketime/libfaketime.so.1`);
const faketime = libraries.find((path) => existsSync(path));

test.skipIf(faketime === undefined)("the agent's clock is set while a pod waits: that is no time waited", async () => {
  const place = workplace();
  const offset = join(place.home, "offset");
  writeFileSync(offset, "+0\n");
  place.put("one", 'cron: "0 0 29 2 *"\nkubernetes: {image: later}\n', "true");
  const env = {
    ...{ LD_PRELOAD: faketime ?? "", FAKETIME_TIMESTAMP_FILE: offset },
    ...{ FAKETIME_NO_CACHE: "1", FAKETIME_DONT_FAKE_MONOTONIC: "1" },
  };
  const args = [...(await cluster.argsFor(place.data)), "--kubernetes-images", "*"];
  const agent = await startAgent(place, args, { env });
  command(place.data, "trigger", "one");
  await eventually(
    async () => (await agent.executions())[0]?.waitingFor?.startsWith("ErrImageNeverPull") === true,
    60_000,
  );
  writeFileSync(offset, "+3600\n");
  await new Promise((done) => setTimeout(done, 12_000)); // it has been looked at twice since
  expect(await agent.executions()).toMatchObject([{ status: "queued" }]);
  cluster.kubelet.images.add("later");
  cluster.kubelet.isSilent = false; // it looks at its pods anew
  expect(statuses(await settled(agent, 1))).toEqual(["succeeded"]);
});

test.skipIf(faketime === undefined)(
  "a silent node's execution is lost in time; its retry waits until the pod is gone",
  async () => {
    const place = workplace();
    const script = `echo $BATCH_ATTEMPT >>${place.home}/ran\n[ $BATCH_ATTEMPT = 2 ] || sleep 100000`;
    place.put("one", 'cron: "0 0 29 2 *"\nretry: {limit: 1, delay: 1s}\n', script);
    // Time passes twenty times as fast for the agent: ten minutes are half a one.
    const env = { LD_PRELOAD: faketime ?? "", FAKETIME: "+0 x20" };
    const agent = await startAgent(place, await cluster.argsFor(place.data), { env });
    command(place.data, "trigger", "one");
    const ran = () => lines(join(place.home, "ran"));
    await eventually(() => ran().length === 1, 60_000);
    const row = await eventually(async () => (await agent.executions("?status=running"))[0] ?? null, 60_000);
    cluster.kubelet.isSilent = true;
    const path = `/api/v1/namespaces/${cluster.namespace}/pods/${row.place?.pod}`;
    expect(await cluster.client.request("DELETE", path)).toMatchObject({ kind: "ok" });
    const lost = await eventually(async () => (await agent.executions("?status=failed"))[0] ?? null, 150_000);
    expect(lost).toMatchObject({ reason: "lost" });
    expect(lost.message).toContain("may still be running on n1");
    const retry = await eventually(async () => {
      const [next] = await agent.executions("?status=queued");
      return next?.waitingFor?.includes("last attempt") === true ? next : null;
    }, 60_000);
    expect(retry.waitingFor).toContain("may still be running");
    expect(ran()).toEqual(["1"]);
    cluster.kubelet.isSilent = false;
    await eventually(async () => (await agent.executions("?status=succeeded")).length === 1, 120_000);
    expect(ran()).toEqual(["1", "2"]);
    expect(await agent.executions()).toHaveLength(2);
  },
  420_000,
);
