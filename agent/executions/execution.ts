// The state machine of one execution. `transition` is the only door for a change of status.
import { InvariantError } from "../errors.ts";
import type { Retry } from "../model/batch.ts";
import {
  isOpen,
  emptyOutcome,
  type Execution,
  type TriggerKind,
  type AbortedReason,
  type FailedReason,
  type FinishedBy,
  type ProcessEnding,
} from "../model/execution.ts";
import { iso, type EpochMs, type Revision, type RunId, type ExecutionId, type BatchName } from "../model/ids.ts";

/** Describes what happens to an execution. */
export type ExecutionEvent =
  /** A runner elsewhere is asked to start it. */
  | { kind: "ask"; at: EpochMs; revision: Revision; commit: string | null }
  | { kind: "start"; at: EpochMs; revision: Revision; commit: string | null; boot: string | null }
  | { kind: "succeed"; at: EpochMs; exitCode: number; bytes: LogBytes }
  | {
      kind: "fail";
      at: EpochMs;
      reason: FailedReason;
      message: string;
      exitCode: number | null;
      signal: string | null;
      bytes: LogBytes;
    }
  | { kind: "abort"; at: EpochMs; reason: AbortedReason; message: string; bytes?: LogBytes };

interface LogBytes {
  stdoutBytes: number;
  stderrBytes: number;
}

/** A new execution, `queued`. */
export function createExecution(fields: {
  id: ExecutionId;
  run: RunId;
  batch: BatchName;
  group?: string;
  revision: Revision | null;
  commit: string | null;
  trigger: { kind: TriggerKind; dueAt: EpochMs; by: ExecutionId | null };
  attempt?: number;
  now: EpochMs;
}): Execution {
  return {
    id: fields.id,
    run: fields.run,
    batch: fields.batch,
    ...(fields.group === undefined ? {} : { group: fields.group }),
    revision: fields.revision,
    commit: fields.commit,
    trigger: { kind: fields.trigger.kind, dueAt: iso(fields.trigger.dueAt), by: fields.trigger.by },
    attempt: fields.attempt ?? 1,
    status: "queued",
    createdAt: iso(fields.now),
    ...emptyOutcome,
  };
}

/**
 * The execution after `event`.
 *
 * - `queued` → `queued` (ask, once), `running` (start), `aborted` (abort), `failed` (fail: it could not be started)
 * - `running` → `succeeded`, `failed`, `aborted`
 * - `succeeded`, `failed`, `aborted` are final.
 *
 * Throws InvariantError on any other way.
 */
export function transition(execution: Execution, event: ExecutionEvent): Execution {
  const from = execution.status;
  const allowed = isAllowed(execution, event.kind);
  if (!allowed) throw new InvariantError(`execution ${execution.id} is ${from}: it cannot ${event.kind}`);
  const { waitingFor: _over, ...left } = execution;
  switch (event.kind) {
    case "ask": {
      const { at, revision, commit } = event;
      return { ...left, message: null, askedAt: iso(at), revision, commit };
    }
    case "start":
      return {
        ...left,
        status: "running",
        message: null,
        startedAt: iso(event.at),
        revision: event.revision,
        commit: event.commit,
        boot: event.boot,
      };
    case "succeed":
      return { ...left, ...ended(execution, event.at), ...event.bytes, status: "succeeded", exitCode: event.exitCode };
    case "fail":
      return {
        ...left,
        ...ended(execution, event.at),
        ...event.bytes,
        status: "failed",
        reason: event.reason,
        message: event.message,
        exitCode: event.exitCode,
        signal: event.signal,
      };
    case "abort":
      return {
        ...left,
        ...ended(execution, event.at),
        ...(event.bytes ?? {}),
        status: "aborted",
        reason: event.reason,
        message: event.message,
      };
    default:
      throw new InvariantError(`unknown event ${JSON.stringify(event satisfies never)}`);
  }
}

function isAllowed(execution: Execution, kind: ExecutionEvent["kind"]): boolean {
  switch (kind) {
    case "ask":
      return execution.status === "queued" && execution.askedAt === undefined;
    case "start":
      return execution.status === "queued";
    case "succeed":
      return execution.status === "running";
    case "fail":
    case "abort":
      return isOpen(execution);
    default:
      return kind satisfies never;
  }
}

