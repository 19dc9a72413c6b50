// Due times of a schedule. Patterns are matched on the wall clock and mapped to instants here, so that a change of
// clocks means what docs/batch-yaml.md says: in a gap once, at its end; in a repeated hour once, or twice if it
// repeats.
import type { Pattern, Schedule } from "../model/batch.ts";
import type { DayRule } from "../model/calendar.ts";
import type { EpochMs } from "../model/ids.ts";
import { dayOf, nextAllowedWall, shiftedDay } from "./calendar.ts";
import { nextWall } from "./pattern.ts";
import { instantOf, spanAt, type Span } from "./zone.ts";

export { bothDays, parsePattern } from "./pattern.ts";

const hourMs = 3_600_000;
/** Due times counted one by one; a gap with more of them is told with this count. */
const countLimit = 100_000;
const cachedAnswers = 20_000;
const answers = new Map<string, { after: EpochMs; next: EpochMs | null }>();

export function createSchedule(
  patterns: readonly Pattern[],
  timeZone: string,
  jitterMs: number,
  days: DayRule | null = null,
): Schedule {
  const rule = days === null ? "" : ` ${days.key}`;
  const key = `${timeZone} ${patterns.map((pattern) => pattern.text).join(" | ")}${rule}`;
  return { patterns, timeZone, jitterMs, days, key };
}

/** First due time strictly after `after`, without jitter; null when there is none. */
export function nextDue(schedule: Schedule, after: EpochMs): EpochMs | null {
  let first: EpochMs | null = null;
  for (const pattern of schedule.patterns) {
    const due = nextOf(pattern, schedule, after);
    if (due !== null && (first === null || due < first)) first = due;
  }
  return first;
}

/** The first `count` starts that are to come, jitter included, of due times after `coveredUntil`. */
export function comingStarts(schedule: Schedule, coveredUntil: EpochMs, count: number, now: EpochMs): EpochMs[] {
  const starts: EpochMs[] = [];
  let due: EpochMs | null = Math.max(coveredUntil, now - schedule.jitterMs);
  while (starts.length < count && (due = nextDue(schedule, due)) !== null) starts.push(due + schedule.jitterMs);
  return starts;
}

/**
 * The due times in (after, upTo]: first, last, the one before that if it is among them, and how many; null when there
 * is none. `count` stops at 100,000 (over a day of seconds), so that this stays short however long the gap; `last` is
 * exact all the same.
 */
export function dueBetween(
  schedule: Schedule,
  after: EpochMs,
  upTo: EpochMs,
): { first: EpochMs; before: EpochMs | null; last: EpochMs; count: number } | null {
  const first = nextDue(schedule, after);
  if (first === null || first > upTo) return null;
  let before: EpochMs | null = null;
  let last = first;
  for (let count = 1; count < countLimit; count++) {
    const next = nextDue(schedule, last);
    if (next === null || next > upTo) return { first, before, last, count };
    before = last;
    last = next;
  }
  last = lastUpTo(schedule, last, upTo);
  return { first, before: lastUpTo(schedule, first, last - 1), last, count: countLimit };
}

/**
 * The last due time up to `upTo`, by halving what lies between it and one that is known: some 40 looks, however long
 * the gap.
 */
function lastUpTo(schedule: Schedule, known: EpochMs, upTo: EpochMs): EpochMs {
  let [low, high] = [known, upTo];
  while (low < high) {
    const next = nextDue(schedule, Math.floor((low + high) / 2));
    if (next !== null && next <= upTo) low = next;
    else high = Math.floor((low + high) / 2);
  }
  return low;
}

/** The share of `jitterMs` by which a batch's starts are put off: drawn from its name (FNV-1a), the same for ever. */
export function jitterOffset(name: string, jitterMs: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) {
    hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  }
  // Names that differ in their last letter only would else lie close together.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  hash = (hash ^ (hash >>> 16)) >>> 0;
  return Math.floor((hash / 2 ** 32) * jitterMs);
}

export interface ClockChange {
  at: EpochMs;
  kind: "forward" | "back";
  /** A sentence for people. */
  text: string;
}

