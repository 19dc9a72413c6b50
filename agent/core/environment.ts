// The environment of a script: a few of the agent's variables, the batch's own, and BATCH_*. Nothing else leaks in.
import type { Batch, Execution } from "./model.ts";

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
  };
}
