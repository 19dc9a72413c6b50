// The calendars and the pool that a batch names and its groups declare, and what else it inherits.
import { stringify } from "yaml";
import { remember } from "../async/bounded-cache.ts";
import type { BatchFile, Pattern } from "../model/batch.ts";
import type { DayRule } from "../model/calendar.ts";
import type { Inheritance } from "../model/group.ts";
import type { EpochMs } from "../model/ids.ts";
import type { Place, ProblemCode } from "../model/problem.ts";
import { createDayRule } from "../schedule/calendar.ts";
import { createSchedule, nextDue } from "../schedule/schedule.ts";
import { entriesOf } from "./meaning.ts";
import { closest } from "./suggest.ts";
import type { Fault } from "./text-file.ts";
import type { Path, YamlFile } from "./yaml.ts";

/**
 * Returns what is inherited as YAML, so that a change of it is shown like that of a file. A calendar stands by the
 * digest of its days.
 */
export function inheritsText(part: Record<string, unknown>, days: DayRule | null): string | null {
  const named = [...(days?.skip ?? []), ...(days?.only ?? [])];
  const calendars = Object.fromEntries(named.map(({ name, key }) => [name, key]));
  if (Object.keys(part).length + named.length === 0) return null;
  const inherited = { ...part, ...(named.length === 0 ? {} : { calendars }) };
  const write = () => ({ text: stringify(inherited, { aliasDuplicateObjects: false }) });
  const key = JSON.stringify(inherited);
  return (key.length > maxKeyChars ? write() : remember(texts, key, maxTexts, write)).text;
}

/** Texts by what they say: the batches of a group inherit the same, and writing YAML takes longer than all else. */
const texts = new Map<string, { text: string }>();
const maxTexts = 1_000;
const maxKeyChars = 4_096;

/** Looks up the calendars and the pool that a batch names. */
export function namedThings(
  file: Partial<BatchFile>,
  yaml: YamlFile,
  { pools, calendars }: Inheritance,
  isInForce: boolean,
): { days: DayRule | null; faults: Fault[] } {
  const faults: Fault[] = [];
  const report = (code: ProblemCode, what: string, name: string, path: Path, known: Iterable<string>) => {
    const near = closest(name, [...known]);
    const message = `there is no ${what} ${JSON.stringify(name)}`;
    const hint =
      near === null
        ? `declare it in a _group.yaml of this batch's groups, below ${what}s`
        : `did you mean \`${near}\`?`;
    faults.push({ code, path, place: yaml.place(path, "value"), message, hint });
  };
  const calendarsOf = (key: "skipOn" | "onlyOn") =>
    entriesOf(file[key], key).flatMap(({ text, path }) => {
      const calendar = calendars.get(text);
      if (calendar === undefined) report("unknown-calendar", "calendar", text, path, calendars.keys());
      return calendar ?? [];
    });
  const days = createDayRule(calendarsOf("skipOn"), calendarsOf("onlyOn"), file.shift ?? "none");
  if (file.pool !== undefined && !isInForce && !pools.has(file.pool))
    report("unknown-pool", "pool", file.pool, ["pool"], pools.keys());
  return { days, faults };
}

const fiveYearsMs = 5 * 366 * 86_400_000;

/** Returns a fault for each pattern that its calendars leave no day in five years. */
export function neverDue(
  patterns: readonly { pattern: Pattern; place: Place }[],
  timeZone: string,
  days: DayRule | null,
  now: EpochMs | undefined,
): Fault[] {
  if (days === null || now === undefined) return [];
  return patterns.flatMap(({ pattern, place }) => {
    if (pattern.kind === "once") return [];
    const next = nextDue(createSchedule([pattern], timeZone, 0, days), now);
    if (next !== null && next <= now + fiveYearsMs) return [];
    const message = `"${pattern.text}" has no due time in the next five years: its calendars leave it no day`;
    return [{ code: "never-due", path: ["cron"], place, message, hint: "look at skipOn, onlyOn and shift" }];
  });
}
