// `batch-agent exec`: one batch here and now, in the foreground, its output live. Needs no agent and leaves no history.
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import type { Execution } from "../model/execution.ts";
import type { ArchiveLimits } from "../sources/archive/inventory.ts";
import { readFlags } from "../platform/files.ts";
import { harmless } from "../text/glyphs.ts";
import { signalExitCode } from "./exit-code.ts";
import { runInForeground, type ForegroundRun } from "./foreground.ts";

const copyMs = 100;
/** At most so much of a log is passed on before anything else has its turn: signals, timeouts, the other log. */
const copyBytes = 1024 * 1024;

/** What ends the run: a signal to the command, or (SIGPIPE) that nobody reads what it says any more. */
type StopSignal = "SIGINT" | "SIGTERM" | "SIGHUP" | "SIGPIPE";

export interface ExecDeps {
  env: Readonly<Record<string, string | undefined>>;
  timeZone: string;
  archives: ArchiveLimits;
  stdout: (bytes: Uint8Array) => void;
  stderr: (bytes: Uint8Array) => void;
  /** Gets what ends the run early. */
  onStart(stop: (signal: StopSignal) => void): void;
}

/** The exit code: the script's; with `chain` 1 if only a follower failed; 128 and the signal's number if one ended it or the command itself. Throws ConfigError. */
export async function exec(batch: string, dir: string, options: { chain: boolean }, deps: ExecDeps): Promise<number> {
  const run = await runInForeground(batch, dir, options, deps);
  const copies = new Map<string, (most: number) => boolean>();
  /** Whether there is more to pass on. */
  const copyAll = (most: number) => {
    let more = false;
    for (const execution of run.executions()) {
      if (execution.startedAt === null) continue;
      if (!copies.has(execution.id)) {
        if (options.chain) deps.stderr(Buffer.from(`--- ${execution.batch}\n`));
        copies.set(execution.id, copyOf(run, execution, deps));
      }
      if (copies.get(execution.id)?.(most) !== true) continue;
      if (execution.finishedAt !== null) return true; // all of it comes before anything of what follows
      more = true;
    }
    return more;
  };
  let stoppedBy: StopSignal | null = null;
  deps.onStart((signal) => {
    if (stoppedBy !== null) return;
    stoppedBy = signal;
    void run.stop();
  });
  let over = false;
  const copyOn = () => {
    if (!over) setTimeout(copyOn, copyAll(copyBytes) ? 0 : copyMs);
  };
  copyOn();
  try {
    await run.ended;
    copyAll(stoppedBy === null ? Infinity : copyBytes); // who ends it does not wait for gigabytes
    for (const execution of run.executions()) {
      const how =
        execution.reason === "shutdown" || execution.finishedAt === null
          ? "interrupted"
          : `${execution.status}: ${harmless(execution.message ?? "")}`;
      if (execution.status !== "succeeded") deps.stderr(Buffer.from(`batch-agent: ${execution.batch} ${how}\n`));
    }
    return stoppedBy === null ? exitCode(batch, run.executions()) : signalExitCode(stoppedBy);
  } finally {
    over = true;
    await run.clean();
  }
}

function exitCode(batch: string, executions: readonly Execution[]): number {
  const own = executions.findLast((execution) => execution.batch === batch);
  if (own?.status !== "succeeded") return own?.exitCode || signalExitCode(own?.signal ?? null);
  if (own.exitCode) return own.exitCode; // the script's own, though successCodes takes it for a success
  const last = new Map(executions.map((execution) => [execution.batch, execution.status]));
  return [...last.values()].every((status) => status === "succeeded") ? 0 : 1;
}

/** Passes on what has been added to both logs since it was last called, and at most so many bytes of each; whether there is more. */
function copyOf(run: ForegroundRun, execution: Execution, deps: ExecDeps): (most: number) => boolean {
  const streams = [
    { name: "stdout.log", write: deps.stdout, at: 0 },
    { name: "stderr.log", write: deps.stderr, at: 0 },
  ];
  const buffer = new Uint8Array(64 * 1024);
  return (most) => {
    let more = false;
    for (const stream of streams) {
      let file: number;
      try {
        file = openSync(join(run.folder(execution), stream.name), readFlags | constants.O_NOFOLLOW);
      } catch {
        continue; // not there yet
      }
      const info = fstatSync(file);
      const size = info.isFile() ? info.size : 0; // anything may lie there, and what comes meanwhile is for the next call: a script may be quicker than who reads it
      const end = Math.min(size, stream.at + most);
      while (stream.at < end) {
        const count = readSync(file, buffer, 0, Math.min(buffer.length, end - stream.at), stream.at);
        if (count === 0) break;
        stream.at += count;
        stream.write(buffer.slice(0, count));
      }
      closeSync(file);
      if (stream.at < size) more = true;
    }
    return more;
  };
}
