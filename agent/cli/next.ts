// `batch-agent next`: the coming starts of a folder over all of its batches, in time order. Needs no agent.
import { stat } from "node:fs/promises";
import type { Batch, Schedule } from "../model/batch.ts";
import { isBatchName, iso, type EpochMs } from "../model/ids.ts";
import type { Note } from "../model/problem.ts";
import { clockChanges, nextDue } from "../schedule/schedule.ts";
import { formatDuration } from "../text/duration.ts";
import { relativeText } from "../text/relative-time.ts";
import { tableLines } from "../text/table.ts";
import { count, noteLines } from "./report/problems.ts";
import { loadAll } from "../definitions/load-all.ts";
import { missingBatch } from "./names.ts";
import type { FolderDeps } from "./validate.ts";

/** One coming start; `startsAt` is `dueAt` and the batch's jitter. */
interface Start {
  batch: Batch;
  schedule: Schedule;
  dueAt: EpochMs;
  startsAt: EpochMs;
}

const defaultFolder = "batches.d";

/** `next report` means the batch where there is no folder of that name. */
export async function placeAndNames(dir: string, names: readonly string[]): Promise<{ dir: string; names: string[] }> {
  const isFolder = async (path: string) => (await stat(path).catch(() => null))?.isDirectory() === true;
  if (dir === defaultFolder || !isBatchName(dir) || (await isFolder(dir)) || !(await isFolder(defaultFolder)))
    return { dir, names: [...names] };
  return { dir: defaultFolder, names: [dir, ...names] };
}

/**
 * Writes the table; gives the exit code, 1 when one of `names` cannot be read, or none where there are batches. Throws
 * StoreError as `source.list` does, ConfigError for a name that is not there.
 */
export async function next(
  dir: string,
  options: { names: readonly string[]; count: number; timeZone: string; json?: boolean },
  deps: FolderDeps & { width: number },
): Promise<number> {
  const { names } = options;
  const loaded = await loadAll(deps.source, { timeZone: options.timeZone, now: deps.now });
  const unknown = names.find((name) => !loaded.entries.some((entry) => entry.name === name));
  if (unknown !== undefined)
    throw missingBatch(
      unknown,
      dir,
      loaded.entries.map(({ name }) => name),
    );
  const looks = names.length === 0 ? loaded.entries : loaded.entries.filter(({ name }) => names.includes(name));
  const batches = looks.flatMap(({ parsed }) => parsed?.batch ?? []);
  const starts = comingStarts(batches, options.count, deps.now);
  const isReadable = names.length === 0 ? looks.some(({ parsed }) => parsed !== null) : batches.length === looks.length;
  const code = looks.length > 0 && !isReadable ? 1 : 0;
  if (options.json === true) {
    const items = starts.map(({ batch, schedule, dueAt, startsAt }) => ({
      batch: batch.name,
      dueAt: iso(dueAt),
      startsAt: iso(startsAt),
      timeZone: schedule.timeZone,
    }));
    deps.write(`${JSON.stringify({ items }, null, 2)}\n`);
    return code;
  }
  const lines =
    starts.length === 0
      ? [looks.length === 0 ? `there is no batch in ${dir}` : "no start is to come"]
      : table(starts, deps.now, deps.width);
  const silent = names.length === 0 ? [] : batches.flatMap((batch) => silence(batch) ?? []);
  if (silent.length > 0) lines.push(...(starts.length === 0 ? [] : [""]), ...silent);
  const shown = new Set(starts.map(({ batch }) => batch));
  const changes = noteLines([...shown].flatMap((batch) => changesOf(batch, deps.now)));
  if (changes.length > 0) lines.push("", ...changes);
  const broken = looks.filter(({ problems }) => problems.length > 0).length;
  if (broken > 0)
    lines.push(
      "",
      `${count(broken, "batch has", "batches have")} problems and ${broken === 1 ? "is" : "are"} left out: ` +
        `batch-agent validate ${dir}`,
    );
  deps.write(`${lines.join("\n")}\n`);
  return code;
}

/** The first `limit` starts after `now`, in time order, then by name. */
function comingStarts(batches: readonly Batch[], limit: number, now: EpochMs): Start[] {
  const waiting = batches.flatMap((batch) =>
    batch.enabled && batch.schedule !== null
      ? (startAfter(batch, batch.schedule, now - batch.schedule.jitterMs) ?? [])
      : [],
  );
  waiting.sort(earlier);
  const starts: Start[] = [];
  while (starts.length < limit) {
    const first = waiting.shift();
    if (first === undefined) break;
    starts.push(first);
    const following = startAfter(first.batch, first.schedule, first.dueAt);
    if (following !== null) waiting.splice(placeFor(following, waiting), 0, following);
  }
  return starts;
}

function startAfter(batch: Batch, schedule: Schedule, after: EpochMs): Start | null {
  const dueAt = nextDue(schedule, after);
  return dueAt === null ? null : { batch, schedule, dueAt, startsAt: dueAt + schedule.jitterMs };
}

function earlier(a: Start, b: Start): number {
  return a.startsAt - b.startsAt || (a.batch.name < b.batch.name ? -1 : 1);
}

function placeFor(start: Start, sorted: readonly Start[]): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (earlier(sorted[middle] as Start, start) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function table(starts: readonly Start[], now: EpochMs, width: number): string[] {
  const jitter = starts.some(({ schedule }) => schedule.jitterMs > 0);
  const rows = starts.map(({ batch, schedule, startsAt }) => [
    iso(startsAt),
    `${localTime(startsAt, schedule.timeZone)} ${schedule.timeZone}`,
    batch.name,
    relativeText(startsAt, now),
    ...(jitter ? [schedule.jitterMs > 0 ? `+${formatDuration(schedule.jitterMs)}` : ""] : []),
  ]);
  return tableLines([["UTC", "LOCAL", "BATCH", "STARTS", ...(jitter ? ["JITTER"] : [])], ...rows], {
    width,
    whole: [0],
    names: [2],
    leaveOut: [1],
  });
}

/** Returns why a batch that was asked for has no start of its own; null where it has. */
function silence({ name, enabled, schedule, after }: Batch): string | null {
  if (!enabled) return `${name} is disabled`;
  if (schedule !== null) return null;
  return after.length > 0 ? `${name} starts after ${after.join(", ")}` : `${name} starts when another batch fails`;
}

function changesOf({ name, schedule }: Batch, now: EpochMs): Note[] {
  if (schedule === null) return [];
  return clockChanges(schedule, now).map(({ text }) => ({
    batch: name,
    file: null,
    line: null,
    column: null,
    message: text,
  }));
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** `2026-11-24 13:00:00` in the zone; Swedish writes it so. */
function localTime(at: EpochMs, timeZone: string): string {
  const format =
    formats.get(timeZone) ?? new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "medium" });
  formats.set(timeZone, format);
  return format.format(at);
}
