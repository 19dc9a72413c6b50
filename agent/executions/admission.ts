// Decides whether a start goes ahead: concurrency, deadline, and what has changed while it waited. Decided over a
// snapshot.
import type { Batch } from "../model/batch.ts";
import { isWithRunner, type AbortedReason, type Execution } from "../model/execution.ts";
import type { EpochMs } from "../model/ids.ts";
import { onTimeMs } from "../schedule/catchup.ts";

interface Abort {
  kind: "abort";
  reason: AbortedReason;
  message: string;
}

export type Admission =
  | { kind: "start" }
  /** Wait until no other execution of the batch is open. */
  | { kind: "wait" }
  /** End what is open of the batch, then start. */
  | { kind: "replace" }
  | Abort;

/**
 * A start that has become due, before it joins the queue.
 * @param open  executions of the batch that are queued or running, a pending retry among them
 * @param held  whether one of these already waits for the others to end
 */
export function admit(batch: Pick<Batch, "enabled" | "concurrency"> | null, open: number, held: boolean): Admission {
  if (batch === null || !batch.enabled)
    return { kind: "abort", reason: "disabled", message: "the batch is not enabled" };
  if (open === 0) return { kind: "start" };
  switch (batch.concurrency) {
    case "allow":
      return { kind: "start" };
    case "forbid":
      return { kind: "abort", reason: "overlap", message: "an earlier execution of this batch has not ended" };
    case "queue":
      if (held)
        return { kind: "abort", reason: "overlap", message: "an earlier start of this batch is waiting already" };
      return { kind: "wait" };
    case "replace":
      return { kind: "replace" };
    default:
      return batch.concurrency satisfies never;
  }
}

/**
 * Returns whether a start that has found no place yet stands for the newer due time from now on: of those that are
 * missed while the queue is full only the latest runs.
 * @param waiting  the only execution of the batch that is open
 */
export function standsIn(
  batch: Pick<Batch, "enabled" | "concurrency" | "after">,
  waiting: Pick<Execution, "status" | "trigger" | "askedAt">,
): boolean {
  return (
    batch.enabled &&
    batch.concurrency === "forbid" &&
    batch.after.length === 0 &&
    waiting.status === "queued" &&
    !isWithRunner(waiting) &&
    waiting.trigger.kind === "cron"
  );
}

/**
 * The same start once a place is free for it. `startsAt`: due time plus jitter, or when a retry's delay or the wait for
 * an earlier execution was over.
 */
export function admitQueued(
  batch: Pick<Batch, "enabled" | "startDeadlineMs" | "concurrency"> | null,
  startsAt: EpochMs,
  now: EpochMs,
): { kind: "start" } | Abort {
  if (batch === null || !batch.enabled)
    return { kind: "abort", reason: "disabled", message: "disabled or removed while queued" };
  const lateMs = now - startsAt;
  if (lateMs > Math.max(batch.startDeadlineMs, onTimeMs)) {
    const message = `${Math.round(lateMs / 1000)} s late when its turn came, more than startDeadline allows`;
    return { kind: "abort", reason: "deadline", message };
  }
  return { kind: "start" };
}
