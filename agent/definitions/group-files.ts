// Keeps what is in force of the groups' `_group.yaml` equal to the folder: an edit that breaks one changes nothing
// but its problems.
import { createHash } from "node:crypto";
import pMap from "p-map";
import type { Clock } from "../async/clock.ts";
import { groupProblemName, icsNamesOf, parseGroup, type IcsFiles } from "./group.ts";
import { inheritFrom, lineage } from "./inherit.ts";
import { KeptDeclarations } from "./kept.ts";
import { messageOf } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { Batch } from "../model/batch.ts";
import type { Calendar } from "../model/calendar.ts";
import type { Group, GroupFile, GroupName, Inheritance } from "../model/group.ts";
import type { EpochMs } from "../model/ids.ts";
import type { Problem } from "../model/problem.ts";
import type { GroupSource, GroupStore, StoredGroup } from "../sources/port.ts";

/** How long a file must have been left alone before an agent believes it, in ms. */
export const groupSettleMs = 100;
/** Group files that are read at a time. */
const readAtOnce = 16;

export interface Groups {
  /** Brings back what was in force before a restart. Call once, before the first `refresh`. */
  open: () => Promise<void>;
  /**
   * Reads group files again: those of the named groups, or all with null. Returns the groups that now pass on something
   * else than before. `again`: a file was being written, so it must be looked at again in a moment.
   */
  refresh: (names: ReadonlySet<GroupName> | null) => Promise<{ changed: ReadonlySet<GroupName>; again: boolean }>;
  /** Returns what reaches the batches of a group. */
  inheritance: (name: GroupName) => Inheritance;
  /** Equal as long as `inheritance` is. */
  key: (name: GroupName) => string;
  /**
   * The group file on the way to `name` that never was valid, so that nothing new below it is put in force; null
   * where there is none.
   */
  blockedBy: (name: GroupName) => GroupName | null;
  /** Returns what is in force, by name. */
  inForce: () => ReadonlyMap<GroupName, Group>;
  /** Returns the groups whose file was there when it was last looked for, valid or not. */
  names: () => readonly GroupName[];
  /**
   * Returns the inheritance of a revision that is in force already: today's, with the calendars by the keys it was read
   * with and the pools that are declared no longer.
   * @param calendars key by name
   */
  inheritanceThen: (name: GroupName, calendars: Readonly<Record<string, string>>) => Inheritance;
  /** Forgets calendars and pools that were kept for batches and that none in force uses any longer. */
  retain: (batches: Iterable<Batch>) => Promise<void>;
  /** Returns whether anything is kept. */
  hasKept: () => boolean;
  problems: () => readonly Problem[];
  /** Text of each file as it was last read, by the name that problems give it. */
  sources: () => ReadonlyMap<string, string>;
}

interface Entry {
  group: Group | null;
  /** Digest of what was last judged, valid or not. */
  judged: string | null;
  /** Digest of what is in force. */
  key: string;
  problems: readonly Problem[];
  /** Text as it was last read, valid or not, and the names of the iCalendar files that it asks for. */
  text: string;
  icsNames: readonly string[];
}

export interface GroupsDeps {
  source: GroupSource;
  store: GroupStore;
  clock: Pick<Clock, "now">;
  log: Pick<Logger, "info" | "warn" | "error">;
  timeZone: string;
  /** A file that changed within so many ms is read again later. */
  settleMs: number;
  /** Called when the problems of a group's file are others than before. */
  onProblems: (name: GroupName) => void;
}