/**
 * Returns the event that a process's end is. `by`: why the agent ended it, which goes before how it took that; null if
 * it did not. `successCodes`: exit codes that are success. `cancelled`: the words for an end that was asked for.
 */
export function endingEvent(
  ending: ProcessEnding,
  by: FinishedBy | null,
  successCodes: readonly number[],
  cancelled = "cancelled",
): ExecutionEvent {
  const at = ending.finishedAt;
  const bytes = { stdoutBytes: ending.stdoutBytes, stderrBytes: ending.stderrBytes };
  const exitCode = ending.kind === "exit" ? ending.exitCode : null;
  const signal = ending.kind === "signal" ? ending.signal : null;
  const failure = { kind: "fail", at, bytes, exitCode, signal } as const;
  switch (by) {
    case "timeout":
      return { ...failure, reason: "timeout", message: "it ran for longer than its timeout" };
    case "log-limit":
      return {
        ...failure,
        reason: "log-limit",
        message: "it wrote more than --log-limit allows; what goes beyond is cut off",
      };
    case "replaced":
      return { kind: "abort", at, bytes, reason: "replaced", message: "a newer start took its place" };
    case "shutdown":
      return { kind: "abort", at, bytes, reason: "shutdown", message: "stopped because the agent was told to stop" };
    case "cancelled":
      return { kind: "abort", at, bytes, reason: "cancelled", message: cancelled };
    case null:
      break;
    default:
      throw new InvariantError(`unknown reason ${String(by satisfies never)}`);
  }
  switch (ending.kind) {
    case "exit":
      if (successCodes.includes(ending.exitCode)) return { kind: "succeed", at, exitCode: ending.exitCode, bytes };
      return { ...failure, reason: "exit", message: `exit code ${ending.exitCode}` };
    case "signal":
      return { ...failure, reason: "signal", message: ending.message ?? `ended by ${ending.signal}` };
    case "spawn":
      return { ...failure, reason: "spawn", message: ending.message };
    case "lost": {
      const message = ending.message ?? "it ended while no agent was watching and left no exit code";
      return { ...failure, reason: "lost", message };
    }
    default:
      throw new InvariantError(`unknown ending ${JSON.stringify(ending satisfies never)}`);
  }
}

/**
 * Returns the attempt that follows a failed one, queued until its delay is over; null when there is none, when the
 * failed one was cancelled, or when its exit code is none of those that `retry.codes` names (an end without an exit
 * code is none of them either). The wait is `delay` times `factor` for each attempt before, `maxDelay` at most. A rerun
 * counts anew.
 */
export function nextAttempt(
  failed: Execution,
  retry: Retry | null,
  fields: { id: ExecutionId; now: EpochMs },
): Execution | null {
  const { run, batch, revision, commit, trigger, attemptsBefore = 0 } = failed;
  const done = failed.attempt - attemptsBefore;
  if (failed.status !== "failed" || failed.cancelled !== undefined || retry === null || done > retry.limit) return null;
  if (retry.codes !== undefined && (failed.exitCode === null || !retry.codes.includes(failed.exitCode))) return null;
  const delayMs = Math.min(retry.maxDelayMs, retry.delayMs * retry.factor ** (done - 1));
  const notBefore = iso(fields.now + delayMs);
  const next = createExecution({
    ...fields,
    run,
    batch,
    revision,
    commit,
    trigger: { kind: "retry", dueAt: Date.parse(trigger.dueAt), by: failed.id },
    attempt: failed.attempt + 1,
  });
  return {
    ...next,
    ...inherited(failed),
    notBefore,
    waitingFor: `its retry at ${notBefore}`,
    message: `attempt ${done + 1} of ${retry.limit + 1}, due at ${notBefore}`,
  };
}

/** Returns what a further attempt has of the one before it. */
function inherited({ previous, given, params, pass, attemptsBefore, scheduled }: Execution): Partial<Execution> {
  const fields = { previous, given, params, pass, attemptsBefore, scheduled };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function ended(execution: Execution, at: EpochMs): Pick<Execution, "finishedAt" | "durationMs"> {
  const durationMs =
    execution.startedAt === null ? null : Math.max(0, Math.round(at - Date.parse(execution.startedAt)));
  return { finishedAt: iso(at), durationMs };
}
