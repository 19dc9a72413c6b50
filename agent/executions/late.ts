// Decides which runs are late: not succeeded `lateAfter` after the due time that set them off, for whatever reason.
// Pure.
import type { Outline, Recorder } from "../history/port.ts";
import type { Batch } from "../model/batch.ts";
import type { Execution } from "../model/execution.ts";
import type { EpochMs, Iso } from "../model/ids.ts";

type Lateness = NonNullable<NonNullable<ReturnType<Recorder["head"]>>["late"]>;

/** Returns how long after a due time a batch in force is late; null where it never is. */
export function lateAfterOf(batch: Pick<Batch, "enabled" | "lateAfterMs"> | null): number | null {
  return batch?.enabled === true ? batch.lateAfterMs : null;
}

/** Returns a new execution, marked where its batch is late already. */
export function markedLate(
  execution: Execution,
  batch: Pick<Batch, "enabled" | "lateAfterMs"> | null,
  now: EpochMs,
): Execution {
  const afterMs = lateAfterOf(batch);
  if (afterMs === null || execution.scheduled !== true) return execution;
  return now < Date.parse(execution.trigger.dueAt) + afterMs ? execution : { ...execution, late: true };
}

/** Due times without a success that a batch's record names; beyond that the oldest have only their rows. */
export const maxOpen = 100;

/**
 * Returns whether the record tells that a due time needs no judgement any longer. Its rows are no help where they may
 * have been deleted.
 */
export function isSettled({ judged, open = [], upTo }: Lateness, dueAt: Iso): boolean {
  if (dueAt <= judged) return true;
  if (upTo === undefined || dueAt > upTo || open.includes(dueAt)) return false;
  return open.length < maxOpen || dueAt > (open[0] ?? "");
}

/**
 * Judges a batch for one due time that is `lateAfter` ago.
 * @param past  its executions, newest first
 * @param runs  keys of the runs that the due time set off
 */
export function classifyLate(
  past: Iterable<Outline>,
  runs: ReadonlySet<number>,
  dueAt: EpochMs,
  afterMs: number,
): { isLate: boolean; latest: Outline | null } {
  let latest: Outline | null = null;
  for (const outline of past) {
    if (Date.parse(outline.createdAt) < dueAt - clockErrorMs) break;
    if (!runs.has(outline.runKey)) continue;
    const inTime = Date.parse(outline.finishedAt ?? "") <= dueAt + afterMs;
    if (outline.status === "succeeded" && inTime) return { isLate: false, latest: outline };
    latest ??= outline;
  }
  return { isLate: true, latest };
}

/** No clock is corrected by more than this. */
const clockErrorMs = 86_400_000;
