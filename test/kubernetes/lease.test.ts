// Two agents, one Lease: one writer at a time, whatever becomes of either. Needs a build.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { startAgent, workplace, type RunningAgent } from "../helpers/agent.ts";
import { eventually } from "../helpers/tmp.ts";
import { fakeCluster, type Cluster } from "./support/clusters.ts";

vi.setConfig({ testTimeout: 90_000 });

let cluster: Cluster;
beforeEach(async () => {
  cluster = await fakeCluster();
});
afterEach(() => cluster.stop());

async function pair() {
  const place = workplace();
  place.put("often", 'cron: "* * * * * *"\nconcurrency: allow\n', "echo run");
  const args = [...(await cluster.argsFor(place.data)), "--lease", "batch-agent"];
  const first = await startAgent(place, args);
  const second = await startAgent(place, args);
  return { place, first, second };
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
  await eventually(async () => (await first.executions("?status=succeeded")).length > 0, 20_000);
  expect((await second.executions("?status=succeeded")).length).toBeGreaterThan(0);
  const page = await second.get("/");
  expect(page.headers.get("x-batch-agent-leader")).toBe(first.url);
  expect(await page.text()).toContain("often");
  expect(await (await second.get("/metrics")).text()).toContain("batch_agent_leading 0");
  expect(await (await first.get("/metrics")).text()).toContain("batch_agent_leading 1");
});

test("a leader that is stopped hands over at once, one that is killed within 20 s", async () => {
  const { place, first, second } = await pair();
  await eventually(async () => (await first.executions("?status=succeeded")).length > 0, 20_000);
  let since = performance.now();
  await first.exit("SIGTERM");
  await eventually(() => leads(second), 20_000);
  expect(performance.now() - since).toBeLessThan(6_000);
  const third = await startAgent(place, [...(await cluster.argsFor(place.data)), "--lease", "batch-agent"]);
  since = performance.now();
  await second.exit("SIGKILL");
  await eventually(() => leads(third), 30_000);
  expect(performance.now() - since).toBeLessThan(20_000);
  await eventually(async () => (await third.executions("?status=succeeded")).length > 3, 20_000);
  expect(await expectOneRowADueTime(third)).toBeGreaterThan(3);
});

test("a leader that stood still harms nothing when it goes on", async () => {
  const { place, first, second } = await pair();
  await eventually(async () => (await first.executions("?status=succeeded")).length > 0, 20_000);
  first.child.kill("SIGSTOP");
  await eventually(() => leads(second), 30_000);
  const ended = first.exit("SIGCONT");
  expect((await ended).code).toBe(1);
  expect(first.log()).toContain("leads no more");
  await eventually(async () => (await second.executions("?status=succeeded")).length > 5, 20_000);
  await expectOneRowADueTime(second);
  await second.exit("SIGTERM");
  expect(readdirSync(join(place.data, "journal"))).toEqual([]);
  expect(readdirSync(place.data).filter((name) => name.includes("corrupt"))).toEqual([]);
  expect(JSON.parse(readFileSync(join(place.data, "batches/often/history.json"), "utf8"))).toBeTruthy();
});

test("a leader that is cut off from the API server leaves before another takes over", async () => {
  const { first, second } = await pair();
  // Requests name their agent by nothing but their port: cut the first one's, which alone writes the Lease.
  const { server } = cluster;
  if (server === null) throw new Error("the fault is the fake server's");
  let isCut = true;
  server.intercept = (method, path) => (isCut && method === "PUT" && path.includes("/leases/") ? "cut" : null);
  expect((await first.exit()).code).toBe(1);
  isCut = false;
  await eventually(() => leads(second), 30_000);
});
