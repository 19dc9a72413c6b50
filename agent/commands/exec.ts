// `batch-agent exec`: one batch here and now, in the foreground, its output live. Needs no agent and leaves no history.
import { closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { signalExitCode } from "../core/exit-code.ts";
import { runInForeground, type ForegroundRun } from "../foreground.ts";
import type { ArchiveLimits } from "../core/archive.ts";
import type { Execution } from "../core/model.ts";

const copyMs = 100;

export interface ExecDeps {
  env: Readonly<Record<string, string | undefined>>;
  timeZone: string;
  archives: ArchiveLimits;
  stdout: (bytes: Uint8Array) => void;
  stderr: (bytes: Uint8Array) => void;
  /** Gets what ends the run early. */
  onStart(stop: (signal: "SIGINT" | "SIGTERM") => void): void;
}

/** The exit code: the script's; with `chain` 1 if only a follower failed; 128 and the signal's number if one ended it or the command itself. Throws ConfigError. */
export async function exec(batch: string, dir: string, options: { chain: boolean }, deps: ExecDeps): Promise<number> {
  const run = await runInForeground(batch, dir, options, deps);
  const copies = new Map<string, () => void>();
  const copyAll = () => {
    for (const execution of run.executions()) {
      if (execution.startedAt === null) continue;
      if (!copies.has(execution.id)) {
        if (options.chain) deps.stderr(Buffer.from(`--- ${execution.batch}\n`));
        copies.set(execution.id, copyOf(run, execution, deps));
      }
      copies.get(execution.id)?.();
    }
  };
  let stoppedBy: "SIGINT" | "SIGTERM" | null = null;
  deps.onStart((signal) => {
    stoppedBy ??= signal;
    void run.stop();
  });
  const copying = setInterval(copyAll, copyMs);
  try {
    await run.ended;
    copyAll();
    for (const execution of run.executions()) {
      const how = execution.reason === "shutdown" ? "interrupted" : `${execution.status}: ${execution.message ?? ""}`;
      if (execution.status !== "succeeded") deps.stderr(Buffer.from(`batch-agent: ${execution.batch} ${how}\n`));
    }
    return stoppedBy === null ? exitCode(batch, run.executions()) : signalExitCode(stoppedBy);
  } finally {
    clearInterval(copying);
    await run.clean();
  }
}

function exitCode(batch: string, executions: readonly Execution[]): number {
  const own = executions.findLast((execution) => execution.batch === batch);
  if (own?.status !== "succeeded") return own?.exitCode ?? signalExitCode(own?.signal ?? null);
  const last = new Map(executions.map((execution) => [execution.batch, execution.status]));
  return [...last.values()].every((status) => status === "succeeded") ? 0 : 1;
}

/** Passes on what has been added to both logs since it was last called. */
function copyOf(run: ForegroundRun, execution: Execution, deps: ExecDeps): () => void {
  const streams = [
    { name: "stdout.log", write: deps.stdout, at: 0 },
    { name: "stderr.log", write: deps.stderr, at: 0 },
  ];
  const buffer = new Uint8Array(64 * 1024);
  return () => {
    for (const stream of streams) {
      let file: number;
      try {
        file = openSync(join(run.folder(execution), stream.name), "r");
      } catch {
        continue; // not there yet
      }
      for (;;) {
        const count = readSync(file, buffer, 0, buffer.length, stream.at);
        if (count === 0) break;
        stream.at += count;
        stream.write(buffer.slice(0, count));
      }
      closeSync(file);
    }
  };
}
