// The environment of a script: a few of the agent's variables, the batch's own, and BATCH_*. Nothing else leaks in.
import type { StartOrder } from "./port.ts";

const passed = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "SHELL", "USER", "LOGNAME", "TMPDIR"];

/** Returns what the agent itself contributes. `agentEnv` is the agent's own environment. */
export function baseEnvironment(agentEnv: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const user = agentEnv["USER"] ?? agentEnv["LOGNAME"];
  // Service managers set only one of the two, and programs ask for either.
  const env = { ...agentEnv, USER: user, LOGNAME: agentEnv["LOGNAME"] ?? user };
  return Object.fromEntries(
    passed.flatMap((name) => {
      const value = env[name as keyof typeof env];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** Describes where things of an execution lie for its script; absolute paths. */
export interface ScriptPaths {
  stateDir: string;
  progress: string;
  /** Log of a previous execution. */
  log: (of: StartOrder["previous"][number], stream: "stdout" | "stderr") => string;
}

/** Returns the batch's own variables, and those that tell a script who and why it is. */
export function batchEnvironment(order: StartOrder, paths: ScriptPaths): Record<string, string> {
  const { execution } = order;
  return {
    ...order.settings.env,
    ...execution.params,
    BATCH_NAME: execution.batch,
    BATCH_EXECUTION_ID: execution.id,
    BATCH_RUN_ID: execution.run,
    BATCH_REVISION: order.revision,
    BATCH_TRIGGER: execution.trigger.kind,
    BATCH_ATTEMPT: String(execution.attempt),
    BATCH_DUE_AT: execution.trigger.dueAt,
    BATCH_STATE_DIR: paths.stateDir,
    BATCH_PROGRESS: paths.progress,
    ...previousEnvironment(order, paths),
  };
}

/** The plain names describe the first of `after`. */
function previousEnvironment({ previous }: StartOrder, paths: ScriptPaths): Record<string, string> {
  const [first] = previous;
  if (first === undefined) return {};
  const env: Record<string, string> = {
    BATCH_PREVIOUS: first.batch,
    BATCH_PREVIOUS_STATUS: first.status,
    BATCH_PREVIOUS_EXIT_CODE: first.exitCode === null ? "" : String(first.exitCode),
    BATCH_PREVIOUS_STDOUT: paths.log(first, "stdout"),
    BATCH_PREVIOUS_STDERR: paths.log(first, "stderr"),
  };
  for (const one of previous) {
    env[`BATCH_PREVIOUS_STDOUT_${one.batch.toUpperCase().replaceAll("-", "_")}`] = paths.log(one, "stdout");
  }
  return env;
}
