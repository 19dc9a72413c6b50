// Calendars of `_group.yaml`: parsing into sets of days, and due times moved or dropped by them. Pure; a day is a
// number.
import { createHash } from "node:crypto";
import type { Calendar, CalendarParts, Day, DayRule, Shift } from "../model/calendar.ts";
import type { EpochMs } from "../model/ids.ts";
import { nextWall } from "./pattern.ts";

const dayMs = 86_400_000;
/** Days looked at for one due time: a rule that allows none within these years is never due. */
const maxDays = 4_018; // 11 years
const weekdayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;

/** A calendar as written in `_group.yaml`, its shape checked by the schema. */
export interface CalendarFile {
  dates?: readonly string[] | undefined;
  ranges?: readonly { from: string; to: string }[] | undefined;
  weekdays?: readonly string[] | undefined;
  ics?: string | undefined;
}

export interface CalendarFault {
  /** Below the calendar's own key: `["dates", 3]`. */
  path: (string | number)[];
  message: string;
  hint: string;
}

/** The day that a wall-clock time (read as if it were UTC) lies on. */
export function dayOf(wallMs: EpochMs): Day {
  return Math.floor(wallMs / dayMs);
}

/** Reads `2026-12-25`; null when there is no such day. */
export function parseDay(text: string): Day | null {
  const match = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text);
  if (match === null) return null;
  const [year, month, day] = match.slice(1).map(Number) as [number, number, number];
  const at = new Date(0);
  at.setUTCFullYear(year, month - 1, day);
  return at.getUTCMonth() === month - 1 && at.getUTCDate() === day ? dayOf(at.getTime()) : null;
}

/** Reads `12-25`, every year; null when no year has such a day. */
function parseYearly(text: string): { month: number; day: number } | null {
  const match = /^(\d\d)-(\d\d)$/.exec(text);
  // A leap year has every day that any year has.
  if (match === null || parseDay(`2000-${text}`) === null) return null;
  return { month: Number(match[1]), day: Number(match[2]) };
}

/**
 * Makes a calendar of its parts.
 * @param icsDays days of the iCalendar file that `ics` names, already read
 */
export function parseCalendar(
  name: string,
  file: CalendarFile,
  icsDays: readonly Day[],
): { calendar: Calendar; faults: CalendarFault[] } {
  const faults: CalendarFault[] = [];
  const days = new Set<Day>(icsDays);
  const yearly = new Set<number>();
  const ranges: { from: Day; to: Day }[] = [];
  const weekdays = new Set<number>();
  for (const [index, text] of (file.dates ?? []).entries()) {
    const every = parseYearly(text);
    const day = parseDay(text);
    if (every !== null) yearly.add(every.month * 32 + every.day);
    else if (day !== null) days.add(day);
    else faults.push({ path: ["dates", index], ...noSuchDay(text) });
  }
  for (const [index, { from, to }] of (file.ranges ?? []).entries()) {
    const [first, last] = [parseDay(from), parseDay(to)];
    if (first === null) faults.push({ path: ["ranges", index, "from"], ...noSuchDay(from, false) });
    if (last === null) faults.push({ path: ["ranges", index, "to"], ...noSuchDay(to, false) });
    if (first === null || last === null) continue;
    if (last < first)
      faults.push({
        path: ["ranges", index],
        message: `the range ends on ${to}, before it begins on ${from}`,
        hint: "swap from and to; both days belong to the range",
      });
    else ranges.push({ from: first, to: last });
  }
  for (const text of file.weekdays ?? []) {
    const index = weekdayNames.findIndex((weekday) => weekday === text.toLowerCase().slice(0, 3));
    if (index >= 0) weekdays.add(index);
  }
  const inOrder = (values: Iterable<number>) => [...values].sort((a, b) => a - b);
  const parts = { days: inOrder(days), yearly: inOrder(yearly), ranges, weekdays: inOrder(weekdays) };
  return { calendar: createCalendar(name, parts), faults };
}

