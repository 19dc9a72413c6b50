// A `_group.yaml` as it was read → a group ready to use, or everything that is wrong with it, with line and column.
import type { Calendar } from "../model/calendar.ts";
import { groupFileName, type Group, type GroupDefaults, type GroupFile } from "../model/group.ts";
import { compareProblems, type Place, type Problem } from "../model/problem.ts";
import { parseCalendar, type CalendarFile } from "../schedule/calendar.ts";
import { checkMeaning } from "./meaning.ts";
import { checkDefaults, checkGroup, pathText, type SettingFault } from "./settings.ts";
import { decodeText, type Fault } from "./text-file.ts";
import { readYaml, type Path, type YamlFile } from "./yaml.ts";

const maxGroupBytes = 256 * 1024;
const maxProblems = 50;

/** Days of the iCalendar files that `icsNamesOf` asks for, by file name, or why there are none. */
export type IcsFiles = ReadonlyMap<string, { days: readonly number[] } | { fault: string }>;

/** Name that problems of a group's file carry as their `batch`: `billing/_group.yaml`. */
export function groupProblemName(name: string): string {
  return name === "" ? groupFileName : `${name}/${groupFileName}`;
}

/** Judges a `_group.yaml`. Never throws, whatever the bytes. */
export function parseGroup(
  file: GroupFile,
  options: { timeZone: string; ics: IcsFiles },
): { group: Group | null; problems: Problem[] } {
  const { faults, group } = validateGroup(file, options);
  const problems = faults
    .map(({ code, message, hint, path, place }): Problem => ({
      batch: groupProblemName(file.name),
      file: file.location,
      line: place?.line ?? null,
      column: place?.column ?? null,
      path: path.length === 0 ? null : pathText(path),
      code,
      message,
      hint,
    }))
    .sort(compareProblems)
    .slice(0, maxProblems);
  return { group: problems.length === 0 ? group : null, problems };
}

function validateGroup(
  file: GroupFile,
  options: { timeZone: string; ics: IcsFiles },
): { faults: Fault[]; group: Group | null } {
  const invalid = (...faults: Fault[]) => ({ faults, group: null });
  const plain = (code: Fault["code"], message: string, hint: string) =>
    invalid({ code, path: [], place: null, message, hint });
  if (file.size > maxGroupBytes)
    return plain(
      "too-large",
      `${groupFileName} has ${file.size} bytes, more than ${maxGroupBytes}`,
      "keep only settings in it",
    );
  const decoded = decodeText(groupFileName, file.bytes, file.size);
  if ("fault" in decoded) {
    const isEmpty = decoded.fault.code === "empty-file";
    return invalid({ ...decoded.fault, ...(isEmpty ? { hint: "write it, or take the file out" } : {}) });
  }
  const yaml = readYaml(decoded.text.replace(/^\uFEFF/, ""));
  const faults = [...yaml.faults];
  const { data } = yaml;
  if (data === undefined) return invalid(...faults);
  const empty: Group = { name: file.name, description: null, defaults: {}, pools: {}, calendars: new Map() };
  if (data === null) return { faults, group: empty }; // comments only: a group that says nothing yet
  if (!isMap(data))
    return invalid(...faults, {
      code: "schema",
      path: [],
      place: yaml.place([], "value"),
      message: `${groupFileName} must hold keys with values`,
      hint: "write key: value, with a space after the colon, such as defaults: and pools:",
    });

  const withPlace = ({ of, ...fault }: SettingFault): Fault => ({ ...fault, place: yaml.place(fault.path, of) });
  const defaults = isMap(data.defaults) ? data.defaults : {};
  const unfit = [...checkGroup(data, yaml.written), ...checkDefaults(defaults, yaml.written).map(notInherited)];
  faults.push(...unfit.map(withPlace));
  if (faults.length > 0) return invalid(...faults);
  const shaped = data as { description?: string; pools?: Record<string, number>; calendars?: unknown };
  faults.push(...checkMeaning(defaults, yaml, options.timeZone, ["defaults"]).faults);
  const calendars = readCalendars((shaped.calendars ?? {}) as Record<string, CalendarFile>, yaml, options, faults);
  const group = {
    ...empty,
    description: shaped.description ?? null,
    defaults: defaults as GroupDefaults,
    pools: shaped.pools ?? {},
    calendars,
    written: { file: file.location, places: placesOf(defaults, yaml) },
  };
  return { faults, group };
}

