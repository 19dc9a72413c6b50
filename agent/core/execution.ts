// The state machine of one execution. `transition` is the only door for a change of status.
import { InvariantError } from "../errors.ts";
import type {
  AbortedReason,
  BatchName,
  EpochMs,
  Execution,
  ExecutionId,
  FailedReason,
  Revision,
  RunId,
  TriggerKind,
} from "./model.ts";

/** What happens to an execution. */
export type ExecutionEvent =
  | { kind: "start"; at: EpochMs; revision: Revision; commit: string | null; boot: string | null }
  | { kind: "succeed"; at: EpochMs; bytes: LogBytes }
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
  run?: RunId;
  batch: BatchName;
  revision: Revision | null;
  commit: string | null;
  trigger: { kind: TriggerKind; dueAt: EpochMs; by: ExecutionId | null };
  attempt?: number;
  now: EpochMs;
}): Execution {
  return {
    id: fields.id,
    run: fields.run ?? (fields.id as string as RunId),
    batch: fields.batch,
    revision: fields.revision,
    commit: fields.commit,
    trigger: { kind: fields.trigger.kind, dueAt: iso(fields.trigger.dueAt), by: fields.trigger.by },
    attempt: fields.attempt ?? 1,
    status: "queued",
    reason: null,
    message: null,
    exitCode: null,
    signal: null,
    pid: null,
    createdAt: iso(fields.now),
    startedAt: null,
    finishedAt: null,
    durationMs: null,
    progress: null,
    estimatedEndAt: null,
    stdoutBytes: 0,
    stderrBytes: 0,
    unusual: null,
  };
}

/**
 * The execution after `event`.
 *
 * - `queued` → `running` (start), `aborted` (abort), `failed` (fail: it could not be started)
 * - `running` → `succeeded`, `failed`, `aborted`
 * - `succeeded`, `failed`, `aborted` are final.
 *
 * Throws InvariantError on any other way.
 */
export function transition(execution: Execution, event: ExecutionEvent): Execution {
  const from = execution.status;
  const allowed = event.kind === "start" ? from === "queued" : event.kind === "succeed" ? from === "running" : isOpen(execution);
  if (!allowed) throw new InvariantError(`execution ${execution.id} is ${from}: it cannot ${event.kind}`);
  switch (event.kind) {
    case "start":
      return {
        ...execution,
        status: "running",
        startedAt: iso(event.at),
        revision: event.revision,
        commit: event.commit,
        boot: event.boot,
      };
    case "succeed":
      return { ...execution, ...ended(execution, event.at), ...event.bytes, status: "succeeded", exitCode: 0 };
    case "fail":
      return {
        ...execution,
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
        ...execution,
        ...ended(execution, event.at),
        ...(event.bytes ?? {}),
        status: "aborted",
        reason: event.reason,
        message: event.message,
      };
    default: {
      const never: never = event;
      throw new InvariantError(`unknown event ${JSON.stringify(never)}`);
    }
  }
}

/** Whether it is queued or running: it still has an end to come. */
export function isOpen(execution: Execution): boolean {
  return execution.status === "queued" || execution.status === "running";
}

function ended(execution: Execution, at: EpochMs): Pick<Execution, "finishedAt" | "durationMs"> {
  const durationMs = execution.startedAt === null ? null : Math.max(0, Math.round(at - Date.parse(execution.startedAt)));
  return { finishedAt: iso(at), durationMs };
}

function iso(at: EpochMs): string {
  return new Date(at).toISOString();
}
