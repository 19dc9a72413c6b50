// Points in time as people and programs write them. UTC where no zone is named, on every machine the same.
import type { EpochMs } from "../model/ids.ts";
import { parseDuration } from "./duration.ts";

const dateTime = /^(\d{4}-\d\d-\d\d)(T\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?(Z|[+-]\d\d:\d\d)?$/;

/** An ISO 8601 date or date-time; null for anything else, 30 February too. */
export function parseInstant(text: string): EpochMs | null {
  const match = dateTime.exec(text);
  if (match === null) return null;
  const [, day = "", time = "T00:00", zone = "Z"] = match;
  const ms = Date.parse(day + time + zone);
  // Date.parse takes 30 February for 2 March.
  const onDay = Number.isNaN(ms) ? "" : new Date(Date.parse(day)).toISOString().slice(0, 10);
  return onDay === day ? ms : null;
}

/** The same, or how long ago, such as `24h`. */
export function parsePast(text: string, now: EpochMs): EpochMs | null {
  const ago = parseDuration(text);
  return ago === null ? parseInstant(text) : now - ago;
}
