// Starting and stopping of processes. A runner knows where executions run, and no policy.
import type { Execution, ProcessEnding, FinishedBy } from "../model/execution.ts";

export interface StartOrder {
  execution: Execution;
  /** Why it cannot be started: its end is a `spawn` with this message. null where nothing stands in the way. */
  fault?: string | null;
  /** Absolute path of the script's working directory. */
  cwd: string;
  /** Environment, later ones win: the agent's share, the files' (`NAME=value` lines), the batch's own. */
  baseEnv: Readonly<Record<string, string>>;
  envFiles: readonly string[];
  ownEnv: Readonly<Record<string, string>>;
  /** Absolute paths of files that are the script's stdin, one after the other; those that are not there are passed over. */
  stdin: readonly string[];
}
export interface Process {
  /** Id of the process and of its group; null if it never came to be. */
  pid: number | null;
  /** Resolves once, never rejects. */
  ended: Promise<ProcessEnding>;
  /** Sends a signal to the whole group, if it is still ours. */
  signal(name: "SIGTERM" | "SIGKILL"): void;
  /** Leaves word of why it is about to be ended, for an agent that may have to follow it to its end. */
  sayWhy(reason: FinishedBy): void;
  /** What an earlier agent has left word of. */
  saidWhy: FinishedBy | null;
  /** Whether something of the group is left. After the end, ask at once and keep asking: an empty group's number may be reused. */
  lingers(): boolean;
}
/** Runs scripts. A second one (Kubernetes Jobs) will come. */
export interface Runner {
  /** Resolves when it is one's turn to start: a start takes milliseconds of the event loop, so each round of it has one. */
  turn(): Promise<void>;
  /** Never throws: a start that fails is an ending of kind `spawn`. */
  start(order: StartOrder): Process;
  /** Takes over an execution that an earlier agent left running, or finds how it ended. */
  adopt(execution: Execution): Process;
  /** Names this boot of the machine. */
  readonly boot: string | null;
}