/** The coming changes of clocks, within about 400 days, that touch one of the schedule's patterns; at most `count`. */
export function clockChanges(schedule: Schedule, from: EpochMs, count = 2): ClockChange[] {
  const changes: ClockChange[] = [];
  const { timeZone } = schedule;
  for (
    let at = spanAt(timeZone, from).end;
    at < from + 400 * 24 * hourMs && changes.length < count;
    at = spanAt(timeZone, at).end
  ) {
    const span = spanAt(timeZone, at);
    const pattern = schedule.patterns.find((candidate) => touches(candidate, schedule.days, span));
    if (span.before !== span.offset && pattern !== undefined) changes.push(describe(pattern, span, timeZone));
  }
  return changes;
}

function touches(pattern: Pattern, days: DayRule | null, { start, before, offset }: Span): boolean {
  const [low, high] = [start + Math.min(before, offset), start + Math.max(before, offset)];
  if (pattern.kind === "once") return !pattern.exact && pattern.wallMs >= low && pattern.wallMs < high;
  const wall = wallUnder(pattern.text, days, low);
  return wall !== null && wall < high;
}

function describe(pattern: Pattern, { start, before, offset }: Span, timeZone: string): ClockChange {
  const dayAt = (ms: EpochMs) => new Date(ms).toISOString().slice(0, 10);
  const day = dayAt(start + before);
  // A zone that changes sides of the date line loses a day, and clocks that go back at midnight are a day earlier.
  const withDay = day !== dayAt(start + offset);
  const wall = (ms: EpochMs) => `${withDay ? `${dayAt(ms)} ` : ""}${new Date(ms).toISOString().slice(11, 16)}`;
  const [old, now] = [wall(start + before), wall(start + offset)];
  const kind = offset > before ? "forward" : "back";
  const means =
    kind === "forward"
      ? `what "${pattern.text}" has due between comes once, at ${now}`
      : pattern.kind === "cron" && pattern.repeats
        ? `"${pattern.text}" comes in both of the repeated hours`
        : `"${pattern.text}" comes once, at the first of the two`;
  return { at: start, kind, text: `${day}: clocks in ${timeZone} go ${kind} from ${old} to ${now}; ${means}` };
}

function nextOf(pattern: Pattern, { timeZone: zone, days }: Schedule, after: EpochMs): EpochMs | null {
  if (pattern.kind === "once") {
    const at = onceAt(pattern, zone, days);
    return at !== null && at > after ? at : null;
  }
  // Thousands of batches share a pattern and ask at the same moment.
  const key = `${zone} ${pattern.text}${days === null ? "" : ` ${days.key}`}`;
  const known = answers.get(key);
  if (known !== undefined && known.after <= after && (known.next === null || after < known.next)) return known.next;
  const next = computeNext(pattern.text, pattern.repeats, zone, days, after);
  if (answers.size >= cachedAnswers) answers.clear();
  answers.set(key, { after, next });
  return next;
}

/** The instant of a single start; null where the rule for days drops it. */
function onceAt(pattern: Pattern & { kind: "once" }, zone: string, days: DayRule | null): EpochMs | null {
  const at = pattern.exact ? pattern.wallMs : instantOf(zone, pattern.wallMs);
  if (days === null) return at;
  const wall = pattern.exact ? at + spanAt(zone, at).offset : pattern.wallMs;
  const day = shiftedDay(days, dayOf(wall));
  if (day === null) return null;
  return day === dayOf(wall) ? at : instantOf(zone, wall + (day - dayOf(wall)) * 24 * hourMs);
}

/** First wall-clock time at or after `from` of a pattern under a rule for days. */
function wallUnder(text: string, days: DayRule | null, from: EpochMs): EpochMs | null {
  return days === null ? nextWall(text, from) : nextAllowedWall(text, days, from);
}

function computeNext(
  text: string,
  repeats: boolean,
  zone: string,
  days: DayRule | null,
  after: EpochMs,
): EpochMs | null {
  let at = after + 1;
  for (;;) {
    const span = spanAt(zone, at);
    const { start, end, offset, before } = span;
    // Clocks went forward here: what was due in the gap is due now.
    if (at === start && offset > before) {
      const inGap = wallUnder(text, days, start + before);
      if (inGap !== null && inGap < start + offset) return start;
    }
    // Clocks went back here: what does not repeat was due the first time.
    const first = !repeats && before > offset ? start + before : -Infinity;
    const wall = wallUnder(text, days, Math.max(at + offset, first));
    if (wall === null) return null;
    if (wall - offset < end) return wall - offset;
    at = end; // span by span: where clocks went back, earlier walls come again
  }
}
