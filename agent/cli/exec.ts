// `batch-agent exec`: one batch here and now, in the foreground, its output live. Needs no agent and leaves no history.
import type { Execution } from "../model/execution.ts";
import type { ArchiveLimits } from "../sources/archive/inventory.ts";
import { sanitize } from "../text/glyphs.ts";
import { signalExitCode } from "./exit-code.ts";
import { runInForeground } from "./foreground.ts";
import { createLogCopy } from "./log-copy.ts";

const copyMs = 100;
/** At most so much of a log is passed on before anything else has its turn: signals, timeouts, the other log. */
const copyBytes = 1024 * 1024;

/** Describes what ends the run: a signal to the command, or (SIGPIPE) that nobody reads what it says any more. */
type StopSignal = "SIGINT" | "SIGTERM" | "SIGHUP" | "SIGPIPE";

export interface ExecOptions {
  chain: boolean;
  params: Readonly<Record<string, string>>;
}

export interface ExecDeps {
  env: Readonly<Record<string, string | undefined>>;
  timeZone: string;
  archives: ArchiveLimits;
  stdout: (bytes: Uint8Array) => void;
  stderr: (bytes: Uint8Array) => void;
  /** Gets what ends the run early. */
  onStart: (stop: (signal: StopSignal) => void) => void;
}

/**
 * The exit code: the script's; with `chain` 1 if only a follower failed; 128 and the signal's number if one ended it
 * or the command itself. Throws ConfigError.
 */
export async function exec(batch: string, dir: string, options: ExecOptions, deps: ExecDeps): Promise<number> {
  const run = await runInForeground(batch, dir, options, deps);
  const copies = new Map<string, (maxPieces: number) => boolean>();
  /** Returns whether there is more to pass on. */
  const copyAll = (maxPieces: number) => {
    let more = false;
    for (const execution of run.executions()) {
      if (execution.startedAt === null) continue;
      if (!copies.has(execution.id)) {
        if (options.chain) deps.stderr(Buffer.from(`--- ${execution.batch}\n`));
        copies.set(execution.id, createLogCopy(run.folder(execution), deps));
      }
      if (copies.get(execution.id)?.(maxPieces) !== true) continue;
      if (execution.finishedAt !== null) return true; // all of it comes before anything of what follows
      more = true;
    }
    return more;
  };
  let stoppedBy = null as StopSignal | null;
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
          : `${execution.status}: ${sanitize(execution.message ?? "")}`;
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
