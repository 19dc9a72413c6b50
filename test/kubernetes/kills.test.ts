// KUBERNETES_KILLS=500 KUBERNETES_SEED=7 npx vitest run test/kubernetes/kills.test.ts
// The agent is killed before and after its requests and its syncs, again and again, while batches are due, follow and
// are tried again. Each script leaves evidence of its start; at the end evidence and record are held against each
// other. Needs a build.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isOpen, type Execution } from "../../agent/model/execution.ts";
import { startAgent, workplace } from "../helpers/agent.ts";
import { main } from "../helpers/cli.ts";
import { doubled, ownDueTimes, recordedRows, uncovered } from "../helpers/ledger.ts";
import { createRandom, type Random } from "../helpers/mutate.ts";
import { eventually } from "../helpers/tmp.ts";
import { fakeCluster, type Cluster } from "./support/clusters.ts";
import type { FakeServer } from "./support/fake-server.ts";

const kills = Number(process.env["KUBERNETES_KILLS"] ?? 8);
const seed = Number(process.env["KUBERNETES_SEED"] ?? Date.now() % 1_000_000);
/** Kills come this far into a life: from its first request, or sync, to well into its work. */
const maxRequests = 16;
const maxSyncs = 16;
/** So many batches share the due times that none has more rows than are kept, at up to five seconds for a kill. */
const lanes = [1, 2, 3, 5, 6, 10, 15].find((count) => kills * 5 < count * 900) ?? 30;
/** Batches with a schedule, and at which seconds of a period they are due; one of each kind every two seconds. */
const periodSeconds = 2 * lanes;
const roots = Object.fromEntries(
  Array.from({ length: periodSeconds }, (_, i) => [`${i % 2 === 0 ? "root" : "flaky"}-${Math.floor(i / 2)}`, i]),
);
const hook = join(import.meta.dirname, "support/kill-at-sync.mjs");

let cluster: Cluster & { server: FakeServer };
beforeEach(async () => {
  const { server, ...rest } = await fakeCluster();
  if (server === null) throw new Error("the requests are counted by the fake server");
  cluster = { ...rest, server };
});
afterEach(() => cluster.stop());

function setUp() {
  const place = workplace();
  const evidence = join(place.home, "ran");
  const put = (name: string, yaml: string, script: string | null) =>
    place.put(
      name,
      `${yaml}\nkeep: {executions: 1000}\n`,
      script === null ? null : `echo "$BATCH_EXECUTION_ID" >>${evidence}\n${script}\n`,
    );
  for (const [name, second] of Object.entries(roots)) {
    put(
      name,
      rootYaml(name, `${second}-59/${periodSeconds} * * * * *`),
      name.startsWith("root-") ? "echo out" : '[ "$BATCH_ATTEMPT" -gt 1 ]',
    );
    if (name.startsWith("root-")) {
      const follower = name.replace("root", "follower");
      put(follower, `after: ${name}\ninput: previous\nconcurrency: allow`, "grep -q out");
    }
  }
  return { place, evidence, put };
}

/** Flaky ones have two attempts each, of which the second is a start by a timer. */
function rootYaml(name: string, cron: string): string {
  const retry = name.startsWith("flaky-") ? "\nretry: {limit: 1, delay: 1s}" : "";
  return `cron: "${cron}"\nconcurrency: allow${retry}`;
}

type Place = ReturnType<typeof setUp>["place"];

/** One life, to its death at the point that `index` and `random` name. */
async function live(place: Place, args: readonly string[], index: number, random: Random): Promise<string> {
  const isRequest = index % 4 < 2;
  const when = index % 2 === 0 ? "before" : "after";
  const number = 1 + random(isRequest ? maxRequests : maxSyncs);
  const child: ChildProcess = spawn(
    process.execPath,
    ["--import", hook, main, "run", place.batches, "--data", place.data, "--port", "0", ...args],
    {
      cwd: place.home,
      env: { ...process.env, ...(isRequest ? {} : { KILL_AT_SYNC: `${when} ${number}` }) },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-10_000)));
  const ended = once(child, "exit") as Promise<[number | null, string | null]>;
  let seen = 0;
  cluster.server.intercept = (_, __, { "user-agent": who = "" }) => {
    if (!isRequest || !who.startsWith("batch-agent/") || ++seen !== number) return null;
    child.kill("SIGKILL");
    return when === "before" ? "cut" : "cut-after";
  };
  const [code, signal] = await ended;
  cluster.server.intercept = () => null;
  return signal === "SIGKILL" ? "" : `it ended by itself, ${code ?? signal}:\n${said}`;
}

