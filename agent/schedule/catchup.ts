// Decides which due time of a schedule is to be started now, and which are lost. One path for an on-time start, a
// late tick, a machine that slept, a clock that jumped and an agent that was down.
import type { Schedule } from "../model/batch.ts";
import type { EpochMs } from "../model/ids.ts";
import { dueBetween, nextDue } from "./schedule.ts";

/** A start this late is still on time: the timer's grain and a busy loop. */
export const onTimeMs = 5_000;

/** No clock is corrected by more than this unless it was wrong before. */
const clockErrorMs = 86_400_000;

/**
 * Up to when due times are done with. A mark more than a day ahead was left by a clock that stood wrong: waiting for it
 * could take years, so it counts from now. (A due time that has its row is not started again; the executor sees to it.)
 */
export function trustedMark(coveredUntil: EpochMs, now: EpochMs): EpochMs {
  return coveredUntil - now > clockErrorMs ? now : coveredUntil;
}

export interface DueDecision {
  /** Due time to start now. */
  start: EpochMs | null;
  /** The due time before it, where that lies in the gap too. */
  before: EpochMs | null;
  /** Due times lost for the whole gap, whether or not the latest of them is started after all. */
  missed: { from: EpochMs; to: EpochMs; count: number } | null;
  /** Due times up to here are accounted for once `start` and `missed` have their rows. */
  coveredUntil: EpochMs;
  /** The due time to look at next; null when there is none. */
  next: EpochMs | null;
}

/**
 * @param coveredUntil  due times up to here are done with, whatever the clock says: none is ever started twice
 */
export function decideDue(
  schedule: Schedule,
  coveredUntil: EpochMs,
  startDeadlineMs: number,
  now: EpochMs,
): DueDecision {
  const until = now - schedule.jitterMs;
  const due = until > coveredUntil ? dueBetween(schedule, coveredUntil, until) : null;
  if (due === null)
    return { start: null, before: null, missed: null, coveredUntil, next: nextDue(schedule, coveredUntil) };
  const lateMs = until - due.last;
  const onTime = due.count === 1 && lateMs <= onTimeMs;
  const start = onTime || lateMs <= startDeadlineMs ? due.last : null;
  const missed = onTime ? null : { from: due.first, to: due.last, count: due.count };
  return { start, before: due.before, missed, coveredUntil: due.last, next: nextDue(schedule, due.last) };
}