export function createGroups({ source, store, clock, log, timeZone, settleMs, onProblems }: GroupsDeps): Groups {
  const entries = new Map<GroupName, Entry>();
  /** Texts that are in force, to be kept over a restart. */
  const contents = new Map<GroupName, StoredGroup>();
  const kept = new KeptDeclarations();
  let inherited = new Map<GroupName, { inheritance: Inheritance; key: string }>();

  async function open(): Promise<void> {
    const stored = await store.read();
    kept.restore(stored.kept);
    for (const [name, content] of stored.groups) {
      const file = {
        name,
        location: source.groupFileLocation(name),
        bytes: new TextEncoder().encode(content.text),
        size: content.text.length,
        changedAt: 0,
      };
      const { group } = parseGroup(file, { timeZone, ics: await daysOf(content.ics) });
      if (group === null) continue;
      const icsNames = Object.keys(content.ics);
      entries.set(name, { group, judged: null, key: digestOf(content), problems: [], text: content.text, icsNames });
      contents.set(name, content);
    }
  }

  async function refresh(names: ReadonlySet<GroupName> | null) {
    const there = new Set(source.groupsWithFile());
    const changed = new Set<GroupName>();
    let again = false;
    const wanted = names === null ? new Set([...there, ...entries.keys()]) : names;
    await pMap(
      [...wanted],
      async (name) => {
        const outcome = there.has(name) ? await checkFile(name) : drop(name);
        if (outcome === "changed") changed.add(name);
        if (outcome === "unsettled") again = true;
      },
      { concurrency: readAtOnce },
    );
    if (changed.size > 0) {
      inherited = new Map();
      await remember();
    }
    return { changed, again };
  }

  async function checkFile(name: GroupName): Promise<"changed" | "same" | "unsettled"> {
    const file = await source.readGroupFile(name);
    if (file === null) return drop(name);
    const entry = entries.get(name) ?? { group: null, judged: null, key: "", problems: [], text: "", icsNames: [] };
    entries.set(name, entry);
    if ("unreadable" in file) {
      entry.judged = null;
      report(name, entry, [unreadable(name, file.unreadable)]);
      return "same";
    }
    const content = await contentOf(file, entry);
    const digest = digestOf(content);
    if (entry.judged === digest) return "same";
    if (isRecent(file.changedAt, clock.now(), settleMs)) return "unsettled";
    entry.judged = digest;
    const { group, problems } = parseGroup(file, { timeZone, ics: await daysOf(content.ics) });
    report(name, entry, problems);
    if (group === null || entry.key === digest) return "same";
    if (entry.group !== null) kept.add(entry.group, group);
    Object.assign(entry, { group, key: digest });
    contents.set(name, content);
    log.info("group in force", { group: name });
    return "changed";
  }

  function drop(name: GroupName): "changed" | "same" {
    const entry = entries.get(name);
    entries.delete(name);
    contents.delete(name);
    if (entry === undefined) return "same";
    if (entry.problems.length > 0) onProblems(name);
    if (entry.group === null) return "same";
    kept.add(entry.group, null);
    return "changed";
  }

  /** Reads what the file names beside itself. Most name nothing, and an unchanged one names the same as before. */
  async function contentOf(file: GroupFile, entry: Entry): Promise<StoredGroup> {
    const text = new TextDecoder().decode(file.bytes);
    if (text !== entry.text) Object.assign(entry, { text, icsNames: icsNamesOf(text) });
    const ics: StoredGroup["ics"] = {};
    for (const name of entry.icsNames) ics[name] = await source.readBeside(file.name, name);
    return { text, ics };
  }

  /** A disk that takes nothing keeps no group from being in force: only a restart would not know it. */
  async function remember(): Promise<void> {
    const groups = new Map([...contents].filter(([name]) => entries.get(name)?.group != null));
    await store.write({ groups, kept: kept.stored() }).catch((error: unknown) => {
      log.error("groups in force cannot be kept over a restart", { error: messageOf(error) });
    });
  }

  function report(name: GroupName, entry: Entry, problems: readonly Problem[]): void {
    if (JSON.stringify(entry.problems) === JSON.stringify(problems)) return;
    entry.problems = problems;
    logProblems(name, problems, log);
    onProblems(name);
  }

  function lookUp(name: GroupName): { inheritance: Inheritance; key: string } {
    const known = inherited.get(name);
    if (known !== undefined) return known;
    const groupOf = (outer: GroupName) => entries.get(outer)?.group ?? undefined;
    const key = lineage(name)
      .map((outer) => (groupOf(outer) === undefined ? "-" : entries.get(outer)?.key))
      .join(" ");
    const made = { inheritance: inheritFrom(name, groupOf), key };
    inherited.set(name, made);
    return made;
  }

  function inForce(): Map<GroupName, Group> {
    return new Map([...entries].flatMap(([name, { group }]) => (group === null ? [] : [[name, group] as const])));
  }

  function inheritanceThen(name: GroupName, keys: Readonly<Record<string, string>>): Inheritance {
    const { inheritance } = lookUp(name);
    const calendars = new Map(inheritance.calendars);
    for (const [calendar, key] of Object.entries(keys)) {
      const found = calendarByKey(entries.values(), key) ?? kept.calendar(key);
      if (found !== undefined) calendars.set(calendar, { ...found, name: calendar });
    }
    return { ...inheritance, calendars, pools: new Map([...kept.poolsOf(name), ...inheritance.pools]) };
  }

  return {
    open,
    refresh,
    inheritance: (name) => lookUp(name).inheritance,
    inheritanceThen,
    key: (name) => lookUp(name).key,
    blockedBy: (name) => lineage(name).find((outer) => entries.get(outer)?.group === null) ?? null,
    inForce,
    names: () => [...entries.keys()],
    async retain(batches) {
      if (kept.retain(batches, inForce())) await remember();
    },
    hasKept: () => !kept.isEmpty,
    problems: () => [...entries.values()].flatMap(({ problems }) => problems),
    sources: () => new Map([...entries].map(([name, { text }]) => [source.groupFileLocation(name), text])),
  };
}

/** True for a name whose group, or a group around it, is among `changed`. */
export function isAffected(group: GroupName, changed: ReadonlySet<GroupName>): boolean {
  return changed.size > 0 && lineage(group).some((outer) => changed.has(outer));
}

/** The reader of iCalendar files is loaded only where one is named. */
async function daysOf(files: StoredGroup["ics"]): Promise<IcsFiles> {
  const names = Object.entries(files);
  if (names.length === 0) return new Map();
  const { parseICalendar } = await import("../schedule/icalendar.ts");
  return new Map(names.map(([name, read]) => [name, "fault" in read ? read : parseICalendar(read.text)]));
}

function digestOf({ text, ics }: StoredGroup): string {
  const files = Object.entries(ics).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash("sha256")
    .update(JSON.stringify([text, files]))
    .digest("hex")
    .slice(0, 16);
}

function isRecent(changedAt: EpochMs, now: EpochMs, settleMs: number): boolean {
  return now - changedAt >= 0 && now - changedAt < settleMs;
}

function unreadable(name: GroupName, message: string): Problem {
  const hint = "what was in force stays in force; the agent tries again at the next resync";
  const batch = groupProblemName(name);
  return { batch, file: batch, line: null, column: null, path: null, code: "unreadable", message, hint };
}

function calendarByKey(entries: Iterable<Entry>, key: string): Calendar | undefined {
  for (const { group } of entries)
    for (const calendar of group?.calendars.values() ?? []) if (calendar.key === key) return calendar;
  return undefined;
}

function logProblems(name: GroupName, problems: readonly Problem[], log: Pick<Logger, "warn">): void {
  for (const { file, line, column, message, code, hint } of problems.slice(0, 5)) {
    const at = [file ?? groupProblemName(name), line, column].filter((part) => part !== null).join(":");
    log.warn(`${at}: ${message}`, { batch: groupProblemName(name), code, ...(hint === null ? {} : { hint }) });
  }
}
