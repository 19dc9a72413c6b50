// The environment of a script: a few of the agent's variables, the batch's own, and BATCH_*. Nothing else leaks in.
import type { Batch } from "../model/batch.ts";
import type { Execution } from "../model/execution.ts";
import type { BatchName } from "../model/ids.ts";

const passed = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "SHELL", "USER", "TMPDIR"];

/** What the agent itself contributes. `agentEnv` is the agent's own environment. */
export function baseEnvironment(agentEnv: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(passed.flatMap((name) => (agentEnv[name] === undefined ? [] : [[name, agentEnv[name]]])));
}

/** Variables that tell a script who and why it is. Paths are absolute. */
export function batchEnvironment(
  execution: Execution,
  batch: Pick<Batch, "env">,
  paths: { stateDir: string; progress: string },
  previous: readonly PreviousOutput[] = [],
): Record<string, string> {
  return {
    ...batch.env,
    BATCH_NAME: execution.batch,
    BATCH_EXECUTION_ID: execution.id,
    BATCH_RUN_ID: execution.run,
    BATCH_REVISION: execution.revision ?? "",
    BATCH_TRIGGER: execution.trigger.kind,
    BATCH_ATTEMPT: String(execution.attempt),
    BATCH_DUE_AT: execution.trigger.dueAt,
    BATCH_STATE_DIR: paths.stateDir,
    BATCH_PROGRESS: paths.progress,
    ...previousEnvironment(previous),
  };
}

/** A previous batch's execution and where its output is; paths are absolute. */
export interface PreviousOutput {
  batch: BatchName;
  status: Execution["status"];
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

/** The plain names speak of the first of `after`. */
function previousEnvironment(previous: readonly PreviousOutput[]): Record<string, string> {
  const [first] = previous;
  if (first === undefined) return {};
  const env: Record<string, string> = {
    BATCH_PREVIOUS: first.batch,
    BATCH_PREVIOUS_STATUS: first.status,
    BATCH_PREVIOUS_EXIT_CODE: first.exitCode === null ? "" : String(first.exitCode),
    BATCH_PREVIOUS_STDOUT: first.stdout,
    BATCH_PREVIOUS_STDERR: first.stderr,
  };
  for (const { batch, stdout } of previous) {
    env[`BATCH_PREVIOUS_STDOUT_${batch.toUpperCase().replaceAll("-", "_")}`] = stdout;
  }
  return env;
}
