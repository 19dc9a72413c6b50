// Describes what `cron` may hold, from text to Pattern, and croner as the judge of it. Says what is wrong in words
// people can act on.
import { messageOf } from "../errors.ts";
import { CronDate, CronPattern } from "croner";
import type { Pattern } from "../model/batch.ts";
import type { EpochMs } from "../model/ids.ts";

export interface PatternFault {
  code: "bad-cron" | "never-due";
  message: string;
  hint: string | null;
}

const cachedPatterns = 5_000;
const crons = new Map<string, CronPattern>();
/** A list of 10,000 years is most of what a CronPattern weighs; without a year field it is the same for all. */
const everyYear = new CronPattern("* * * * *").year;
const nicknames: Record<string, string> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};

/** Reads one entry of `cron`. */
export function parsePattern(text: string): { pattern: Pattern } | PatternFault {
  const trimmed = text.trim();
  if (/^\d{4}-\d/.test(trimmed)) return parseDateTime(trimmed);
  const fields = fieldsOf(trimmed);
  const early = earlyFault(trimmed, fields);
  if (early !== null) return early;
  try {
    if (nextWall(trimmed, 0) === null) {
      const hint = "the days and months it names never meet, such as 31 February";
      return { code: "never-due", message: `"${trimmed}" is never due`, hint };
    }
  } catch (error) {
    return { code: "bad-cron", ...reword(trimmed, messageOf(error)) };
  }
  const [minute, hour] = (fields.length === 6 ? fields.slice(1) : fields) as [string, string];
  return { pattern: { kind: "cron", text: trimmed, repeats: !/^\d+$/.test(minute) || /[*?]/.test(hour) } };
}

/**
 * First wall-clock time at or after `from` that a cron pattern names. Both are wall-clock times read as if they were
 * UTC, so no clock change bothers croner, which has its own ideas about them.
 */
export function nextWall(text: string, from: EpochMs): EpochMs | null {
  return (
    new CronDate(new Date(Math.ceil(from / 1000) * 1000 - 1), 0).increment(cronOf(text), {}, false)?.getTime() ?? null
  );
}

/** Returns whether both day-of-month and day-of-week are restricted, so that either of them is enough. */
export function bothDays(text: string): boolean {
  const fields = fieldsOf(text.trim());
  const [day, weekday] = [fields.at(-3) ?? "*", fields.at(-1) ?? "*"];
  return fields.length >= 5 && !/^[*?]$/.test(day) && !/^(?:[*?]$|\+)/.test(weekday);
}

function fieldsOf(text: string): string[] {
  return (nicknames[text.toLowerCase()] ?? text).split(/\s+/).filter((field) => field !== "");
}

/** One CronPattern for each distinct text, some 2 KB; a Cron object would be 80 KB and no faster. */
function cronOf(text: string): CronPattern {
  let cron = crons.get(text);
  if (cron === undefined) {
    cron = new CronPattern(fieldsOf(text).join(" "));
    cron.year = everyYear;
    if (crons.size >= cachedPatterns) crons.clear();
    crons.set(text, cron);
  }
  return cron;
}

function earlyFault(text: string, fields: readonly string[]): PatternFault | null {
  const fault = (message: string, hint: string | null): PatternFault => ({ code: "bad-cron", message, hint });
  if (text === "") return fault("the pattern is empty", 'write one such as "30 2 * * *"');
  if (/^@reboot/i.test(text))
    return fault(
      "@reboot is not supported: a batch starts by the clock or after another one",
      "give it a cron pattern, or start it from the system's own start-up",
    );
  if (/^@every/i.test(text))
    return fault(
      `"${text}" is not supported`,
      'write the interval as steps: "*/5 * * * *" is every five minutes, "*/10 * * * * *" every ten seconds',
    );
  if (text.startsWith("@") && fields.length === 1 && fields[0] === text)
    return fault(`there is no nickname ${text}`, `there are ${Object.keys(nicknames).join(" ")}`);
  if (fields.length === 7)
    return fault(
      "a pattern of 7 fields (with a year) is not supported",
      'leave the year out, or write a single start as "2026-12-24T18:00:00"',
    );
  if (fields.length < 5 || fields.length > 7) {
    return fault(
      `"${text}" has ${fields.length} field${fields.length === 1 ? "" : "s"}`,
      "a pattern has 5 fields: minute hour day-of-month month day-of-week; or 6, with seconds first",
    );
  }
  const hashed = fields.find((field) => /^H\b/.test(field));
  if (hashed !== undefined)
    return fault(`${hashed}: H is not supported`, "write a fixed value and use jitter to spread starts");
  return null;
}

