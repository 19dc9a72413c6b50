// Decides which ends of executions people are told of, and how often. Pure: what was told before, one end, now → what
// to tell.
import type { Told } from "../history/port.ts";
import type { Notify } from "../model/batch.ts";
import type { NotifyEvent, Execution, NotifyDue } from "../model/execution.ts";
import { iso, type Iso, type EpochMs } from "../model/ids.ts";

const hourMs = 3_600_000;
/** How often an hour a batch that comes and goes is told of; what it does beyond that is counted. */
const streaksAnHour = 4;

/** Holds what is known of a batch that was never told of. */
const nothingTold: Told = { failures: 0, heard: true, streaks: [], last: {} };

/**
 * Returns what this end asks to be told, if anything, and the record of what was told after it (the same object when
 * nothing changes). An end is told once, as the first of recovery, unusual and success that it is and that is asked
 * for.
 *
 * - The first failure after a success is told at once, those that follow once an hour, with how many there were.
 *   The next
 *   success is the recovery, always told.
 * - A batch that fails and recovers again and again is told of four times an hour; the recovery from a failure that
 *   was held back is held back too.
 * - Each of success and unusual is told once an hour.
 * - Due times that will never run (`missed`, `deadline`) are told once an hour.
 * - An attempt that another one follows is no end. Any other abort tells nothing and changes nothing, but for a
 *   further attempt that a
 *   newer start replaced: what it was to make good failed, and with starts closer than its wait nobody would ever hear.
 *
 * @param told     undefined for a batch that has none yet
 * @param before   how the batch's run before this one ended, if that is still known: counts only where `told` does not
 */
export function decideNotice(
  notify: Notify,
  told: Told | undefined,
  final: Execution,
  before: Pick<Execution, "status"> | undefined,
  now: EpochMs,
): { told: Told | undefined; due: NotifyDue | null } {
  const known = told ?? (before?.status === "failed" ? { ...nothingTold, failures: 1 } : nothingTold);
  const asks = (event: NotifyEvent) => notify.on.includes(event);
  const status = final.reason === "replaced" && final.attempt > 1 ? "failed" : final.status;
  switch (status) {
    case "failed": {
      const failing = { ...known, failures: known.failures + 1 };
      const recent = known.streaks.filter((at) => isWithinAnHour(at, now));
      const first = known.failures === 0;
      if (first ? recent.length >= streaksAnHour : !isDue(known, "failure", now)) {
        return { told: suppressed({ ...failing, heard: first ? false : known.heard }, "failure"), due: null };
      }
      const heard = { ...failing, heard: true, streaks: first ? [...recent, iso(now)] : recent };
      return notifyOf(heard, "failure", asks("failure"), now);
    }
    case "succeeded": {
      const well = known.failures === 0 ? told : { ...known, failures: 0, heard: true };
      if (known.failures > 0 && known.heard && asks("recovery"))
        return { told: well, due: { event: "recovery", count: known.failures, since: null } };
      const event = final.unusual !== null && asks("unusual") ? "unusual" : "success";
      if (!asks(event)) return { told: well, due: null };
      const base = well ?? nothingTold;
      return isDue(base, event, now) ? notifyOf(base, event, true, now) : { told: suppressed(base, event), due: null };
    }
    case "aborted": {
      const isMissed = final.reason === "missed" || final.reason === "deadline";
      if (!isMissed || !asks("missed")) return { told, due: null };
      return isDue(known, "missed", now)
        ? notifyOf(known, "missed", true, now)
        : { told: suppressed(known, "missed"), due: null };
    }
    case "queued":
    case "running":
      return { told, due: null };
    default:
      return status satisfies never;
  }
}

/**
 * Returns whether people are told that a batch is late for one more due time: once an hour, with how many there were.
 */
export function decideLate(
  notify: Notify,
  told: Told | undefined,
  now: EpochMs,
): { told: Told | undefined; due: NotifyDue | null } {
  if (!notify.on.includes("late")) return { told, due: null };
  const known = told ?? nothingTold;
  return isDue(known, "late", now)
    ? notifyOf(known, "late", true, now)
    : { told: suppressed(known, "late"), due: null };
}

function notifyOf(told: Told, event: HourlyEvent, asked: boolean, now: EpochMs): { told: Told; due: NotifyDue | null } {
  const last = told.last[event];
  const next = { ...told, last: { ...told.last, [event]: { at: iso(now), held: 0 } } };
  return { told: next, due: asked ? { event, count: (last?.held ?? 0) + 1, since: last?.at ?? null } : null };
}

type HourlyEvent = keyof Told["last"];

function isDue(told: Told, event: HourlyEvent, now: EpochMs): boolean {
  const last = told.last[event];
  return last === undefined || !isWithinAnHour(last.at, now);
}

function suppressed(told: Told, event: HourlyEvent): Told {
  const last = told.last[event];
  return last === undefined ? told : { ...told, last: { ...told.last, [event]: { ...last, held: last.held + 1 } } };
}

/** A time that lies ahead is of a clock that has been set back: it holds nothing up. */
function isWithinAnHour(at: Iso, now: EpochMs): boolean {
  const ago = now - Date.parse(at);
  return ago >= 0 && ago < hourMs;
}