/** Makes a calendar of the parts of another. */
export function createCalendar(name: string, parts: CalendarParts): Calendar {
  const [days, yearly, weekdays] = [new Set(parts.days), new Set(parts.yearly), new Set(parts.weekdays)];
  const has = (day: Day) => {
    if (days.has(day) || weekdays.has((((day + 4) % 7) + 7) % 7)) return true; // 1970-01-01 was a Thursday
    if (parts.ranges.some(({ from, to }) => from <= day && day <= to)) return true;
    if (yearly.size === 0) return false;
    const date = new Date(day * dayMs);
    return yearly.has((date.getUTCMonth() + 1) * 32 + date.getUTCDate());
  };
  const ranges = parts.ranges.map(({ from, to }) => [from, to]);
  return { name, parts, has, key: digest([parts.days, parts.yearly, ranges, parts.weekdays]) };
}

function noSuchDay(text: string, yearly = true): { message: string; hint: string } {
  const forms = yearly ? '"2026-12-25", or "12-25" for every year' : '"2026-12-25"';
  return { message: `${JSON.stringify(text.slice(0, 40))} is not a day of the calendar`, hint: `write it as ${forms}` };
}

function isAllowed({ skip, only }: DayRule, day: Day): boolean {
  if (skip.some((calendar) => calendar.has(day))) return false;
  return only.length === 0 || only.some((calendar) => calendar.has(day));
}

/** Puts calendars together into a rule; null where no calendar is named, so that all days are allowed. */
export function createDayRule(skip: readonly Calendar[], only: readonly Calendar[], shift: Shift): DayRule | null {
  if (skip.length === 0 && only.length === 0) return null;
  return { skip, only, shift, key: digest([skip.map(({ key }) => key), only.map(({ key }) => key), shift]) };
}

/** Short, so that it may stand in thousands of keys. */
function digest(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 16);
}

/** The day that a due time of `day` comes on; null when it is dropped, or no day is allowed within reach. */
export function shiftedDay(rule: DayRule, day: Day): Day | null {
  if (isAllowed(rule, day)) return day;
  if (rule.shift === "none") return null;
  const step = rule.shift === "next" ? 1 : -1;
  for (let other = day + step; Math.abs(other - day) <= maxDays; other += step)
    if (isAllowed(rule, other)) return other;
  return null;
}

/**
 * First wall-clock time at or after `from` at which a pattern is due under a rule for days; null when there is none
 * within `maxDays`. The days of one target (an allowed day, and those whose due times are moved to it) are looked at
 * together, so due times that meet come once.
 */
export function nextAllowedWall(text: string, rule: DayRule, from: EpochMs): EpochMs | null {
  const end = dayOf(from) + maxDays;
  let earliest = from;
  for (;;) {
    const target = allowedFrom(rule, dayOf(earliest), end);
    if (target === null) return null;
    const minMs = target === dayOf(earliest) ? earliest - target * dayMs : 0;
    const [first, last] = sourcesOf(rule, target, end);
    const time = firstTimeOfDay(text, first, last, minMs);
    if (time !== null) return target * dayMs + time;
    // Days without any match are passed over at once: the next match, and the day that it is moved to.
    const match = nextWall(text, (last + 1) * dayMs);
    if (match === null || dayOf(match) > end) return null;
    const landing = rule.shift === "previous" ? shiftedDay(rule, dayOf(match)) : dayOf(match);
    earliest = Math.max(landing ?? 0, target + 1) * dayMs;
  }
}

/** First allowed day at or after `day`. */
function allowedFrom(rule: DayRule, day: Day, end: Day): Day | null {
  for (let other = day; other <= end; other++) if (isAllowed(rule, other)) return other;
  return null;
}

/** The days whose due times come on `target`, which is allowed: itself, and the barred days next to it. */
function sourcesOf(rule: DayRule, target: Day, end: Day): [first: Day, last: Day] {
  let [first, last] = [target, target];
  if (rule.shift === "next") while (target - first < maxDays && !isAllowed(rule, first - 1)) first--;
  if (rule.shift === "previous") while (last < end && !isAllowed(rule, last + 1)) last++;
  return [first, last];
}

/** Earliest time of day, `least` ms or later, at which a pattern matches on any of the days. */
function firstTimeOfDay(text: string, first: Day, last: Day, minMs: number): number | null {
  let best: number | null = null;
  for (let day = first; day <= last; day++) {
    const match = nextWall(text, day * dayMs + minMs);
    if (match === null) break;
    if (dayOf(match) > day) {
      day = dayOf(match) - 1; // nothing until then; on that day it is looked at again from `least` on
      continue;
    }
    const time = match - day * dayMs;
    if (best === null || time < best) best = time;
  }
  return best;
}
