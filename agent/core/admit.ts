// Whether a start goes ahead: permission, concurrency and deadline, decided over a snapshot.
import { onTimeMs } from "./catchup.ts";
import type { AbortedReason, Batch, EpochMs } from "./model.ts";

export type Admission = { kind: "start" } | { kind: "abort"; reason: AbortedReason; message: string };

/** A start that has become due, before it joins the queue. `open`: executions of the batch queued or running. */
export function admit(batch: Pick<Batch, "enabled"> | null, open: number): Admission {
  if (batch === null || !batch.enabled) return { kind: "abort", reason: "disabled", message: "the batch is not enabled" };
  if (open > 0) return { kind: "abort", reason: "overlap", message: "an earlier execution of this batch has not ended" };
  return { kind: "start" };
}

/** The same start once a place is free for it: things may have changed while it waited. `startsAt`: due time plus jitter. */
export function admitQueued(
  batch: Pick<Batch, "enabled" | "startDeadlineMs"> | null,
  startsAt: EpochMs,
  now: EpochMs,
): Admission {
  if (batch === null || !batch.enabled) return { kind: "abort", reason: "disabled", message: "disabled or removed while queued" };
  const lateMs = now - startsAt;
  if (lateMs > Math.max(batch.startDeadlineMs, onTimeMs)) {
    const message = `${Math.round(lateMs / 1000)} s late when its turn came, more than startDeadline allows`;
    return { kind: "abort", reason: "deadline", message };
  }
  return { kind: "start" };
}