function compare(rows: readonly Execution[], started: readonly string[]) {
  const known = new Set<string>(rows.map(({ id }) => id));
  const ran = new Set(started);
  const runs = new Map<string, Execution[]>();
  for (const row of rows) runs.set(row.run, [...(runs.get(row.run) ?? []), row]);
  const gaps = Object.entries(roots).flatMap(([name, second]) => {
    const own = ownDueTimes(rows, name);
    const all = uncovered(rows, name, own[0] ?? 0, own.at(-1) ?? 0);
    return all.filter((at) => (Date.parse(at) / 1_000) % periodSeconds === second);
  });
  return {
    /** Scripts that began more than once. */
    startedTwice: started.length - ran.size,
    /** Scripts that began of which no row tells. */
    unrecorded: [...ran].filter((id) => !known.has(id)),
    /** Rows that tell of a script that never began. */
    imagined: rows.filter(({ id, startedAt }) => startedAt !== null && !ran.has(id)).length,
    doubled: Object.keys(roots).flatMap((name) => doubled(rows, name)),
    /** Due times with neither a row nor a gap. */
    uncovered: gaps,
    open: rows.filter(isOpen).length,
    /** Runs in which something is missing, or there twice. */
    broken: [...runs.values()]
      .filter((items) => !isWhole(items))
      .map((items) =>
        items.map(({ batch, attempt, status, reason, createdAt }) => ({ batch, attempt, status, reason, createdAt })),
      ),
    /** Rows that ended otherwise than their script did. */
    others: rows.filter(({ reason }) => reason !== null && reason !== "exit" && reason !== "missed"),
  };
}

function isWhole(items: readonly Execution[]): boolean {
  const [first] = items;
  if (first === undefined || items.some(({ missed }) => missed !== undefined)) return true;
  const of = (kind: string, attempt = 1) =>
    items.filter((row) => row.batch.startsWith(kind) && row.attempt === attempt && row.finishedAt !== null).length;
  return first.batch.startsWith("flaky-")
    ? items.length === 2 && of("flaky-") === 1 && of("flaky-", 2) === 1
    : items.length === 2 && of("root-") === 1 && of("follower-") === 1;
}

test(
  `${kills} kills around requests and syncs lose, repeat and leave open nothing (KUBERNETES_SEED=${seed})`,
  async () => {
    const random = createRandom(seed);
    const { place, evidence, put } = setUp();
    const args = [...(await cluster.argsFor(place.data)), "--kubernetes-keep", "10s"];
    const since = performance.now();
    for (let index = 0; index < kills; index++) expect(await live(place, args, index, random)).toBe("");
    const seconds = (performance.now() - since) / 1_000;

    // The last one is left alone: it takes over, and nothing is due any more after a while.
    const agent = await startAgent(place, args);
    await eventually(async () => (await agent.executions("?status=succeeded&limit=500")).length > 4, 120_000);
    // Only what they are due at changes: what has begun goes on as it would have.
    for (const name of Object.keys(roots)) put(name, rootYaml(name, "0 0 1 1 *"), null);
    await eventually(async () => {
      const batches = await Promise.all(Object.keys(roots).map((name) => agent.batch(name)));
      return batches.every(({ next }) => next[0]?.includes("-01-01T") === true);
    }, 120_000);
    await eventually(async () => {
      const open = await Promise.all(
        ["queued", "running"].map((status) => agent.executions(`?status=${status}&limit=500`)),
      );
      return open.flat().length === 0;
    }, 300_000);
    await agent.exit("SIGTERM");
    const rows = recordedRows(place.data);
    const started = readFileSync(evidence, "utf8").trim().split("\n");
    const figures = { kills, seconds: Math.round(seconds), rows: rows.length, starts: started.length };
    console.log(`kills of an agent on Kubernetes, seed ${seed}:`, figures);
    expect(compare(rows, started)).toEqual({
      ...{ startedTwice: 0, unrecorded: [], imagined: 0, doubled: [], uncovered: [], open: 0, broken: [] },
      others: [],
    });
    expect(started.length).toBeGreaterThan(kills / 4);
  },
  600_000 + kills * 20_000,
);
