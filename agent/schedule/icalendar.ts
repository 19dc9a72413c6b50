// Days of the all-day events of an iCalendar file (RFC 5545), recurrences included, read with ical.js.
import { messageOf } from "../errors.ts";
import ICAL from "ical.js";
import type { Day } from "../model/calendar.ts";
import { parseDay } from "./calendar.ts";

/** Recurrences are followed up to this day. */
const horizon = "2100-01-01";
/** Days of one file; a daily event up to the horizon has some 27,000. */
const maxIcsDays = 50_000;
const maxEvents = 10_000;

/** Reads an iCalendar file. Events with a time of day are passed over. Never throws. */
export function parseICalendar(text: string): { days: Day[] } | { fault: string } {
  try {
    const wrong = wrongDate(text);
    if (wrong !== null) return { fault: `${JSON.stringify(wrong.slice(0, 40))} is not a date` };
    const parsed: unknown = ICAL.parse(text);
    const roots = (Array.isArray(parsed) && typeof parsed[0] === "string" ? [parsed] : parsed) as unknown[];
    const components = roots.map((root) => new ICAL.Component(root as string));
    if (components.length === 0 || components.some(({ name }) => name !== "vcalendar"))
      return { fault: "it is not an iCalendar file: it does not begin with BEGIN:VCALENDAR" };
    const events = components.flatMap((component) => component.getAllSubcomponents("vevent"));
    if (events.length > maxEvents) return { fault: `it has more than ${maxEvents} events` };
    return daysOf(events);
  } catch (error) {
    return { fault: `it cannot be read: ${messageOf(error).slice(0, 200)}` };
  }
}

/** A date that ical.js would take for another day: it reads digits where it expects them, and lets days roll over. */
function wrongDate(text: string): string | null {
  const lines = text.replace(/\r?\n[ \t]/g, "").split(/\r?\n/);
  for (const line of lines) {
    const values = /^(?:DTSTART|DTEND|RECURRENCE-ID|EXDATE|RDATE)\b[^:]*VALUE=DATE(?:;[^:]*)?:(.*)$/i.exec(line)?.[1];
    for (const value of values?.split(",") ?? []) {
      const match = /^(\d{4})(\d\d)(\d\d)$/.exec(value.trim());
      if (match === null || parseDay(match.slice(1).join("-")) === null) return value;
    }
  }
  return null;
}

function daysOf(components: readonly ICAL.Component[]): { days: Day[] } | { fault: string } {
  // Without exceptions that are given to it, each event looks for its own among all others.
  const events = components.map((component) => new ICAL.Event(component, { exceptions: [] })).filter(isAllDay);
  const days = new Set<Day>();
  const last = parseDay(horizon) as Day;
  const work = new Work();
  const add = (first: Day, count: number) => {
    const end = Math.min(first + count, last + 1);
    work.spend("days", end - first);
    for (let day = first; day < end && days.size <= maxIcsDays; day++) days.add(day);
  };
  /** By UID: instances that have an event of their own, which says when they are instead. */
  const moved = new Map<string, Set<Day>>();
  for (const event of events.filter((event) => event.isRecurrenceException()))
    moved.set(event.uid, (moved.get(event.uid) ?? new Set()).add(dayNumber(event.recurrenceId)));
  for (const event of events) {
    if (isCancelled(event)) continue;
    const length = Math.max(dayNumber(event.endDate) - dayNumber(event.startDate), 1); // DTEND is exclusive
    const own = event.isRecurrenceException() ? undefined : moved.get(event.uid);
    for (const day of firstDaysOf(event, last, work)) if (own?.has(day) !== true) add(day, length);
    if (days.size > maxIcsDays) return { fault: `its events take more than ${maxIcsDays} days` };
  }
  return { days: [...days].sort((a, b) => a - b) };
}

/** Passes over an event without DTSTART too: ical.js gives null for it, whatever its types say. */
function isAllDay(event: ICAL.Event): boolean {
  const start = event.startDate as ICAL.Time | null;
  return start?.isDate === true;
}

