// The five time fields of a crontab line → a pattern that means the same here, or why there is none. Knows no other
// part of the line.
import { parsePattern } from "../../schedule/pattern.ts";

export type Translated = { cron: string; notes: string[] } | { fault: string };

interface Field {
  name: string;
  low: number;
  high: number;
  names: readonly string[];
}

const months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const fields: readonly Field[] = [
  { name: "minute", low: 0, high: 59, names: [] },
  { name: "hour", low: 0, high: 23, names: [] },
  { name: "day of the month", low: 1, high: 31, names: [] },
  { name: "month", low: 1, high: 12, names: months },
  { name: "day of the week", low: 0, high: 7, names: days },
];
/** Written in words there; FreeBSD's own two have no word here. */
const nicknames: Record<string, string> = { "@every_minute": "* * * * *", "@every_second": "* * * * * *" };
const known = /^@(yearly|annually|monthly|weekly|daily|midnight|hourly)$/;

/** A word such as `@daily`. */
export function translateNickname(word: string): Translated {
  const lower = word.toLowerCase();
  if (known.test(lower)) return { cron: lower, notes: [] };
  const pattern = nicknames[lower];
  if (pattern !== undefined) return { cron: pattern, notes: [] };
  if (lower === "@reboot")
    return {
      fault:
        "@reboot is not supported: a batch starts by the clock or after another one; start it from the " +
        "system's own start-up",
    };
  if (/^@\d+$/.test(word))
    return { fault: `${word}: so many seconds after the last end is not supported; write times, such as */10 * * * *` };
  if (lower === "@every")
    return { fault: "@every is not supported: it counts from cron's own start; write times, such as */10 * * * *" };
  return { fault: `${word} is not supported` };
}

/** Five fields as cron reads them: Vixie's rules, and what other crons allow where it is clear what it means. */
export function translateFields(texts: readonly string[]): Translated {
  const notes: string[] = [];
  const read = texts.map((text, index) => readField(text, fields[index] as Field, notes));
  const fault = read.find((one) => "fault" in one);
  // L, W and # are other crons' and mean the same here.
  if (fault !== undefined)
    return texts.some((text) => /[LW#?]/.test(text))
      ? judged(texts.join(" "), notes, fault.fault)
      : { fault: fault.fault };
  const [minute, hour, day, month, weekday] = read as [ReadField, ReadField, ReadField, ReadField, ReadField];
  const times = `${minute.text} ${hour.text}`;
  // A field that begins with * restricts together with the other one, any other field instead of it.
  const together = day.star || weekday.star;
  if (day.all && weekday.all) return judged(`${times} * ${month.text} *`, notes);
  if (!together && (day.all || weekday.all)) return judged(`${times} * ${month.text} *`, notes);
  if (day.all) return judged(`${times} * ${month.text} ${weekday.text}`, notes);
  if (weekday.all) return judged(`${times} ${day.text} ${month.text} *`, notes);
  return judged(`${times} ${day.text} ${month.text} ${together ? "+" : ""}${weekday.text}`, notes);
}

function judged(cron: string, notes: string[], otherwise?: string): Translated {
  const parsed = parsePattern(cron);
  return "pattern" in parsed ? { cron, notes } : { fault: otherwise ?? parsed.message };
}

interface ReadField {
  text: string;
  /** Begins with `*`. */
  star: boolean;
  /** Names every value there is. */
  all: boolean;
}

function readField(text: string, field: Field, notes: string[]): ReadField | { fault: string } {
  const values = new Set<number>();
  let plain = true;
  for (const part of text.split(",")) {
    const match = /^(?:(\*)|(\w+)(?:-(\w+))?)(?:\/(\d+))?$/.exec(part);
    if (match === null)
      return {
        fault: /~/.test(part)
          ? `${part}: a random value is not supported; write a fixed one and use jitter`
          : `"${text}" is not a valid ${field.name}`,
      };
    const [, star, first, last, step] = match;
    const every = step === undefined ? 1 : Number(step);
    const from = star === undefined ? valueOf(first ?? "", field) : field.low;
    const to =
      star !== undefined
        ? highOf(field)
        : last !== undefined
          ? valueOf(last, field)
          : step === undefined
            ? from
            : highOf(field);
    if (from === null || to === null) return { fault: `"${text}" is not a valid ${field.name}` };
    if (every < 1) return { fault: `${part}: a step must be at least 1` };
    if (star === undefined && last === undefined && step !== undefined) {
      notes.push(`${part} is taken as ${from}-${to}/${every}, as some crons do; others refuse it`);
      plain = false;
    }
    const size = highOf(field) - field.low + 1;
    const end = to < from ? to + size : to;
    if (to < from) notes.push(`${part} is taken as a range over the end, as some crons do; others refuse it`);
    for (let value = from; value <= end; value += every) values.add(value > field.high ? value - size : value);
    if (to < from || every > size || (field.names === days && /7/.test(part))) plain = false;
  }
  const shown = new Set([...values].map((value) => (field.names === days ? value % 7 : value)));
  const all = shown.size === highOf(field) - field.low + 1;
  const list = [...shown].sort((a, b) => a - b).join(",");
  return {
    text: all && plain && /^\*/.test(text) ? "*" : plain ? text : all ? `${field.low}-${highOf(field)}` : list,
    star: text.startsWith("*"),
    all,
  };
}

/** 7 is a second name of Sunday, not a day of its own. */
function highOf(field: Field): number {
  return field.names === days ? 6 : field.high;
}

function valueOf(word: string, { low, high, names }: Field): number | null {
  const name = names.indexOf(word.toLowerCase().slice(0, 3));
  if (name !== -1 && /^[a-z]{3,}$/i.test(word)) return name + low;
  const value = /^\d{1,4}$/.test(word) ? Number(word) : NaN;
  return value >= low && value <= high ? value : null;
}
