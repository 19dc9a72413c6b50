// Numbers of the lines of logs: line breaks are counted once, with a mark at every MiB, so that the end of a large
// log is numbered fast.
import type { LogStore, LogStream } from "../../logs/port.ts";
import type { Execution } from "../../model/execution.ts";

const stepBytes = 1024 * 1024;
/** Each read costs as much as some hundred KiB. */
const pieceBytes = 256 * 1024;
const maxLogs = 50;
const newline = 0x0a;
/** If so many lines at the beginning of a piece are shorter than this on average, the rest is taken to be as well. */
const sampleLines = 64;
const shortLineBytes = 32;

type Log = Pick<Execution, "batch" | "id">;

/** Line breaks before the byte `i * stepBytes`, as far as they were counted. */
interface Marks {
  counts: number[];
}

export type LineIndex = ReturnType<typeof createLineIndex>;

export function createLineIndex(logs: Pick<LogStore, "stat" | "read">) {
  const known = new Map<string, Marks>();

  function marksOf({ id }: Log, stream: LogStream): Marks {
    const key = `${id} ${stream}`;
    const found = known.get(key) ?? { counts: [0] };
    known.delete(key);
    known.set(key, found); // the one used last goes last
    if (known.size > maxLogs) known.delete([...known.keys()][0] ?? "");
    return found;
  }

  async function* pieces(log: Log, stream: LogStream, from: number, to: number): AsyncGenerator<Uint8Array> {
    const read = logs.read(log.batch, log.id, stream, from, to, pieceBytes);
    for await (const piece of read as unknown as AsyncIterable<Uint8Array>) yield piece;
  }

  async function sizeOf({ batch, id }: Log, stream: LogStream): Promise<number> {
    return (await logs.stat(batch, id, stream))?.size ?? 0;
  }

  async function count(log: Log, stream: LogStream, from: number, to: number): Promise<number> {
    let found = 0;
    for await (const piece of pieces(log, stream, from, to)) found += breaksIn(piece);
    return found;
  }

  /** Counts on until `enough` says so, or up to the last whole step before `end`. */
  async function markUpTo(log: Log, stream: LogStream, end: number, enough: (marks: Marks) => boolean): Promise<Marks> {
    const marks = marksOf(log, stream);
    const size = await sizeOf(log, stream);
    // it was cut
    if ((marks.counts.length - 1) * stepBytes > size) marks.counts.length = Math.floor(size / stepBytes) + 1;
    while (marks.counts.length * stepBytes <= end && !enough(marks)) {
      const at = marks.counts.length;
      const before = marks.counts[at - 1] ?? 0;
      const found = await count(log, stream, (at - 1) * stepBytes, at * stepBytes);
      marks.counts[at] ??= before + found; // another request may have been faster
    }
    return marks;
  }

  return {
    /** The number, from 1, of the line that begins at the byte `offset`. */
    async lineAt(log: Log, stream: LogStream, offset: number): Promise<number> {
      if (offset === 0) return 1;
      const marks = await markUpTo(log, stream, offset, () => false);
      const step = Math.floor(offset / stepBytes);
      return 1 + (marks.counts[step] ?? 0) + (await count(log, stream, step * stepBytes, offset));
    },
    /** The byte at which a line begins, or the end of the log where it has fewer. */
    async offsetOf(log: Log, stream: LogStream, line: number): Promise<number> {
      if (line <= 1) return 0;
      const size = await sizeOf(log, stream);
      const marks = await markUpTo(log, stream, size, ({ counts }) => (counts.at(-1) ?? 0) >= line - 1);
      const step = Math.max(
        0,
        marks.counts.findLastIndex((before) => before < line - 1),
      );
      let left = line - 1 - (marks.counts[step] ?? 0);
      let at = step * stepBytes;
      for await (const piece of pieces(log, stream, at, size)) {
        for (let next = piece.indexOf(newline); next >= 0; next = piece.indexOf(newline, next + 1)) {
          left -= 1;
          if (left === 0) return Math.min(size, at + next + 1);
        }
        at += piece.length;
      }
      return size;
    },
  };
}

/** Looks at each byte where lines are short: a call of `indexOf` for each line takes longer there. */
function breaksIn(piece: Uint8Array): number {
  let found = 0;
  let at = piece.indexOf(newline);
  for (; at >= 0; at = piece.indexOf(newline, at + 1)) {
    found += 1;
    if (found === sampleLines && at < sampleLines * shortLineBytes) break;
  }
  if (at >= 0) for (let i = at + 1; i < piece.length; i++) if (piece[i] === newline) found += 1;
  return found;
}
