// The time zone that a machine's clocks show, as libc finds it: TZ, else /etc/localtime. Pure: files come in by
// functions.
import type { EpochMs } from "../model/ids.ts";
import { isTimeZone, offsetIn, spanAt } from "./zone.ts";
import { parseZoneFile } from "./zone-file.ts";
import { parseZoneRule, type OffsetAt } from "./zone-rule.ts";

/** Describes what the machine has: `TZ`, and its zone files. */
export interface ZoneSources {
  /** The variable TZ; undefined where it is not set. */
  tz: string | undefined;
  /** Folders of zone files, such as /usr/share/zoneinfo; the first that has a name counts. */
  folders: readonly string[];
  /** Bytes of a file; null where there is none that can be read. */
  read: (path: string) => Uint8Array | null;
  /** Real path of a file, or where a link leads that leads nowhere; null where there is neither. */
  follow: (path: string) => string | null;
  /** Name that the machine gives its zone elsewhere (/etc/timezone); null without one. */
  named: string | null;
}

export interface MachineZone {
  /** An IANA name that Node knows. */
  timeZone: string;
  /** Holds what people must know of it, for the log, /readyz and `next`; null where it is plainly what libc has. */
  note: string | null;
}

export const localtime = "/etc/localtime";
const hint = "name it with --time-zone";
const hourMs = 3_600_000;
const weekMs = 7 * 24 * hourMs;
/** Times are compared for this long from now on. */
const comparedMs = 2 * 366 * 24 * hourMs;

/** Never throws. */
export function findMachineZone(sources: ZoneSources, now: EpochMs): MachineZone {
  const { tz } = sources;
  if (tz === undefined) return zoneOfFile(localtime, localtime, sources, now);
  const value = tz.replace(/^:/, "");
  const said = `TZ=${JSON.stringify(tz)}`;
  if (value === "") return { timeZone: "UTC", note: null };
  if (value.startsWith("/")) return zoneOfFile(value, said, sources, now);
  const file = value.split("/").includes("..") ? null : readZone(value, sources);
  const name = plainName(value);
  if (file !== null) return named(name, file, said, sources, now);
  if (isTimeZone(name)) {
    const note =
      `${said}: this machine has no file of that zone, so programs such as date show UTC; ` + `batches follow ${name}`;
    return { timeZone: name, note: `${note} (install tzdata)` };
  }
  const rule = parseZoneRule(value);
  if (rule !== null) return likeOf(rule, `${said} is a rule, not the name of a zone`, sources, now);
  return {
    timeZone: "UTC",
    note: `${said} names no time zone: libc takes UTC for it, and so do batches; ${hint}`,
  };
}

/** The zone of one file, by the name that its path tells, else by what it holds. */
function zoneOfFile(path: string, said: string, sources: ZoneSources, now: EpochMs): MachineZone {
  const bytes = sources.read(path);
  const real = sources.follow(path);
  const name = real === null ? null : nameOfPath(real, sources.folders);
  if (bytes !== null) {
    const clock = parseZoneFile(bytes);
    const text = said === path ? said : `${said}: the file`;
    if (clock === null)
      return {
        timeZone: "UTC",
        note: `${text} is not a zone file: libc takes UTC, and so do batches; ${hint}`,
      };
    return named(name, clock, text, sources, now);
  }
  if (name !== null && isTimeZone(name)) {
    const note =
      `${said} leads to ${name}, of which this machine has no file, so programs such as date show UTC; batches ` +
      `follow ${name}`;
    return { timeZone: name, note: `${note} (install tzdata)` };
  }
  if (path === localtime) return { timeZone: "UTC", note: null }; // as libc has it
  return {
    timeZone: "UTC",
    note: `${said}: there is no such file: libc takes UTC, and so do batches; ${hint}`,
  };
}

/** A zone whose file is there, and whose name is known or not. */
function named(name: string | null, clock: OffsetAt, said: string, sources: ZoneSources, now: EpochMs): MachineZone {
  if (name === null || !isTimeZone(name)) {
    const what = name === null ? "does not tell the name of its zone" : `names ${name}, which Node does not know`;
    return likeOf(clock, `${said} ${what}`, sources, now, name === null);
  }
  const differs = firstDifference(clock, name, now);
  if (differs === null) return { timeZone: name, note: null };
  const when = new Date(differs).toISOString();
  const note =
    `${said}: from ${when} on the clocks of this machine and those of Node differ in ${name}; batches ` +
    "follow Node's";
  return { timeZone: name, note: `${note} (one of the two needs a newer tz database)` };
}

/**
 * A zone of Node's with the same clocks from now on. The name of the machine comes first, then the shortest way to say
 * a fixed offset, then all there are.
 * @param plain whether it is not worth a word when it is found by the machine's own name
 */
function likeOf(clock: OffsetAt, said: string, { named }: ZoneSources, now: EpochMs, plain = false): MachineZone {
  if (named !== null && isTimeZone(named) && firstDifference(clock, named, now) === null && plain)
    return { timeZone: named, note: null };
  const hours = -clock(now) / hourMs;
  const fixed = hours === 0 ? "UTC" : `Etc/GMT${hours > 0 ? "+" : ""}${hours}`;
  const like = [fixed, ...Intl.supportedValuesOf("timeZone")].find(
    (name) => isTimeZone(name) && offsetIn(name, now) === clock(now) && firstDifference(clock, name, now) === null,
  );
  if (like !== undefined)
    return {
      timeZone: like,
      note: `${said}: batches follow ${like}, whose clocks are the same for the next two years; ${hint}`,
    };
  return {
    timeZone: "UTC",
    note: `${said}, and Node knows no zone with the same clocks: batches follow UTC; ${hint}`,
  };
}

/**
 * The first instant of the coming two years, to the hour, at which a zone of Node's shows another time; null where
 * none does.
 */
function firstDifference(clock: OffsetAt, name: string, now: EpochMs): EpochMs | null {
  for (let span = spanAt(name, now); span.start < now + comparedMs; span = spanAt(name, span.end)) {
    const from = Math.max(span.start, now);
    for (let t = from; t < span.end; t += weekMs) if (clock(t) !== span.offset) return refine(t, from, span.offset);
    if (clock(span.end - 1) !== span.offset) return refine(span.end - 1, from, span.offset);
  }
  return null;

  function refine(t: EpochMs, from: EpochMs, offset: number): EpochMs {
    let at = t;
    while (at - hourMs >= from && clock(at - hourMs) !== offset) at -= hourMs;
    return at;
  }
}

function readZone(name: string, { folders, read }: ZoneSources): OffsetAt | null {
  for (const folder of folders) {
    const bytes = read(`${folder}/${name}`);
    if (bytes !== null) return parseZoneFile(bytes);
  }
  return null;
}

function nameOfPath(path: string, folders: readonly string[]): string | null {
  const folder = folders.find((candidate) => path.startsWith(`${candidate}/`));
  const rest = folder === undefined ? /\/zoneinfo\/(.+)$/.exec(path)?.[1] : path.slice(folder.length + 1);
  return rest === undefined ? null : plainName(rest);
}

/** tzdata keeps each zone twice more: without leap seconds, and with them, which no clock of ours counts. */
function plainName(name: string): string {
  return name.replace(/^(posix|right)\//, "");
}
