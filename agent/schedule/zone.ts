// Time zones as spans of constant offset, found with Intl and kept. Knows nothing of patterns.
import { remember } from "../async/bounded-cache.ts";
import type { EpochMs } from "../model/ids.ts";

/** A stretch of time with one offset: wall clock = instant + `offset`, for `start` <= instant < `end`. All in ms. */
export interface Span {
  start: EpochMs;
  end: EpochMs;
  offset: number;
  /** The offset just before `start`; equal to `offset` where the span begins without a change of clocks. */
  before: number;
}

interface Zone {
  format: Intl.DateTimeFormat;
  /** Changes of offset, by the number of the stretch of time they are in. */
  changes: Map<number, readonly Change[]>;
  latest: Span | null;
}
interface Change {
  at: EpochMs;
  before: number;
  offset: number;
}

const dayMs = 86_400_000;
/** Changes are looked for and kept a stretch (about a year) at a time. */
const stretchMs = 366 * dayMs;
const zonesKept = 700;
const stretchesKept = 300;
const zones = new Map<string, Zone>();

/**
 * Names that ICU keeps from the days of Java 1.0 and System V, and the IANA database does not know. They are not
 * what people mean:
 * BST would be Bangladesh, IST Calcutta for an Israeli, ECT Paris, AST Alaska.
 */
const icuOnly = new Set(
  "ACT AET AGT ART AST BET BST CAT CNT CST CTT EAT ECT IET IST JST MIT NET NST PLT PNT PRT PST SST VST".split(" "),
);

function isIcuOnly(name: string): boolean {
  const upper = name.toUpperCase();
  return icuOnly.has(upper) || /^SYSTEMV\/|^US\/PACIFIC-NEW$|^CANADA\/EAST-SASKATCHEWAN$/.test(upper);
}

function openZone(name: string): Zone {
  // Newer engines take "+05:30" too; a zone here is a place or a named clock.
  if (!/^[a-z]/i.test(name) || isIcuOnly(name)) throw new RangeError(`Invalid time zone specified: ${name}`);
  return {
    format: new Intl.DateTimeFormat("en-US", { timeZone: name, timeZoneName: "longOffset" }),
    changes: new Map(),
    latest: null,
  };
}

/**
 * Returns whether `name` is a zone or link of the IANA database that Node knows. Upper and lower case do not matter;
 * offsets such as `+05:30` are none, nor are names that only ICU knows.
 */
export function isTimeZone(name: string): boolean {
  try {
    remember(zones, name, zonesKept, openZone);
    return true;
  } catch {
    return false;
  }
}

function readOffset(zone: Zone, t: EpochMs): number {
  const text = zone.format.format(t);
  const found = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(text);
  if (found === null) throw new RangeError(`no offset in "${text}"`);
  const [, sign, hours, minutes, seconds] = found;
  const ms = (Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + Number(seconds ?? 0)) * 1000;
  return sign === "-" ? -ms : ms;
}

/** Offset in ms at one instant, east positive. Throws RangeError for a zone that is not known. */
export function offsetIn(zoneName: string, t: EpochMs): number {
  return readOffset(remember(zones, zoneName, zonesKept, openZone), t);
}

/**
 * The changes of one stretch, a change at its very first ms included: a look at each day, then halving down to the
 * ms.
 */
function findChanges(zone: Zone, stretch: number): readonly Change[] {
  const known = zone.changes.get(stretch);
  if (known !== undefined) return known;
  const changes: Change[] = [];
  const last = (stretch + 1) * stretchMs - 1;
  let at = stretch * stretchMs - 1;
  let before = readOffset(zone, at);
  while (at < last) {
    const next = Math.min(at + dayMs, last);
    const offset = readOffset(zone, next);
    if (offset !== before) {
      let low = at;
      let high = next;
      while (high - low > 1) {
        const middle = Math.floor((low + high) / 2);
        if (readOffset(zone, middle) === before) low = middle;
        else high = middle;
      }
      changes.push({ at: high, before, offset: readOffset(zone, high) });
      // The rest of the day is looked at again, in case there is one more.
      at = high;
      before = readOffset(zone, high);
    } else at = next;
  }
  if (zone.changes.size >= stretchesKept) zone.changes.clear();
  zone.changes.set(stretch, changes);
  return changes;
}

/**
 * The span that holds instant `t`. It begins and ends at a change of clocks, or, where the nearest change is far away,
 * at least a year from `t`. Throws RangeError for a zone that is not known.
 */
export function spanAt(zoneName: string, t: EpochMs): Span {
  const zone = remember(zones, zoneName, zonesKept, openZone);
  if (zone.latest !== null && zone.latest.start <= t && t < zone.latest.end) return zone.latest;
  const stretch = Math.floor(t / stretchMs);
  const here = findChanges(zone, stretch);
  const past = here.findLast((change) => change.at <= t) ?? findChanges(zone, stretch - 1).at(-1);
  const coming = here.find((change) => change.at > t) ?? findChanges(zone, stretch + 1)[0];
  const offset = past?.offset ?? readOffset(zone, t);
  zone.latest = {
    start: past?.at ?? (stretch - 1) * stretchMs,
    end: coming?.at ?? (stretch + 2) * stretchMs,
    offset,
    before: past?.before ?? offset,
  };
  return zone.latest;
}

/**
 * The first instant at which the clocks of a zone show `wallMs` (a wall-clock time read as if it were UTC); in a gap,
 * the first instant after it.
 */
export function instantOf(zoneName: string, wallMs: number): EpochMs {
  // No zone is further than 26 hours from UTC, so this span surely begins before.
  let span = spanAt(zoneName, wallMs - 2 * dayMs);
  while (wallMs - span.offset >= span.end) span = spanAt(zoneName, span.end);
  return Math.max(wallMs - span.offset, span.start);
}
