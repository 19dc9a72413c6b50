// Reads the files of data/journal: a segment taken apart into lines, and what of it cannot be read.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../async/clock.ts";
import { sleep } from "../async/sleep.ts";
import type { Problem } from "../model/problem.ts";
import { errorCode, isPassing, isShortage, readPlainBytes } from "../platform/files.ts";
import { decodeLine, type JournalLine } from "./change.ts";

/** All segments together; a single commit that is larger than all of this is the one exception. */
export const maxJournalBytes = 16 * 1024 * 1024;
/** Maximum files of quarantined lines that are reported, the newest. */
const maxReported = 10;
/** Reads of the journal on a disk that fails, in all about a second. */
const maxReads = 5;
const againMs = 200;
const segmentName = /^(\d{1,15})\.jsonl$/;

/**
 * A segment's bytes taken apart. `torn`: where a last line begins that was never finished; `corrupt`: lines before it
 * that cannot be read.
 */
export interface ParsedSegment {
  lines: JournalLine[];
  torn: number | null;
  corrupt: { from: number; to: number }[];
}

/** @param isLast  whether it was being written when the agent ended: only then may its last line be unfinished */
export function parseSegment(bytes: Buffer, isLast: boolean): ParsedSegment {
  const parsed: ParsedSegment = { lines: [], torn: null, corrupt: [] };
  for (let from = 0; from < bytes.length;) {
    const newline = bytes.indexOf(10, from);
    const to = newline < 0 ? bytes.length : newline + 1;
    const line = newline < 0 ? null : decodeLine(bytes.toString("utf8", from, newline));
    if (line !== null) parsed.lines.push(line);
    else if (isLast && to === bytes.length) parsed.torn = from;
    else parsed.corrupt.push({ from, to });
    from = to;
  }
  return parsed;
}

/** Numbers of the segments in a folder, oldest first; none where there is no folder. */
function segmentsIn(folder: string): number[] {
  return filesIn(folder)
    .flatMap((name) => segmentName.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
}

/**
 * Reads all segments; those that a failing disk does not give only after some tries. Throws where descriptors run out.
 */
export async function readSegments(folder: string, clock: Clock) {
  for (let tries = 1; ; tries++) {
    const unreadable: { segment: number; error: unknown }[] = [];
    const found = readJournal(folder, (segment, error) => unreadable.push({ segment, error }));
    const shortage = unreadable.find(({ error }) => isShortage(error));
    if (shortage !== undefined) throw shortage.error; // it is whole
    if (tries === maxReads || !unreadable.some(({ error }) => isPassing(error))) return { found, unreadable };
    await sleep(clock, againMs);
  }
}

/** Quarantined lines, a problem a file, as long as they lie there; of many the newest. */
export function quarantinedLines(folder: string): Problem[] {
  let files: string[] = [];
  try {
    files = filesIn(folder).filter((name) => name.includes(".jsonl.corrupt-"));
  } catch {
    return []; // a trouble of its own
  }
  const newest = files.sort().slice(-maxReported);
  return newest.map((name) => ({
    batch: "",
    file: join(folder, name),
    line: null,
    column: null,
    path: null,
    code: "history-corrupt",
    message: "lines of the journal could not be read; they were set aside and all others count",
    hint: "what they said may be missing from the history. Once looked at, delete the file",
  }));
}

/** Reads all segments and writes nothing; `onUnreadable` hears of those that cannot be read. */
export function readJournal(
  folder: string,
  onUnreadable: (segment: number, error: unknown) => void = () => undefined,
): { segment: number; bytes: Buffer; parsed: ParsedSegment }[] {
  const numbers = segmentsIn(folder);
  return numbers.flatMap((segment) => {
    try {
      const bytes = readPlainBytes(join(folder, `${segment}.jsonl`), 4 * maxJournalBytes, "refuse");
      return [{ segment, bytes, parsed: parseSegment(bytes, segment === numbers.at(-1)) }];
    } catch (error) {
      onUnreadable(segment, error);
      return [];
    }
  });
}
