// data/journal: the newest facts, a line a commit, synced before they are acknowledged. Knows lines and files; what
// the lines say is change.ts' matter, and when a file may go is the checkpoints'.
import { closeSync, constants, fdatasync, ftruncateSync, writeSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Clock } from "../async/clock.ts";
import { messageOf, StoreError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { openNew, syncFolder, writeDurably } from "../platform/durable.ts";
import { quarantineName, errorCode, openFileSync, removeTree, quarantine } from "../platform/files.ts";
import { makeFolders, type EnsureFolder } from "../platform/folders.ts";
import type { JournalLine } from "./change.ts";
import { maxJournalBytes, readSegments } from "./journal-segments.ts";

const datasync = promisify(fdatasync);

/** A segment that has grown to this size is followed by the next. */
export const segmentBytes = 1024 * 1024;
export const maxSegments = 16;
/** Holds what opening a segment says when it is none any more. */
const noSegment = ["ENOTFILE", "ENOENT", "ENOTDIR", "ELOOP", "EACCES"];

interface Segment {
  number: number;
  bytes: number;
}

/** A line as it was read, and the number of the segment that holds it. */
export interface FoundLine extends JournalLine {
  segment: number;
}

export interface Journal {
  /** Segments, oldest first; the last one is being written. */
  segments: () => readonly Segment[];
  /** Returns whether a line of so many bytes would be more than a journal may hold. */
  isFull: (bytes: number) => boolean;
  /**
   * Durable when the promise resolves, with the number of its segment. One at a time. Throws StoreError: it may or
   * may not be there then.
   */
  append: (line: string) => Promise<number>;
  /** Returns, once, whether a segment was found gone: what it said is in memory only. */
  hasLost: () => boolean;
  /** Deletes all segments before this one; `Infinity` for all. Throws StoreError. */
  dropBefore: (segment: number) => Promise<void>;
}

/**
 * Opens the journal: an unfinished last line is dropped, other lines that cannot be read go to
 * `<n>.jsonl.corrupt-<time>` and are said; all others count. Throws StoreError.
 */
export async function openJournal(
  folder: string,
  deps: { clock: Clock; log: Logger; fence?: () => void; ensure?: EnsureFolder },
): Promise<{ journal: Journal; lines: FoundLine[] }> {
  const { clock, log, fence, ensure = makeFolders } = deps;
  const pathOf = (segment: number) => join(folder, `${segment}.jsonl`);
  const lines: FoundLine[] = [];
  const segments: Segment[] = [];
  /** Where agents take turns, each writes to files of its own: what an earlier one still writes harms none of ours. */
  let hasOwn = fence === undefined;
  let isLost = false;
  try {
    ensure(folder);
    const { found, unreadable } = await readSegments(folder, clock);
    for (const { segment, error } of unreadable) {
      log.error("a file of the journal cannot be read; it was set aside and the others count", {
        path: await quarantine(pathOf(segment), clock.now()),
        error: messageOf(error),
        hint: "what it said may be missing from the history. Once looked at, delete it",
      });
    }
    for (const { segment, bytes, parsed } of found) {
      lines.push(...parsed.lines.map((line) => ({ ...line, segment })));
      let size = bytes.length;
      if (parsed.torn !== null) {
        size = parsed.torn;
        const file = openFileSync(pathOf(segment), "refuse", constants.O_RDWR);
        try {
          ftruncateSync(file, size);
        } finally {
          closeSync(file);
        }
      }
      if (parsed.corrupt.length > 0) {
        const file = quarantineName(pathOf(segment), clock.now());
        await writeDurably(file, Buffer.concat(parsed.corrupt.map(({ from, to }) => bytes.subarray(from, to))));
        const rest = keep(bytes.subarray(0, size), parsed.corrupt);
        await writeDurably(pathOf(segment), rest);
        size = rest.length;
        log.error("the journal held lines that cannot be read; they were set aside and the others count", {
          path: file,
          lines: parsed.corrupt.length,
          hint: "what they said may be missing from the history. Once looked at, delete the file",
        });
      }
      segments.push({ number: segment, bytes: size });
    }
    await syncFolder(folder);
  } catch (error) {
    throw new StoreError("open", folder, error, "all of the data folder must be the agent's user's to read and write");
  }

  /** The segment that the next line goes to. */
  async function current(): Promise<Segment> {
    const last = segments.at(-1);
    if (last !== undefined && last.bytes < segmentBytes && hasOwn) return last;
    hasOwn = true;
    const next = { number: (last?.number ?? 0) + 1, bytes: 0 };
    ensure(folder);
    closeSync(await openNew(pathOf(next.number)));
    await syncFolder(folder);
    segments.push(next);
    return next;
  }

  /** A segment that somebody has replaced or removed is no reason to fail: the line goes to the next one. */
  async function append(line: string): Promise<number> {
    fence?.();
    const bytes = Buffer.from(line);
    try {
      return await write(bytes);
    } catch (error) {
      if (!(error instanceof StoreError) || !noSegment.includes(errorCode(error.cause))) throw error;
      return write(bytes);
    }
  }

  async function write(bytes: Buffer): Promise<number> {
    let segment: Segment | null = null;
    let file: number | null = null;
    try {
      segment = await current();
      // Not kept open in between: nothing of ours keeps a disk from being made read-only.
      file = openFileSync(pathOf(segment.number), "refuse", constants.O_RDWR);
      for (let written = 0; written < bytes.length;)
        written += writeSync(file, bytes, written, bytes.length - written, segment.bytes + written);
      await datasync(file);
      segment.bytes += bytes.length;
      return segment.number;
    } catch (error) {
      if (file !== null && segment !== null) undoWrite(file, segment);
      // Something else lies in its place, or nothing: a new one follows.
      else if (segment !== null && noSegment.includes(errorCode(error))) {
        isLost ||= segment.bytes > 0;
        segment.bytes = segmentBytes;
      }
      const path = segment === null ? folder : pathOf(segment.number);
      throw new StoreError("write", path, error, "is there room in the data folder, and may the agent write there?");
    } finally {
      if (file !== null) closeSync(file);
    }
  }

  /**
   * Takes back what was written of a line: the next one takes its place. Where not even that can be done, a new
   * segment follows.
   */
  function undoWrite(file: number, segment: Segment): void {
    try {
      ftruncateSync(file, segment.bytes);
    } catch {
      segment.bytes = Math.max(segment.bytes, segmentBytes);
    }
  }

  return {
    lines,
    journal: {
      segments: () => segments,
      isFull(bytes) {
        const last = segments.at(-1);
        const total = segments.reduce((sum, segment) => sum + segment.bytes, bytes);
        const isNext = last === undefined || last.bytes >= segmentBytes;
        return segments.length > 0 && (total > maxJournalBytes || segments.length + (isNext ? 1 : 0) > maxSegments);
      },
      append,
      hasLost() {
        const was = isLost;
        isLost = false;
        return was;
      },
      async dropBefore(segment) {
        const gone = segments.filter(({ number }) => number < segment);
        if (gone.length === 0) return;
        try {
          ensure(folder);
          for (const { number } of gone) {
            await removeTree(pathOf(number));
            segments.shift();
          }
          await syncFolder(folder);
        } catch (error) {
          throw new StoreError("delete", folder, error, "may the agent write in the data folder?");
        }
      },
    },
  };
}

function keep(bytes: Buffer, holes: readonly { from: number; to: number }[]): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  for (const { from, to } of [...holes, { from: bytes.length, to: bytes.length }]) {
    parts.push(bytes.subarray(at, from));
    at = to;
  }
  return Buffer.concat(parts);
}
