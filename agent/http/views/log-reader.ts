// Bounded pieces of an execution's output for a page: both logs in the order in which they were written, or one of
// them. Lines have numbers and times, and a position (logs/order.ts) in what the view shows. A line counts where it
// ends: positions, numbers and times are those of its line break.
import { isOpen, type Execution } from "../../model/execution.ts";
import type { EpochMs, Iso } from "../../model/ids.ts";
import {
  orderOf,
  type LogOrder,
  type LogSizes,
  type LogStore,
  type LogStream,
  type LogFollowers,
} from "../../logs/port.ts";
import { createLineIndex, type LineIndex } from "./line-index.ts";
import { readSteps } from "./log-steps.ts";

/** A page holds no more of a log than this. */
const windowBytes = 64 * 1024;
const maxLines = 1_000;
/** Shown before a line that was asked for. */
const maxLinesBefore = 300;
const bytesBefore = 24 * 1024;
/** How far before a piece the beginning of its first line is looked for. */
const lookBackBytes = 64 * 1024;
/** Pieces without the end of any line that are passed over. */
const maxEmptyPieces = 64;
const newline = 0x0a;

export interface LogLine {
  stream: LogStream;
  at: Iso;
  /** Without its line break. */
  text: string;
}

export interface LogWindow {
  lines: LogLine[];
  /** Number of the first of them, from 1. */
  firstLine: number;
  /** Positions before the first and after the last of them. */
  start: number;
  end: number;
  /** Position of the end of all there is. */
  size: number;
  /** Offsets in both logs at which whoever follows them goes on after the last line. */
  next: LogSizes;
}

/** Which part is wanted: before or after a position, around a line, or, with none of them, the end. */
export interface LogPlace {
  before?: number | null;
  after?: number | null;
  line?: number | null;
}

/** A line as it was found in its log. */
interface Found extends LogLine {
  position: number;
  /** Offset after its line break. */
  end: number;
}

interface Output {
  execution: Execution;
  streams: readonly LogStream[];
  /**
   * The last line of a log that is over may have no line break: it is taken to have one that was written at the end,
   * so that such a log has one byte more here.
   */
  order: LogOrder;
  /** Of the logs that are shown, as they are; 0 for the other. */
  sizes: LogSizes;
}

export class LogReader {
  readonly #logs: LogStore;
  readonly #followers: LogFollowers;
  readonly #now: () => EpochMs;
  readonly #index: LineIndex;

  constructor(logs: LogStore, followers: LogFollowers, now: () => EpochMs) {
    this.#logs = logs;
    this.#followers = followers;
    this.#now = now;
    this.#index = createLineIndex(logs);
  }

  async window(execution: Execution, streams: readonly LogStream[], place: LogPlace): Promise<LogWindow> {
    const output = await this.#open(execution, streams);
    if (place.line != null) return this.#around(output, place.line);
    if (place.after != null) return this.#beginningAt(output, Math.min(place.after, output.order.size));
    return this.#endingAt(output, Math.min(place.before ?? output.order.size, output.order.size));
  }

