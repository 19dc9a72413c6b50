// A bounded piece of a log as text for a page: its tail, or what comes before an offset. Begins with a whole line
// where it can.
import type { Execution } from "../../model/execution.ts";
import type { LineIndex } from "./line-index.ts";
import type { LogStore, LogStream } from "../../logs/port.ts";

/** A page holds no more of a log than this. */
const sliceBytes = 64 * 1024;
const maxLines = 1_000;
const newline = 0x0a;

export interface LogSlice {
  /** Without the line breaks that end them. */
  lines: string[];
  /** Byte offsets of the first byte shown and of the one after the last. */
  start: number;
  end: number;
  /** Bytes of the whole log. */
  size: number;
}

/** A slice whose lines have numbers. */
export interface NumberedSlice extends LogSlice {
  /** Number of its first line, from 1. */
  firstLine: number;
}

/** Lines that follow a line that was asked for. */
const linesAfter = 200;

/** A slice that ends before the byte `before` or holds the line `line`; else the last lines. */
export async function readNumbered(
  logs: LogStore,
  index: LineIndex,
  execution: Execution,
  stream: LogStream,
  { before, line }: { before: number | null; line: number | null },
): Promise<NumberedSlice> {
  let end = before;
  if (line !== null) {
    const from = await index.offsetOf(execution, stream, line);
    const size = (await logs.stat(execution.batch, execution.id, stream))?.size ?? 0;
    const until = await index.offsetOf(execution, stream, line + linesAfter);
    // A part of long lines only: the line itself must not fall out.
    end = until >= size ? null : Math.min(until, from + sliceBytes / 2);
  }
  const slice = await readSlice(logs, execution, stream, end);
  return { ...slice, firstLine: await index.lineAt(execution, stream, slice.start) };
}

/**
 * The last lines before `before`, an offset, or before the end of the log. While the execution runs, what follows
 * the last
 * line break is left to whoever follows the log from `end` on.
 */
export async function readSlice(
  logs: LogStore,
  execution: Execution,
  stream: LogStream,
  before: number | null,
): Promise<LogSlice> {
  const { batch, id, status } = execution;
  const size = (await logs.stat(batch, id, stream))?.size ?? 0;
  const high = Math.min(before ?? size, size);
  const low = Math.max(0, high - sliceBytes);
  if (high === 0) return { lines: [], start: 0, end: 0, size };
  const bytes = new Uint8Array(await new Response(logs.read(batch, id, stream, low, high)).arrayBuffer());
  const growing = status === "running" && before === null;
  const last = bytes.lastIndexOf(newline);
  const until = growing && (last >= 0 || low === 0) ? last + 1 : bytes.length;
  let from = low === 0 ? 0 : firstWhole(bytes.subarray(0, until));
  for (let at = until - 1, lines = 0; at > from && lines < maxLines; lines++) {
    at = bytes.lastIndexOf(newline, at - 1);
    if (lines + 1 === maxLines && at >= from) from = at + 1;
  }
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(from, until));
  const lines = text === "" ? [] : text.replace(/\n$/, "").split("\n");
  return { lines, start: low + from, end: low + until, size };
}

/**
 * Returns where the first line begins that is there from its beginning; in one endless line, its first whole
 * character.
 */
function firstWhole(bytes: Uint8Array): number {
  const first = bytes.indexOf(newline);
  if (first >= 0 && first < bytes.length - 1) return first + 1;
  const character = bytes.findIndex((byte) => (byte & 0xc0) !== 0x80);
  return Math.max(0, character);
}
