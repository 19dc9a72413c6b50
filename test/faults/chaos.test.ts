// CHAOS_KILLS=500 CHAOS_SEED=7 npx vitest run test/faults/chaos.test.ts The built agent with a dozen per-second
// batches and chains, killed at random moments again and again, and its launcher. Each script leaves evidence of its
// start in files of its own; at the end evidence and record are held against each other.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isOpen, type Execution } from "../../agent/model/execution.ts";
import { launcherOf, workplace } from "../helpers/agent.ts";
import { main } from "../helpers/cli.ts";
import { doubled, ownDueTimes, recordedRows, uncovered } from "../helpers/ledger.ts";

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

interface Figures {
  kills: number;
  rows: number;
  /** Scripts that began, by their own evidence. */
  starts: number;
  /** Starts that no row tells of. */
  unrecorded: number;
  /** Due times with two rows, or that a script began twice. */
  doubled: number;
  /** Due times with neither row nor gap. */
  uncovered: number;
  /** Rows that are still queued or running at the end. */
  open: number;
  /** Runs in which a follower has no row, or two. */
  broken: number;
  /** Rows `failed`/`lost`: the agent died between record and process. */
  lost: number;
  /** Of these, ones whose script did begin: they must have left their end. */
  lostThoughStarted: number;
  /** Rows that tell of a start of which there is no evidence. */
  imagined: number;
  /** Times the agent ended by itself. */
  crashes: number;
}

/** Numbers from 0 to 1 that depend on the seed alone. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const roots = ["plain", "slow", "held", "flaky", "twice", "newest"];
/** What must have a row in each run of a root that was not missed. */
const followers: Readonly<Record<string, readonly string[]>> = {
  plain: ["left", "right", "join", "last"],
  slow: ["next"],
  held: ["after-held"],
  flaky: ["whatever"],
};

async function chaos(kills: number, seed: number): Promise<Figures> {
  const { home, batches, data, put: write } = workplace();
  const random = seeded(seed);
  const evidence = join(home, "evidence");
  mkdirSync(evidence);

  const mark = `: >${evidence}/$BATCH_NAME.$BATCH_EXECUTION_ID; echo $BATCH_DUE_AT >>${evidence}/due.$BATCH_NAME.$BATCH_TRIGGER.$BATCH_ATTEMPT\n`;
  const keep = "keep: {executions: 1000}\n";
  const put = (name: string, settings: string, script: string) =>
    write(name, `${settings}\n${keep}`, `${mark}${script}\n`);
  const settings: Record<string, string> = {
    plain: "",
    slow: "",
    held: "concurrency: queue",
    flaky: "retry: {limit: 1, delay: 1s}\nonFailure: alarm",
    twice: "concurrency: allow",
    newest: "concurrency: replace",
  };
  const scripts: Record<string, string> = {
    plain: "sleep 0.1; echo out",
    slow: "sleep 1.4",
    held: "sleep 0.7",
    flaky: "[ $((RANDOM % 2)) = 0 ]",
    twice: "sleep 0.4",
    newest: "sleep 1.2",
  };
  for (const name of roots) put(name, `cron: "* * * * * *"\n${settings[name]}`, scripts[name] ?? "");
  put("left", "after: plain\ninput: previous", "cat");
  put("right", "after: plain", "sleep 0.2; [ $((RANDOM % 3)) != 0 ]");
  put("join", "after: [left, right]", "true");
  put("last", "after: join\nindependent: true", "true");
  put("next", "after: slow", "true");
  put("after-held", "after: held", "sleep 0.1");
  put("whatever", "after: flaky\nindependent: true", "true");
  put("alarm", "tags: [answer]", "true");

  let crashes = 0;
  function start(): { child: ChildProcess; ended: Promise<unknown>; ready: Promise<void> } {
    const child = spawn(
      process.execPath,
      [main, "run", batches, "--data", data, "--port", "0", "--max-parallel", "6"],
      { cwd: home, stdio: ["ignore", "pipe", "pipe"] },
    );
    let said = "";
    const ready = new Promise<void>((done) => {
      for (const stream of [child.stdout, child.stderr]) {
        stream.on("data", (chunk: Buffer) => {
          said = (said + chunk.toString()).slice(-10_000);
          if (said.includes("dashboard: ")) done();
        });
      }
    });
    const ended = once(child, "exit").then(([code, signal]) => {
      if (signal === "SIGKILL" || signal === "SIGTERM" || code === 0) return; // SIGTERM: before it was there to hear it
      crashes += 1;
      console.error(`the agent ended by itself: ${code ?? signal}\n${said}`);
    });
    return { child, ended, ready };
  }

  // How long a start takes here, so that as many starts are killed, and as many agents at work, on a slow machine as
  // on a fast one.
  const begin = performance.now();
  const first = start();
  await first.ready;
  const startMs = performance.now() - begin;
  first.child.kill("SIGKILL");
  await first.ended;

  for (let i = 0; i < kills; i++) {
    const { child, ended } = start();
    // Mostly while it works; at times while it starts, or while it is being stopped.
    const kind = random();
    await pause(kind < 0.2 ? random() * startMs : startMs + random() * 1_500);
    // Its launcher of scripts may die on its own, a moment before.
    const launcher = random() < 0.3 ? launcherOf(child.pid ?? 0) : null;
    if (launcher !== null) {
      process.kill(launcher, "SIGKILL");
      await pause(random() * 400);
    }
    if (kind > 0.9) {
      child.kill("SIGTERM");
      await pause(random() * 300);
    }
    const edited = roots[Math.floor(random() * roots.length)] as string;
    if (random() < 0.2) write(edited, null, `${mark}${scripts[edited]}\n# edit ${i}\n`);
    child.kill("SIGKILL");
    await ended;
  }

  // The last one is left alone: it takes over, catches up, and ends in order once nothing is due any more.
  const { child, ended } = start();
  await pause(4_000);
  for (const name of roots) write(name, `cron: "0 0 1 1 *"\n${settings[name]}\n${keep}`, null);
  for (let quiet = 0; quiet < 8;) {
    await pause(250);
    quiet = recordedRows(data).some(isOpen) ? 0 : quiet + 1;
  }
  child.kill("SIGTERM");
  await ended;
  return { kills, crashes, ...compare(recordedRows(data), evidence) };
}