  /** Numbers, in order, that lines of single logs have among those of `streams`. `offset`: their first byte's. */
  async numbersOf(
    execution: Execution,
    streams: readonly LogStream[],
    lines: readonly { stream: LogStream; line: number; offset: number | null }[],
  ): Promise<number[]> {
    if (streams.length === 1) return lines.filter(({ stream }) => stream === streams[0]).map(({ line }) => line);
    const output = await this.#open(execution, streams);
    const counts = new Map<string, number>();
    const numbers: number[] = [];
    for (const { stream, line, offset } of lines) {
      const other = stream === "stdout" ? "stderr" : "stdout";
      const end = await this.#breakAfter(
        output,
        stream,
        offset ?? (await this.#index.offsetOf(execution, stream, line)),
      );
      const ofOther = output.order.sizesAt(output.order.positionOf(stream, end))[other];
      const key = `${other} ${ofOther}`;
      const before = counts.get(key) ?? (await this.#countIn(output, other, ofOther));
      counts.set(key, before);
      numbers.push(line + before);
    }
    return numbers.sort((a, b) => a - b);
  }

  async #open(execution: Execution, streams: readonly LogStream[]): Promise<Output> {
    const steps = await readSteps(this.#followers, execution);
    const sizeOf = async (stream: LogStream) =>
      streams.includes(stream) ? ((await this.#logs.stat(execution.batch, execution.id, stream))?.size ?? 0) : 0;
    const sizes = { stdout: await sizeOf("stdout"), stderr: await sizeOf("stderr") };
    const withBreaks = { ...sizes };
    if (!isOpen(execution))
      for (const stream of streams)
        if (!(await this.#endsInBreak(execution, stream, sizes[stream]))) withBreaks[stream] += 1;
    const at = execution.finishedAt ?? new Date(this.#now()).toISOString();
    return { execution, streams, sizes, order: orderOf(steps, { at, sizes: withBreaks }) };
  }

  async #bytesOf({ execution }: Output, stream: LogStream, from: number, to: number): Promise<Uint8Array> {
    if (from >= to) return new Uint8Array(0);
    const body = this.#logs.read(execution.batch, execution.id, stream, from, to);
    return new Uint8Array(await new Response(body).arrayBuffer());
  }

  /** Lines of one log whose breaks lie from the offset `from` up to `to`. */
  async #linesOf(output: Output, stream: LogStream, from: number, to: number): Promise<Found[]> {
    if (from >= to) return [];
    const low = Math.max(0, from - lookBackBytes);
    const { order, sizes } = output;
    const bytes = await this.#bytesOf(output, stream, low, Math.min(to, sizes[stream]));
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    const found: Found[] = [];
    let start = bytes.lastIndexOf(newline, from - low - 1) + 1;
    if (from === low) start = 0;
    let isWhole = start > 0 || low === 0;
    if (!isWhole) start = bytes.findIndex((byte) => (byte & 0xc0) !== 0x80); // not inside a character
    const add = (end: number) => {
      const position = order.positionOf(stream, low + end);
      const text = `${isWhole ? "" : "… "}${decoder.decode(bytes.subarray(start, end))}`;
      found.push({ stream, at: order.timeAt(position), text, position, end: low + end + 1 });
      isWhole = true;
      start = end + 1;
    };
    for (let at = bytes.indexOf(newline, from - low); at >= 0; at = bytes.indexOf(newline, at + 1)) add(at);
    if (to > sizes[stream]) add(bytes.length);
    return found;
  }

  /** Lines whose breaks lie between two positions, in order. */
  async #linesBetween(output: Output, low: number, high: number): Promise<Found[]> {
    const [from, to] = [output.order.sizesAt(low), output.order.sizesAt(high)];
    const all: Found[] = [];
    for (const stream of output.streams) all.push(...(await this.#linesOf(output, stream, from[stream], to[stream])));
    return all.sort((a, b) => a.position - b.position);
  }

  /** Counts the lines of one log that end before an offset. */
  async #countIn({ execution, sizes }: Output, stream: LogStream, offset: number): Promise<number> {
    const size = sizes[stream];
    return (await this.#index.lineAt(execution, stream, Math.min(offset, size))) - 1 + (offset > size ? 1 : 0);
  }

  /** Counts the lines that end before a position. */
  async #countBefore(output: Output, position: number): Promise<number> {
    const at = output.order.sizesAt(position);
    let count = 0;
    for (const stream of output.streams) count += await this.#countIn(output, stream, at[stream]);
    return count;
  }

  async #endsInBreak({ batch, id }: Execution, stream: LogStream, size: number): Promise<boolean> {
    if (size === 0) return true;
    const bytes = await new Response(this.#logs.read(batch, id, stream, size - 1, size)).arrayBuffer();
    return new Uint8Array(bytes)[0] === newline;
  }

  /** Position of the break of a line, counted from 1; of the end where there are fewer lines. */
  async #positionOfLine(output: Output, line: number): Promise<number> {
    const { execution, streams, order, sizes } = output;
    let [low, high] = [0, order.steps];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((await this.#countBefore(output, order.endOf(middle))) >= line) high = middle;
      else low = middle + 1;
    }
    if (low >= order.steps) return order.size;
    let left = line - (await this.#countBefore(output, order.endOf(low - 1)));
    const [from, to] = [order.sizesAt(order.endOf(low - 1)), order.sizesAt(order.endOf(low))];
    for (const stream of streams) {
      const first = await this.#countIn(output, stream, from[stream]);
      const count = (await this.#countIn(output, stream, to[stream])) - first;
      if (left <= count) {
        const isRest = first + left > (await this.#countIn(output, stream, sizes[stream]));
        const end = isRest ? sizes[stream] : (await this.#index.offsetOf(execution, stream, first + left + 1)) - 1;
        return order.positionOf(stream, end);
      }
      left -= count;
    }
    return order.size;
  }

  async #windowOf(output: Output, found: readonly Found[], start: number, end: number): Promise<LogWindow> {
    const { order, streams, sizes } = output;
    const at = order.sizesAt(end);
    const next = { stdout: Math.min(at.stdout, sizes.stdout), stderr: Math.min(at.stderr, sizes.stderr) };
    // What has no break yet is given once it has one.
    if (end === order.size && isOpen(output.execution))
      for (const stream of streams) {
        const last = found.findLast((line) => line.stream === stream)?.end;
        next[stream] = last ?? (await this.#lineStart(output, stream, next[stream]));
      }
    return {
      lines: found.map(({ stream, at, text }) => ({ stream, at, text })),
      firstLine: 1 + (await this.#countBefore(output, start)),
      start,
      end,
      size: order.size,
      next,
    };
  }

  async #lineStart(output: Output, stream: LogStream, offset: number): Promise<number> {
    const low = Math.max(0, offset - lookBackBytes);
    return low + (await this.#bytesOf(output, stream, low, offset)).lastIndexOf(newline) + 1;
  }

  /** The last lines before a position. */
  async #endingAt(output: Output, high: number): Promise<LogWindow> {
    let start = high;
    let found: Found[] = [];
    for (let tries = 0; tries < maxEmptyPieces && found.length === 0 && start > 0; tries++) {
      const from = Math.max(0, start - windowBytes);
      found = await this.#linesBetween(output, from, start);
      start = from;
    }
    const surplus = found.length - maxLines;
    if (surplus > 0) start = (found[surplus - 1]?.position ?? 0) + 1;
    return this.#windowOf(output, found.slice(-maxLines), start, high);
  }

  /** The first lines from a position on. */
  async #beginningAt(output: Output, low: number): Promise<LogWindow> {
    const { size } = output.order;
    let end = low;
    let found: Found[] = [];
    for (let tries = 0; tries < maxEmptyPieces && found.length === 0 && end < size; tries++) {
      const to = Math.min(size, end + windowBytes);
      found = await this.#linesBetween(output, end, to);
      end = to;
    }
    if (found.length > maxLines) end = (found[maxLines - 1]?.position ?? 0) + 1;
    return this.#windowOf(output, found.slice(0, maxLines), low, end);
  }

  async #around(output: Output, line: number): Promise<LogWindow> {
    const at = await this.#positionOfLine(output, line);
    if (at >= output.order.size) return this.#endingAt(output, output.order.size);
    const before = await this.#linesBetween(output, Math.max(0, at - bytesBefore), at);
    const start = before.length > maxLinesBefore ? before.at(-maxLinesBefore - 1) : undefined;
    return this.#beginningAt(output, start === undefined ? Math.max(0, at - bytesBefore) : start.position + 1);
  }

  /** Offset of the first line break from `offset` on; of the end where there is none. */
  async #breakAfter(output: Output, stream: LogStream, offset: number): Promise<number> {
    const size = output.sizes[stream];
    for (let at = offset; at < size; at += lookBackBytes) {
      const found = (await this.#bytesOf(output, stream, at, Math.min(size, at + 4 * 1024))).indexOf(newline);
      if (found >= 0) return at + found;
      const more = (await this.#bytesOf(output, stream, at, Math.min(size, at + lookBackBytes))).indexOf(newline);
      if (more >= 0) return at + more;
    }
    return size;
  }
}
