// Door between what decides about executions and what runs them. A runner knows where executions run, and no policy.
import type { BatchFile } from "../model/batch.ts";
import type { Execution, ExecutionStatus, FinishedBy, ProcessEnding } from "../model/execution.ts";
import type { BatchName, EpochMs, ExecutionId, Revision } from "../model/ids.ts";

/** Everything a runner needs to start one execution. Inputs are named by reference: no path of any machine is in it. */
export interface StartOrder {
  execution: Execution;
  /** Digest of the files that it runs. */
  revision: Revision;
  /** Why these files cannot be run; null where they can. */
  fault: string | null;
  settings: RunSettings;
  /** Executions of the previous batches, in the order of `after`. */
  previous: readonly PreviousExecution[];
}

/** The part of a batch's settings that a runner carries out. */
export interface RunSettings {
  /** Options for bash, from the first line of script.sh. */
  shellOptions: readonly string[];
  /** `file`: each stream goes straight into its log. `pipe`: through a copier that only appends. */
  output: "file" | "pipe";
  input: "none" | "previous";
  env: Readonly<Record<string, string>>;
  envFiles: readonly string[];
  /** How long a start that cannot be asked for is tried again, for runners that ask somebody else. */
  startDeadlineMs?: number;
  /** How its pod is made. */
  kubernetes?: BatchFile["kubernetes"];
}

interface PreviousExecution {
  batch: BatchName;
  id: ExecutionId;
  status: ExecutionStatus;
  exitCode: number | null;
  /** False for one that never ran and so has no logs. */
  ran: boolean;
}

/** Names what runs, for the record. On this machine that is a process. */
export interface RunningRef {
  /** Process id of the script, the leader of its own group; null while it is not known. */
  pid: number | null;
}

export interface Look {
  sizes: { stdoutBytes: number; stderrBytes: number };
  /** True when a log was longer than its limit and has just been cut to it. */
  cut: boolean;
  /** Streams whose log got shorter by itself since the last look. */
  truncated: readonly ("stdout" | "stderr")[];
  /** Beginning of the progress file and when it was written; null where there is none. */
  progress: { text: string; changedAt: EpochMs } | null;
  /** Node and pod on Kubernetes, else null. */
  place: { node: string; pod: string } | null;
  /** Holds what keeps it from starting, in words; null once it runs. */
  waitingFor: string | null;
  /** When its script started, where the runner is remote: null before. */
  startedAt?: EpochMs | null;
}

export interface Running {
  readonly ref: RunningRef;
  /** Resolves once nothing more of it is waited for; never rejects. */
  readonly ended: Promise<ProcessEnding>;
  /** Why it is being ended; null while nobody has asked for that. Survives the agent. */
  readonly stopReason: FinishedBy | null;
  /**
   * Ends everything that the execution started: SIGTERM now, SIGKILL after `killAfterMs`. The reason is recorded before
   * the first signal. The first reason and the shorter patience win. Does nothing once it has ended by itself.
   */
  stop: (reason: FinishedBy, killAfterMs: number) => void;
  /** Measures and cuts its logs and reads its progress. Never rejects; what cannot be measured counts as 0. */
  look: () => Promise<Look>;
}

/** Runs scripts. */
export interface Runner {
  /**
   * True where scripts run on other machines: an execution is queued until its script has started there, and goes on
   * when the agent is stopped.
   */
  readonly isRemote?: true;
  /** Names this boot of the machine; null where it cannot be told. */
  readonly boot: string | null;
  /** Never rejects: a start that fails is an ending of kind `spawn`. */
  start: (order: StartOrder) => Promise<Running>;
  /**
   * Takes over what an earlier agent left with the runner, all at once. Each one given is in the answer, but for queued
   * ones that nobody was asked to start yet.
   */
  adopt: (executions: readonly Execution[]) => Promise<Map<ExecutionId, Running>>;
  /** Gives back what the runner itself holds. Executions that still run go on. */
  close: () => Promise<void>;
}