function compare(rows: readonly Execution[], evidence: string): Omit<Figures, "kills" | "crashes"> {
  const files = readdirSync(evidence);
  const starts = files.filter((name) => !name.startsWith("due.")).map((name) => name.split(".") as [string, string]);
  const started = new Set(starts.map(([, id]) => id));
  const known = new Set<string>(rows.map((row) => row.id));
  const oldest = new Map<string, string>();
  for (const { batch, id } of rows) if (id < (oldest.get(batch) ?? "~")) oldest.set(batch, id);

  const begunTwice = files
    .filter((name) => name.startsWith("due.") && name.includes(".cron."))
    .flatMap((name) => {
      const times = readFileSync(join(evidence, name), "utf8").trim().split("\n");
      return times.filter((time, index) => times.indexOf(time) !== index);
    });
  const runs = new Map<string, Execution[]>();
  for (const row of rows) runs.set(row.run, [...(runs.get(row.run) ?? []), row]);
  const broken = [...runs.values()].filter((items) => {
    const root = items.find((row) => row.trigger.kind === "cron");
    if (root === undefined || root.missed !== undefined) return false;
    return (followers[root.batch] ?? []).some((name) => {
      // `keep` may have taken it though the root's row is still there
      const isDropped = root.id < (oldest.get(name) ?? "");
      return items.filter((row) => row.batch === name).length !== 1 && !isDropped;
    });
  });
  const lost = rows.filter((row) => row.reason === "lost");
  return {
    rows: rows.length,
    starts: starts.length,
    unrecorded: starts.filter(([batch, id]) => !known.has(id) && id > (oldest.get(batch) ?? "")).length,
    doubled: begunTwice.length + roots.reduce((sum, name) => sum + doubled(rows, name).length, 0),
    uncovered: roots.reduce((sum, name) => sum + gapsOf(rows, name), 0),
    open: rows.filter((row) => isOpen(row)).length,
    broken: broken.length,
    lost: lost.length,
    lostThoughStarted: lost.filter((row) => started.has(row.id)).length,
    imagined: rows.filter(
      (row) =>
        row.startedAt !== null &&
        !started.has(row.id) &&
        !["lost", "spawn", "replaced", "shutdown"].includes(row.reason ?? ""),
    ).length,
  };
}

function gapsOf(rows: readonly Execution[], name: string): number {
  const own = ownDueTimes(rows, name);
  return uncovered(rows, name, own[0] ?? 0, own.at(-1) ?? 0).length;
}

const kills = Number(process.env["CHAOS_KILLS"] ?? 50);
const seed = Number(process.env["CHAOS_SEED"] ?? Date.now() % 1_000_000);

test(
  `${kills} kills lose and repeat nothing (CHAOS_SEED=${seed})`,
  async () => {
    const figures = await chaos(kills, seed);
    console.log(`chaos, seed ${seed}:`, figures);
    expect(figures).toMatchObject({
      crashes: 0,
      unrecorded: 0,
      doubled: 0,
      uncovered: 0,
      open: 0,
      broken: 0,
      lostThoughStarted: 0,
      imagined: 0,
    });
    // Something did run, on a machine however busy.
    expect(figures.starts).toBeGreaterThan(kills / 5);
  },
  120_000 + kills * 5_000,
);
