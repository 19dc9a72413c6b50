// Schedules in plain English: `every 5 minutes`, `weekdays 07:00`, `22:00, on the last day of the month`. Pure.
import cronstrue from "cronstrue";
import type { Pattern, Schedule } from "../../model/batch.ts";

/** Returns all patterns of a schedule in words, one after the other. */
export function scheduleWords({ patterns }: Pick<Schedule, "patterns">): string {
  return patterns.map(patternWords).join("; ");
}

/** Returns a pattern in words; as it is written where it cannot be told in words, or not for certain. */
export function patternWords({ kind, text }: Pick<Pattern, "kind" | "text">): string {
  if (kind === "once") return `once, ${text.replace("T", " ")}`;
  const fields = text.trim().split(/\s+/);
  // A bare L among the weekdays is read in different ways by different programs.
  if (fields.length > 1 && /(^|,)L$/i.test(fields.at(-1) ?? "")) return text;
  try {
    return shorten(
      cronstrue.toString(text, { use24HourTimeFormat: true, verbose: false, dayOfWeekStartIndexZero: true }),
    );
  } catch {
    return text; // cronstrue throws a string for what it does not know
  }
}

const days = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day";

/** The most frequent phrases as people say them. */
function shorten(words: string): string {
  const time = "\\d\\d:\\d\\d(?::\\d\\d)?";
  const rules: readonly (readonly [RegExp, string])[] = [
    [new RegExp(`^At (${time})$`), "daily $1"],
    [new RegExp(`^At (${time}), Monday through Friday$`), "weekdays $1"],
    [new RegExp(`^At (${time}), only on (${days})$`), "$2s $1"],
    [new RegExp(`^At (${time}), only on (${days}) and (${days})$`), "$2s and $3s $1"],
    [/^At 0 minutes past the hour$/, "every hour"],
    [/^At (\d) minutes? past the hour$/, "hourly at :0$1"],
    [/^At (\d\d) minutes past the hour$/, "hourly at :$1"],
    [/^At (.*)$/, "$1"],
  ];
  for (const [pattern, replacement] of rules) if (pattern.test(words)) return words.replace(pattern, replacement);
  return words.charAt(0).toLowerCase() + words.slice(1);
}