function reword(text: string, word: string): { message: string; hint: string | null } {
  const said = word.replace(/^CronPattern: /, "");
  const stepped = /'(\d+)\/(\d+)'/.exec(said);
  if (stepped !== null)
    return {
      message: said,
      hint:
        `"from ${stepped[1]} on, every ${stepped[2]}" is written ${stepped[1]}-59/${stepped[2]} (minutes) or ` +
        `${stepped[1]}-23/${stepped[2]} (hours)`,
    };
  const turned = text.split(/\s+/).find((field) => /^([A-Z]{3}|\d+)-([A-Z]{3}|\d+)$/i.test(field));
  if (said.startsWith("From value is larger") && turned !== undefined) {
    return {
      message: `${turned}: the first value of a range must not be larger than the last`,
      hint: `split it in two with a comma, as in FRI-SAT,SUN-MON or 22-23,0-5`,
    };
  }
  const range = /^Invalid value for (\w+): (-?\d+)$/.exec(said);
  if (range !== null) {
    // croner counts days and months from 0 and says so.
    const [, unit = "", value] = range;
    const shown = unit === "day" || unit === "month" ? Number(value) + 1 : Number(value);
    return {
      message: `${shown} is not a valid ${unit === "dayOfWeek" ? "day of the week" : unit}`,
      hint: limits[unit] ?? null,
    };
  }
  const illegal = /^configuration entry (\d+) \((.*)\) contains illegal characters/.exec(said);
  if (illegal !== null)
    return {
      message: `"${illegal[2]}" (field ${illegal[1]}) is not something a pattern can hold`,
      hint: "fields hold numbers, names such as MON or JAN, and * , - / ? L W #",
    };
  return {
    message: said.replace(/\.$/, ""),
    hint: "see docs/batch-yaml.md for what a pattern can hold",
  };
}

const limits: Record<string, string> = {
  second: "seconds go from 0 to 59",
  minute: "minutes go from 0 to 59",
  hour: "hours go from 0 to 23",
  day: "days go from 1 to 31",
  month: "months go from 1 to 12",
  dayOfWeek: "days of the week go from 0 (Sunday) to 6, 7 is Sunday too, or MON to SUN",
};

function parseDateTime(text: string): { pattern: Pattern } | PatternFault {
  const fault = (message: string, hint: string): PatternFault => ({ code: "bad-cron", message, hint });
  if (/^\d{4}-\d\d-\d\d$/.test(text)) return fault(`"${text}" names a day without a time`, `write ${text}T00:00:00`);
  const match = /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,3})\d*)?)?(Z|[+-]\d\d:?\d\d)?$/i.exec(
    text,
  );
  if (match === null)
    return fault(
      `"${text}" is not an ISO 8601 date-time`,
      "write it as 2026-12-24T18:00:00, in timeZone, or with Z or +01:00 at its end",
    );
  const [year, month, day, hour, minute, second] = match
    .slice(1, 7)
    .map((part: string | undefined) => Number(part ?? 0)) as [number, number, number, number, number, number];
  if (hour > 23 || minute > 59 || second > 59)
    return fault(`there is no time ${text.slice(11, 19)}`, "hours go to 23, minutes and seconds to 59");
  const wallMs = Date.UTC(year, month - 1, day, hour, minute, second, Number((match[7] ?? "0").padEnd(3, "0")));
  const back = new Date(wallMs);
  if (back.getUTCMonth() !== month - 1 || back.getUTCDate() !== day)
    return fault(`there is no day ${text.slice(0, 10)}`, "check the month and the day");
  const zone = match[8];
  if (zone === undefined) return { pattern: { kind: "once", text, wallMs, exact: false } };
  const offset = /([+-])(\d\d):?(\d\d)/.exec(zone);
  const minutes = offset === null ? 0 : (Number(offset[2]) * 60 + Number(offset[3])) * (offset[1] === "-" ? -1 : 1);
  return { pattern: { kind: "once", text, wallMs: wallMs - minutes * 60_000, exact: true } };
}