/** The first day of each occurrence of an event. */
function firstDaysOf(event: ICAL.Event, last: Day, work: Work): Set<Day> {
  const { component, startDate } = event;
  const days = new Set<Day>();
  const rules = event.isRecurrenceException() ? [] : component.getAllProperties("rrule");
  for (const rule of rules) {
    const recur = rule.getFirstValue() as ICAL.Recur;
    // For an all-day event, what comes more often than daily comes on the same days; and it would take for ever to
    // find them.
    if (!["DAILY", "WEEKLY", "MONTHLY", "YEARLY"].includes(recur.freq))
      throw new Error(`an all-day event cannot recur ${recur.freq}`);
    for (const [part, values] of Object.entries(recur.parts))
      if (Array.isArray(values) && values.length > maxPartValues)
        throw new Error(`${part} of a recurrence rule holds more than ${maxPartValues} values`);
    const occurrences = BoundedIterator.open({ rule: recur, dtstart: startDate }, work);
    for (let at = next(occurrences); at !== null && days.size <= maxIcsDays; at = next(occurrences)) {
      if (dayNumber(at) > last) break;
      work.spend("occurrences", 1);
      const months = recur.parts.BYMONTH ?? [];
      // ical.js lets 31 February roll over into March.
      if (months.length === 0 || months.includes(at.month)) days.add(dayNumber(at));
    }
  }
  if (rules.length === 0) days.add(dayNumber(startDate));
  for (const property of component.getAllProperties("rdate"))
    for (const value of property.getValues()) if (value instanceof ICAL.Time) days.add(dayNumber(value));
  for (const property of component.getAllProperties("exdate"))
    for (const value of property.getValues()) if (value instanceof ICAL.Time) days.delete(dayNumber(value));
  return days;
}

/** Returns the next occurrence, or null at the end, which the library's types do not tell. */
function next(iterator: ICAL.RecurIterator): ICAL.Time | null {
  return iterator.next();
}

/** A list of a rule has no more different values: days of a year. */
const maxPartValues = 400;
/** Bounds of one file. A daily event of a century has some 36,000 occurrences, which take half a second. */
const maxWork = { occurrences: 50_000, days: 500_000, steps: 100_000 };
const workFaults = {
  occurrences: `its events recur more than ${maxWork.occurrences} times`,
  days: `its events together last more than ${maxWork.days} days`,
  steps: "a recurrence rule fits no day, or hardly any",
};

/** Counts what the events of one file cost together: many of them may each be harmless, and find the same days. */
class Work {
  readonly #spent = { occurrences: 0, days: 0, steps: 0 };

  spend(kind: keyof typeof maxWork, count: number): void {
    this.#spent[kind] += Math.max(0, count);
    if (this.#spent[kind] > maxWork[kind]) throw new Error(workFaults[kind]);
  }
}

/** A year is laid out day by day; a step looks at one. */
const stepsAYear = 4;

/** Gives up on a rule that no day fits, such as the 30th of February: ical.js looks for one for ever. */
class BoundedIterator extends ICAL.RecurIterator {
  /** The library's constructor looks for the first day already, before this class has its fields. */
  static #opening: Work | null = null;
  readonly #work = BoundedIterator.#opening;

  static open(options: ConstructorParameters<typeof ICAL.RecurIterator>[0], work: Work): BoundedIterator {
    BoundedIterator.#opening = work;
    try {
      return new BoundedIterator(options);
    } finally {
      BoundedIterator.#opening = null;
    }
  }

  override check_contracting_rules(): boolean {
    (BoundedIterator.#opening ?? this.#work)?.spend("steps", 1);
    return super.check_contracting_rules();
  }

  override expand_year_days(year: number): number {
    (BoundedIterator.#opening ?? this.#work)?.spend("steps", stepsAYear);
    return super.expand_year_days(year);
  }
}

function isCancelled(event: ICAL.Event): boolean {
  return String(event.component.getFirstPropertyValue("status") ?? "").toUpperCase() === "CANCELLED";
}

function dayNumber({ year, month, day }: ICAL.Time): Day {
  return Math.floor(Date.UTC(year, month - 1, day) / 86_400_000);
}
