// KUBERNETES_CLUSTER=control-plane KUBERNETES_STILL=60 npx vitest run test/kubernetes/lease.test.ts
// Two agents, one Lease: one writer at a time, whatever becomes of either; on the fake server unless asked otherwise.
// Needs a build.
import { lstatSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { startAgent, workplace, type RunningAgent } from "../helpers/agent.ts";
import { canMount } from "../helpers/disk.ts";
import { recordedRows } from "../helpers/ledger.ts";
import { ownMounts, remount } from "../helpers/own-mounts.ts";
import { eventually } from "../helpers/tmp.ts";
import { openCluster, type Cluster } from "./support/asked-cluster.ts";
import type { Stored } from "./support/fake-server.ts";
import { startProxy, type Proxy } from "./support/proxy.ts";

vi.setConfig({ testTimeout: 300_000 });

/** At least so long a leader stands still; longer than its Lease anyway. */
const stillMs = Number(process.env["KUBERNETES_STILL"] ?? 0) * 1_000;
/** What a slow machine takes longer is no fault of the agents. */
const slowMs = 25_000;

let cluster: Cluster;
let serverUrl: string;
beforeEach(async () => {
  cluster = await openCluster();
  serverUrl = cluster.client.server;
}, 420_000);
afterEach(() => cluster.stop(), 60_000);

type Place = ReturnType<typeof workplace>;

/** Two agents, each by a network of its own where there is one; the first one with mounts of its own where asked. */
async function pair(networks: (Proxy | null)[] = [], mounts: "shared" | "own" = "shared") {
  const place = workplace();
  const script = `echo "$BATCH_EXECUTION_ID" >>${place.home}/ran; echo run`;
  place.put("often", 'cron: "* * * * * *"\nconcurrency: allow\n', script);
  const args = [...(await cluster.argsFor(place.data)), "--lease", "batch-agent"];
  const by = (network: Proxy | null | undefined, name: string) => {
    if (network == null) return args;
    const at = args.indexOf("--kubeconfig") + 1;
    const path = join(place.home, `${name}.kubeconfig`);
    writeFileSync(path, readFileSync(args[at] ?? "", "utf8").replace(serverUrl, network.url));
    return args.with(at, path);
  };
  const first = await startAgent(place, by(networks[0], "first"), mounts === "own" ? ownMounts(place.data) : {});
  const second = await startAgent(place, by(networks[1], "second"));
  return { place, first, second, start: () => startAgent(place, args) };
}

interface Ready {
  ready: boolean;
  details: { lease: { name: string; holder: string; leading: boolean; since: string } };
}
const leads = async (agent: RunningAgent) => (await agent.json<Ready>("/readyz")).details.lease.leading;

/** Due times from the first one on record to the last: each has one row, whichever agent led. */
async function expectOneRowADueTime(agent: RunningAgent): Promise<number> {
  const { items } = await agent.json<{
    items: { trigger: { dueAt: string }; status: string; reason: string | null; missed?: { count: number } }[];
  }>("/api/executions?limit=500");
  const ran = items.filter(({ reason }) => reason !== "missed").map(({ trigger }) => trigger.dueAt);
  expect(new Set(ran).size).toBe(ran.length);
  const times = ran.map((at) => Date.parse(at));
  const span = (Math.max(...times) - Math.min(...times)) / 1_000 + 1;
  const missed = items.reduce((sum, { missed: gap }) => sum + (gap?.count ?? 0), 0);
  // The latest of a gap is caught up and stands in its row too.
  expect(ran.length + missed).toBeGreaterThanOrEqual(span);
  return ran.length;
}

test("the one that stands by is ready, and hands requests on to the leader", async () => {
  const { first, second } = await pair();
  expect([await leads(first), await leads(second)]).toEqual([true, false]);
  await eventually(async () => (await first.executions("?status=succeeded")).length > 0, 60_000);
  expect((await second.executions("?status=succeeded")).length).toBeGreaterThan(0);
  const page = await second.get("/");
  expect(page.headers.get("x-batch-agent-leader")).toBe(first.url);
  expect(await page.text()).toContain("often");
  expect(await (await second.get("/metrics")).text()).toContain("batch_agent_leading 0");
  expect(await (await first.get("/metrics")).text()).toContain("batch_agent_leading 1");
});

test("a leader that is stopped hands over at once, one that is killed within 20 s", async () => {
  const { place, first, second } = await pair();
  await eventually(async () => (await first.executions("?status=succeeded")).length > 0, 60_000);
  let since = performance.now();
  await first.exit("SIGTERM");
  await eventually(() => leads(second), 60_000);
  expect(performance.now() - since).toBeLessThan(6_000 + slowMs);
  const third = await startAgent(place, [...(await cluster.argsFor(place.data)), "--lease", "batch-agent"]);
  since = performance.now();
  await second.exit("SIGKILL");
  await eventually(() => leads(third), 60_000);
  expect(performance.now() - since).toBeLessThan(20_000 + slowMs);
  await eventually(async () => (await third.executions("?status=succeeded")).length > 3, 60_000);
  expect(await expectOneRowADueTime(third)).toBeGreaterThan(3);
});

test("a leader that stood still starts and writes nothing when it goes on, and ends", async () => {
  const { place, first, second, start } = await pair();
  await eventually(async () => (await first.executions("?status=succeeded")).length > 0, 60_000);
  const since = performance.now();
  first.child.kill("SIGSTOP");
  await eventually(() => leads(second), 60_000);
  await eventually(async () => (await second.executions("?status=succeeded")).length > 3, 60_000);
  await eventually(() => performance.now() - since > stillMs, stillMs + 60_000);
  // Nobody else writes when it wakes up.
  expect((await second.exit("SIGTERM")).code).toBe(0);
  await eventually(async () => (await cluster.pods()).every(isOver), 60_000);
  const [files, ran] = [filesOf(place.data), readFileSync(join(place.home, "ran"), "utf8")];
  const ended = first.exit("SIGCONT");
  expect(await ended).toEqual({ code: 1, signal: null });
  expect(first.log()).toContain("leads no more");
  expect(filesOf(place.data)).toEqual(files);
  expect(readFileSync(join(place.home, "ran"), "utf8")).toBe(ran);
  const third = await start();
  await expectWhole(place, third);
  expect(readdirSync(join(place.data, "journal"))).toEqual([]);
  expect(readdirSync(place.data).filter((name) => name.includes("corrupt"))).toEqual([]);
  expect(JSON.parse(readFileSync(join(place.data, "batches/often/history.json"), "utf8"))).toBeTruthy();
});

const isOver = ({ status }: Stored) => ["Succeeded", "Failed"].includes(String(status?.["phase"]));

/** All there is in a folder: size and time of the last write. */
function filesOf(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
  return Object.fromEntries(
    names.map((name) => {
      const { size, mtimeMs } = lstatSync(join(folder, name));
      return [name, `${size} ${mtimeMs}`];
    }),
  );
}

test("a leader whose packets are dropped leaves before another takes over; its scripts go on and run once", async () => {
  const network = await startProxy(serverUrl);
  try {
    const { place, first, second } = await pair([network]);
    await eventually(async () => (await first.executions("?status=succeeded")).length > 0, 60_000);
    network.drop();
    expect((await first.exit()).code).toBe(1);
    await eventually(() => leads(second), 60_000);
    await expectWhole(place, second);
  } finally {
    await network.close();
  }
});

test("one that stands by, cut off while the leader stands still, takes over once it is back", async () => {
  const network = await startProxy(serverUrl);
  try {
    const { place, first, second } = await pair([null, network]);
    await eventually(async () => (await first.executions("?status=succeeded")).length > 0, 60_000);
    network.drop();
    first.child.kill("SIGSTOP");
    await new Promise((done) => setTimeout(done, 20_000)); // longer than the Lease lasts
    network.restore();
    await eventually(() => leads(second), 90_000);
    const ended = first.exit("SIGCONT");
    expect((await ended).code).toBe(1);
    await expectWhole(place, second);
  } finally {
    await network.close();
  }
});

test.skipIf(!canMount)("a leader whose volume takes no writes says so, and hands over when it is stopped", async () => {
  const { place, first, second } = await pair([], "own");
  await eventually(async () => (await first.executions("?status=succeeded")).length > 0, 60_000);
  await remount(first.child.pid, place.data, "ro");
  const told = await eventually(async () => {
    const response = await first.get("/readyz");
    return response.status === 503 && ((await response.json()) as Ready & { reasons: string[] });
  }, 60_000);
  expect(told.reasons.join()).toMatch(/EROFS/);
  expect(told.details.lease.leading).toBe(true);
  // Through the one that stands by, whose own volume is well, all can still be read.
  expect((await second.executions("?status=succeeded")).length).toBeGreaterThan(0);
  expect((await first.exit("SIGTERM")).code).toBe(1);
  await eventually(() => leads(second), 60_000);
  await expectWhole(place, second);
});

/** What ran and what is on record are the same, once each; goes on for some due times first. */
async function expectWhole(place: Place, leader: RunningAgent): Promise<void> {
  const before = (await leader.executions("?status=succeeded&limit=500")).length;
  await eventually(async () => (await leader.executions("?status=succeeded&limit=500")).length > before + 3, 60_000);
  await expectOneRowADueTime(leader);
  place.put("often", 'cron: "@yearly"\n', "true");
  await eventually(async () => (await leader.batch("often")).next[0]?.includes("-01-01T") === true, 60_000);
  await eventually(
    async () =>
      (await leader.executions("?status=queued")).length + (await leader.executions("?status=running")).length === 0,
    60_000,
  );
  await leader.exit("SIGTERM");
  const rows = recordedRows(place.data).filter(({ missed }) => missed === undefined);
  expect(rows.filter(({ status }) => status !== "succeeded")).toEqual([]);
  const ran = readFileSync(join(place.home, "ran"), "utf8").trim().split("\n");
  expect(ran.sort()).toEqual(rows.map(({ id }) => id).sort());
}
