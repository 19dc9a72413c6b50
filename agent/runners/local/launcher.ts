// The agent's side of the launcher: keeps one running, hands it orders and tells how each came out. An order that was
// handed over when a launcher died is never handed over again.
import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../async/clock.ts";
import type { Logger } from "../../logger.ts";
import { createLineReader, type LaunchAnswer, type LaunchOrder } from "./protocol.ts";

/** Wait before a launcher is started again, doubled after each one that died young. */
const restartMs = 100;
const maxRestartMs = 5_000;
/** Launchers that may die before they were ready until orders are refused. */
const maxFailures = 3;
/** More of what a launcher writes to its stderr is not told. */
const maxErrorText = 2_000;

export type LaunchOutcome =
  | { kind: "failed"; message: string }
  | { kind: "ended"; code: number | null; signal: string | null; at: number }
  /** The launcher is gone: the script may run, may have ended, or may never have been started. */
  | { kind: "orphaned" };

export interface Launcher {
  /** Never rejects; resolves with the end of the shell beside the script. */
  start: (order: LaunchOrder) => Promise<LaunchOutcome>;
  /** Lets the launcher end after what it has started. */
  close: () => void;
  /** Process id of the launcher that takes orders; null while there is none. */
  pid: () => number | null;
}

export function createLauncher(deps: {
  clock: Clock;
  log: Logger;
  /** The agent's PATH, by which the launcher finds its tools. */
  path: string;
  /** File of the launcher's program. */
  program?: string;
}): Launcher {
  const { clock, log } = deps;
  const program = deps.program ?? fileURLToPath(new URL("./launcher-main.js", import.meta.url));
  const waiting: { order: LaunchOrder; done: (outcome: LaunchOutcome) => void }[] = [];
  const sent = new Map<string, (outcome: LaunchOutcome) => void>();
  let child: ChildProcess | null = null;
  let isReady = false;
  let failures = 0;
  let closed = false;
  let cancelRestart: () => void = () => undefined;

  function run(): void {
    const own = spawn(process.execPath, ["--max-old-space-size=256", program], {
      cwd: "/",
      env: { PATH: deps.path },
      detached: true, // a signal to the agent's group is the agent's business
      stdio: ["pipe", "pipe", "pipe"],
    });
    child = own;
    isReady = false;
    let errorText = "";
    const gone = (why: string) => {
      if (child !== own) return;
      child = null;
      lost(`${why}${errorText === "" ? "" : `: ${errorText.trim()}`}`);
    };
    own.once("error", (error) => gone(error.message));
    own.once("exit", (code, signal) => gone(signal ?? `exit code ${code}`));
    own.stdin.on("error", () => undefined); // its exit tells
    own.stdout.setEncoding("utf8").on(
      "data",
      createLineReader((line) => hear(JSON.parse(line) as LaunchAnswer)),
    );
    own.stderr.setEncoding("utf8").on("data", (text: string) => {
      errorText = (errorText + text).slice(0, maxErrorText);
    });
  }

  function hear(told: LaunchAnswer | { kind: "ready" }): void {
    if (told.kind === "ready") {
      isReady = true;
      failures = 0;
      for (const { order, done } of waiting.splice(0)) hand(order, done);
      return;
    }
    const done = sent.get(told.id);
    sent.delete(told.id);
    done?.(told);
  }

  function hand(order: LaunchOrder, done: (outcome: LaunchOutcome) => void): void {
    sent.set(order.id, done);
    child?.stdin?.write(`${JSON.stringify(order)}\n`);
  }

  function lost(why: string): void {
    if (closed) return;
    if (!isReady) failures += 1;
    log.warn("the launcher of scripts has ended; starting another one", { why, running: sent.size });
    for (const done of sent.values()) done({ kind: "orphaned" });
    sent.clear();
    if (failures >= maxFailures) {
      for (const { done } of waiting.splice(0))
        done({ kind: "failed", message: `the launcher of scripts cannot be started: ${why}` });
    }
    cancelRestart = clock.after(Math.min(maxRestartMs, restartMs * 2 ** failures), run);
  }

  run();
  return {
    start: (order) =>
      new Promise((done) => {
        if (isReady && child !== null) hand(order, done);
        else waiting.push({ order, done });
      }),
    close() {
      closed = true;
      cancelRestart();
      child?.stdin?.end();
      child?.unref();
    },
    pid: () => child?.pid ?? null,
  };
}
