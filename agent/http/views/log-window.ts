// A bounded piece of a log as text for a page: its tail, or what comes before an offset. Begins with a whole line where it can.
import type { Execution } from "../../model/execution.ts";
import type { LogStore, LogStream } from "../../logs/port.ts";

/** A page holds no more of a log than this. */
const sliceBytes = 64 * 1024;
const mostLines = 1_000;
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

/**
 * The last lines before `before`, an offset, or before the end of the log. While the execution runs, what follows the last
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
  for (let at = until - 1, lines = 0; at > from && lines < mostLines; lines++) {
    at = bytes.lastIndexOf(newline, at - 1);
    if (lines + 1 === mostLines && at >= from) from = at + 1;
  }
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(from, until));
  const lines = text === "" ? [] : text.replace(/\n$/, "").split("\n");
  return { lines, start: low + from, end: low + until, size };
}

/** Where the first line begins that is there from its beginning; in one endless line, its first whole character. */
function firstWhole(bytes: Uint8Array): number {
  const first = bytes.indexOf(newline);
  if (first >= 0 && first < bytes.length - 1) return first + 1;
  const character = bytes.findIndex((byte) => (byte & 0xc0) !== 0x80);
  return Math.max(0, character);
}
