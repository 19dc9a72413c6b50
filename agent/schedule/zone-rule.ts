// POSIX TZ rules (`CET-1CEST,M3.5.0,M10.5.0/3`), as libc takes them in TZ and at the end of a zone file → offsets.
// Pure.
import type { EpochMs } from "../model/ids.ts";

/** Offset of a zone from UTC in ms, east positive, at an instant. */
export type OffsetAt = (t: EpochMs) => number;

/** A day of the year on which clocks change, and the seconds after its midnight by the wall clock before the change. */
interface Change {
  dayMs: (year: number) => number;
  seconds: number;
}

const dayMs = 86_400_000;
const name = "(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)";
const offset = "([+-]?\\d{1,3}(?::\\d{1,2}(?::\\d{1,2})?)?)";
const rule = new RegExp(`^${name}${offset}(?:${name}${offset}?(?:,([^,]+),([^,]+))?)?$`);
/** Holds what glibc and musl take where a rule names summer time but no days. */
const usual = ["M3.2.0", "M11.1.0"] as const;

/** Parses a rule; null when it is none. */
export function parseZoneRule(text: string): OffsetAt | null {
  const match = rule.exec(text);
  if (match === null) return null;
  const [, standardText = "", summerText, from, to] = match;
  const standard = secondsOf(standardText, 24);
  if (standard === null) return null;
  const hasSummer = new RegExp(`^${name}${offset}${name}`).test(text);
  if (!hasSummer) return () => -standard * 1000 || 0;
  const summer = summerText === undefined ? standard - 3600 : secondsOf(summerText, 24);
  const begin = changeOf(from ?? usual[0]);
  const end = changeOf(to ?? usual[1]);
  if (summer === null || begin === null || end === null) return null;
  return (t) => {
    const year = new Date(t - standard * 1000).getUTCFullYear();
    const starts = begin.dayMs(year) + (begin.seconds + standard) * 1000;
    const ends = end.dayMs(year) + (end.seconds + summer) * 1000;
    const isSummer = starts <= ends ? starts <= t && t < ends : !(ends <= t && t < starts);
    return -(isSummer ? summer : standard) * 1000 || 0;
  };
}

/** `[+-]hh[:mm[:ss]]` in seconds; null beyond `maxHours`. */
function secondsOf(text: string, maxHours: number): number | null {
  const match = /^([+-]?)(\d{1,3})(?::(\d{1,2}))?(?::(\d{1,2}))?$/.exec(text);
  if (match === null) return null;
  const [hours, minutes, seconds] = [Number(match[2]), Number(match[3] ?? 0), Number(match[4] ?? 0)];
  if (hours > maxHours || minutes > 59 || seconds > 59) return null;
  const total = hours * 3600 + minutes * 60 + seconds;
  return match[1] === "-" ? -total : total;
}

/** `M3.5.0/2`, `J60` (29 February never counts) or `59` (days from 0), with a time of -167 to 167 hours. */
function changeOf(text: string): Change | null {
  const [date = "", time = "2", ...more] = text.split("/");
  const seconds = secondsOf(time, 167);
  if (seconds === null || more.length > 0) return null;
  const week = /^M(\d{1,2})\.([1-5])\.([0-6])$/.exec(date);
  if (week !== null) {
    const [month, nth, weekday] = [Number(week[1]), Number(week[2]), Number(week[3])];
    return month < 1 || month > 12 ? null : { dayMs: (year) => weekdayOf(year, month, nth, weekday), seconds };
  }
  const day = /^(J?)(\d{1,3})$/.exec(date);
  if (day === null) return null;
  const [julian, count] = [day[1] === "J", Number(day[2])];
  if (count > 365 || (julian && count < 1)) return null;
  return {
    dayMs(year) {
      const leap = Date.UTC(year, 1, 29) !== Date.UTC(year, 2, 1);
      return Date.UTC(year, 0, 1) + (julian ? count - 1 + (leap && count > 59 ? 1 : 0) : count) * dayMs;
    },
    seconds,
  };
}

/** The nth weekday of a month, the last one for 5. */
function weekdayOf(year: number, month: number, nth: number, weekday: number): number {
  const first = Date.UTC(year, month - 1, 1);
  let at = first + (((weekday - new Date(first).getUTCDay() + 7) % 7) + (nth - 1) * 7) * dayMs;
  if (at >= Date.UTC(year, month, 1)) at -= 7 * dayMs;
  return at;
}