/** Defaults that may be valid in themselves and wrong for a batch that inherits them. */
const blamable = ["skipOn", "onlyOn", "pool", "kubernetes"];

/** Places of those defaults and of all within them, by their paths. */
function placesOf(defaults: Readonly<Record<string, unknown>>, yaml: YamlFile): Record<string, Place> {
  const places: Record<string, Place> = {};
  const open: [Path, unknown][] = blamable.flatMap((key) => (key in defaults ? [[[key], defaults[key]]] : []));
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [path, value] = next;
    places[pathText(path)] = yaml.place(["defaults", ...path], "value");
    if (typeof value !== "object" || value === null) continue;
    for (const [key, inner] of Object.entries(value)) open.push([[...path, key], inner]);
  }
  return places;
}

const ownOfBatch = new Set(["description", "cron", "after", "onFailure", "params"]);

/** A key that each batch sets for itself is not unknown: the words say why it cannot be a default. */
function notInherited(fault: SettingFault): SettingFault {
  const key = String(fault.path[1]);
  if (fault.code !== "unknown-key" || fault.path.length !== 2 || !ownOfBatch.has(key)) return fault;
  return { ...fault, message: `${key} cannot be a default`, hint: "each batch has its own: set it in batch.yaml" };
}

function readCalendars(
  declared: Readonly<Record<string, CalendarFile>>,
  yaml: YamlFile,
  { ics }: { ics: IcsFiles },
  faults: Fault[],
): Map<string, Calendar> {
  const calendars = new Map<string, Calendar>();
  const report = (path: Path, message: string, hint: string | null) =>
    faults.push({ code: "bad-calendar", path, place: yaml.place(path, "value"), message, hint });
  for (const [name, written] of Object.entries(declared)) {
    let icsDays: readonly number[] = [];
    if (written.ics !== undefined) {
      const parsed = ics.get(written.ics) ?? { fault: "there is no such file beside _group.yaml" };
      const hint = "an iCalendar file (RFC 5545) with all-day events, as calendar programs export it";
      if ("fault" in parsed) report(["calendars", name, "ics"], `${written.ics}: ${parsed.fault}`, hint);
      else icsDays = parsed.days;
    }
    const { calendar, faults: wrong } = parseCalendar(name, written, icsDays);
    for (const { path, message, hint } of wrong) report(["calendars", name, ...path], message, hint);
    calendars.set(name, calendar);
  }
  return calendars;
}

/** Returns the defaults that a stored revision inherited, and the keys of its calendars by name, from its text. */
export function readInherited(text: string): { defaults: GroupDefaults; calendars: Record<string, string> } {
  const { data } = readYaml(text);
  if (!isMap(data)) return { defaults: {}, calendars: {} };
  const { calendars, ...defaults } = data;
  const keys = Object.entries(isMap(calendars) ? calendars : {}).map(([name, key]) => [name, String(key)]);
  const isSound = checkDefaults(defaults, () => null).length === 0;
  return { defaults: isSound ? defaults : {}, calendars: Object.fromEntries(keys) as Record<string, string> };
}

/**
 * Names of the iCalendar files that a `_group.yaml` asks for, as far as it can be read: what must be read beside it.
 */
export function icsNamesOf(text: string): string[] {
  // The key is written as it is, or with an escape; parsing takes longer than all else that is done with most files.
  if (!(text.includes("ics") || text.includes("\\")) || text.length > maxGroupBytes) return [];
  const { data } = readYaml(text.replace(/^\uFEFF/, ""));
  const calendars = isMap(data) && isMap(data.calendars) ? Object.values(data.calendars) : [];
  const names = calendars.flatMap((calendar) =>
    isMap(calendar) && typeof calendar.ics === "string" ? calendar.ics : [],
  );
  return [...new Set(names)].filter((name) => name !== "" && !/[/\0]/.test(name) && name !== "." && name !== "..");
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
