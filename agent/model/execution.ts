// One execution as it is recorded, and the constants that name its members.
import type { BatchName, EpochMs, RunId, Revision, Iso, ExecutionId } from "./ids.ts";

/** How a process ended; `finishedAt` is the truth as far as it can be known. */
export type ProcessEnding = { finishedAt: EpochMs; stdoutBytes: number; stderrBytes: number } & (
  | { kind: "exit"; exitCode: number }
  /** `message`: what is known beyond the signal. */
  | { kind: "signal"; signal: string; message?: string }
  /** It never came to be. */
  | { kind: "spawn"; message: string }
  /** It is gone and left no word. */
  | { kind: "lost"; message?: string }
);
/** Why the agent itself ends an execution. */
export type FinishedBy = "timeout" | "log-limit" | "replaced" | "shutdown" | "cancelled";
export type ExecutionStatus = "queued" | "running" | "succeeded" | "failed" | "aborted";
export type FailedReason = "exit" | "signal" | "timeout" | "spawn" | "lost" | "log-limit";
export type AbortedReason =
  | "previous-failed"
  | "previous-aborted"
  | "previous-not-run"
  | "overlap"
  | "replaced"
  | "deadline"
  | "missed"
  | "shutdown"
  | "disabled"
  | "cancelled";
export type Reason = FailedReason | AbortedReason;
export type TriggerKind = "cron" | "after" | "onFailure" | "retry" | "manual" | "rerun";
/** One execution: the record in history.json, and (without `boot`) what the API shows. */
export interface Execution {
  id: ExecutionId;
  run: RunId;
  batch: BatchName;
  /** Its batch's group when it was made. Shown as "" where it is missing. */
  group?: string;
  revision: Revision | null;
  commit: string | null;
  trigger: {
    kind: TriggerKind;
    /** Due time of the run's root start. */
    dueAt: Iso;
    /** The execution that caused this one. */
    by: ExecutionId | null;
    /** `user@host` of whoever asked for it. Shown as null where it is missing, as `note` is. */
    actor?: string | null;
    note?: string | null;
  };
  /** Values of the batch's parameters in force. Shown as {} where they are missing. */
  params?: Readonly<Record<string, string>>;
  attempt: number;
  status: ExecutionStatus;
  reason: Reason | null;
  message: string | null;
  exitCode: number | null;
  signal: string | null;
  pid: number | null;
  /** Tells where it runs in a cluster. Shown as null where it is missing, as `waitingFor` is. */
  place?: { node: string; pod: string } | null;
  /** Holds what a queued one waits for, in words. */
  waitingFor?: string | null;
  createdAt: Iso;
  startedAt: Iso | null;
  finishedAt: Iso | null;
  durationMs: number | null;
  progress: { percent: number; message: string | null; at: Iso } | null;
  estimatedEndAt: Iso | null;
  stdoutBytes: number;
  stderrBytes: number;
  /** Set where a log got shorter while it was written. Shown as false where it is missing. */
  outputTruncated?: boolean;
  unusual: "too-fast" | "too-slow" | "too-quiet" | null;
  /** Set once its batch had not succeeded in time after its due time. Shown as false where it is missing. */
  late?: boolean;
  /** Set where a schedule set off its run, so that it can be late; not for a rerun. Not shown. */
  scheduled?: true;
  /** Set once --keep-logs has taken its logs; missing before. */
  logsDeleted?: true;
  /** Only on `missed` rows: first and last due time of the gap and how many there were. */
  missed?: { from: Iso; to: Iso; count: number };
  /** Executions it comes after, in the order of `after`. Not shown. */
  previous?: readonly ExecutionId[];
  /** Parameters that were set when its run was asked for, for all of the run. Not shown. */
  given?: Readonly<Record<string, string>>;
  /** Reruns of its run up to the one that it belongs to; missing for none. Not shown. */
  pass?: number;
  /** Attempts of earlier reruns: its retries are counted from there. Not shown. */
  attemptsBefore?: number;
  /** Set once somebody has cancelled it, and with `isRun` what follows it too. Not shown. */
  cancelled?: Cancelled;
  /** Set while what people are to be told of it does not wait in the outbox yet. Not shown. */
  notifyDue?: NotifyDue;
  /** Heartbeats that are due and do not wait in the outbox yet, in their order. Not shown. */
  pingDue?: readonly ("start" | "stop")[];
  /** When a retry's delay is over, or the wait for an earlier execution was. Not shown. */
  notBefore?: Iso;
  /** Key of the pool that it was started in; missing for none. Not shown. */
  pool?: string;
  /** Holds what its batch's timeout was at its start, null for none; missing before it. Not shown. */
  timeoutMs?: number | null;
  /** When a runner elsewhere was asked to start it: from then on it is never asked for anew. Not shown. */
  askedAt?: Iso;
  /** Boot id of the machine that started it; a pid means nothing after a reboot. Not shown. */
  boot?: string | null;
}
/** `message`: `cancelled by user@host: note`. */
export interface Cancelled {
  message: string;
  isRun: boolean;
}
export type NotifyEvent = "failure" | "recovery" | "success" | "unusual" | "late" | "missed" | "problem";
/** Every status there is. */
export const statuses: readonly string[] = [
  "queued",
  "running",
  "succeeded",
  "failed",
  "aborted",
] satisfies ExecutionStatus[];
/** Every reason there is. */
export const reasons: readonly string[] = [
  ...(["exit", "signal", "timeout", "spawn", "lost", "log-limit"] satisfies FailedReason[]),
  ...([
    "previous-failed",
    "previous-aborted",
    "previous-not-run",
    "overlap",
    "replaced",
    "deadline",
    "missed",
    "shutdown",
    "disabled",
    "cancelled",
  ] satisfies AbortedReason[]),
];
/** Ids of executions and runs: ULIDs. */
export const idPattern = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
/** Fields of an execution of which nothing is known yet. */
export const emptyOutcome = {
  reason: null,
  message: null,
  exitCode: null,
  signal: null,
  pid: null,
  startedAt: null,
  finishedAt: null,
  durationMs: null,
  progress: null,
  estimatedEndAt: null,
  stdoutBytes: 0,
  stderrBytes: 0,
  unusual: null,
} satisfies Partial<Execution>;
/** Returns whether it is queued or running: it still has an end to come. */
export function isOpen(execution: Pick<Execution, "status">): boolean {
  return execution.status === "queued" || execution.status === "running";
}
/** Returns whether a runner has it, or may: its end comes from there, whatever its script does by now. */
export function isWithRunner({ status, askedAt }: Pick<Execution, "status" | "askedAt">): boolean {
  return status === "running" || (status === "queued" && askedAt !== undefined);
}
/** Returns whether a run goes on, and how it ended: `failed` when any batch's last attempt did not succeed. */
export function runState(run: readonly Execution[]): "running" | "succeeded" | "failed" {
  if (run.some(isOpen)) return "running";
  const last = new Map(run.map((execution) => [execution.batch, execution.status]));
  return [...last.values()].every((status) => status === "succeeded") ? "succeeded" : "failed";
}

/** Describes what an end asks to be told, until it waits in the outbox. */
export interface NotifyDue {
  event: NotifyEvent;
  /** Ends of this kind since the last one that was told, this one included; for a recovery, the failures before it. */
  count: number;
  /** When the last one was told; null for the first, and for a recovery. */
  since: Iso | null;
}
