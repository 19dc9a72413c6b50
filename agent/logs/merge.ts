// Both logs of an execution in the order in which they were written, as far as `times` tells: its lines say which
// sizes the logs had at which time. A line belongs to the step in which it was finished; within a step stdout goes
// first. Bounded memory: one piece of a log and one of `times`, however long they are.
import { wholeCharacters, wholeLines } from "../text/lines.ts";
import { maxTimesBytes, parseStep, stepTime, type LogStep } from "./order.ts";

type LogStream = "stdout" | "stderr";
/** A file that grows. */
interface Growing {
  size: () => number;
  measure: () => Promise<number>;
  read: (start: number, length: number) => Promise<Uint8Array>;
  /** Resolves a moment later. */
  nextTick: () => Promise<void>;
}

const chunkBytes = 16 * 1024;
/** A line longer than this comes in pieces. */
const maxLineBytes = 64 * 1024;
/** With a time before each, they take more room than they have bytes. */
const maxPieceLines = 400;
const timesChunkBytes = 16 * 1024;
/** `times` is written every second, and has an end: without it what is there is passed on after this. */
const patienceMs = 2_500;
const newline = 0x0a;

/** An unfinished line, such as a prompt or a percentage, is passed on after this where pieces of lines are wanted. */
const unfinishedMs = 500;

/**
 * Whole lines of one log; or a piece of a line that is too long, or its end that has no newline. No bytes, where pieces
 * of lines are wanted: its log got shorter and goes on from that offset.
 */
export interface MergedPiece {
  stream: LogStream;
  at: string;
  /** Place of its first byte in its log. */
  offset: number;
  bytes: Uint8Array;
}

export interface MergeSource {
  stdout: Growing;
  stderr: Growing;
  times: Growing;
  /** Time at which the execution ended; null while it goes on. Asked before the logs are measured. */
  endedAt: () => Promise<string | null>;
  now: () => number;
  /** Goes on until it has ended; else what is there now is all. */
  follow: boolean;
  /** Passes on an unfinished line once it has waited half a second, and at once that a log got shorter. */
  isEager?: boolean;
  /** Offsets to begin at. */
  from: Record<LogStream, number>;
}

interface Step extends LogStep {
  isLast: boolean;
}

/** Returns one piece after the other; "wait" where there is none for now, null at the end. */
export function createMerge(source: MergeSource): () => Promise<MergedPiece | "wait" | null> {
  const position = { ...source.from };
  /** Logs that got shorter, which has not been passed on yet. */
  const shortened = new Set<LogStream>();
  let timesAt = 0;
  let unread = "";
  let step: Step | null = null;
  let steppedAt = source.now();
  let lastAt: string | undefined;
  /** Since when there has been something of a line that is not finished. */
  const unfinishedSince: Record<LogStream, number | null> = { stdout: null, stderr: null };

  /** A log that was cut goes on from its new end. */
  function goOnFromEnd(stream: LogStream, size: number): void {
    if (size >= position[stream]) return;
    position[stream] = size;
    if (source.isEager === true) shortened.add(stream);
  }

  async function readPiece(stream: LogStream, { at, sizes, isLast }: Step): Promise<MergedPiece | null> {
    const follower = source[stream];
    goOnFromEnd(stream, follower.size());
    const until = Math.min(sizes[stream], follower.size());
    for (const maxBytes of [chunkBytes, maxLineBytes]) {
      const start = position[stream];
      const bytes = start < until ? await follower.read(start, Math.min(maxBytes, until - start)) : new Uint8Array(0);
      const isEnd = isLast && start + bytes.length >= until;
      const rest = isEnd ? bytes.length : bytes.length === maxLineBytes ? wholeCharacters(bytes) : 0;
      const count = firstLines(bytes) || rest;
      if (count > 0) {
        position[stream] += count;
        unfinishedSince[stream] = null;
        return { stream, at, offset: start, bytes: bytes.subarray(0, count) };
      }
      if (bytes.length < maxBytes) break;
    }
    return null; // the rest of its line is of a later step
  }

  /** Returns a log whose unfinished line has waited long enough; null where there is none. */
  function overdue(): LogStream | null {
    if (source.isEager !== true) return null;
    for (const stream of ["stdout", "stderr"] as const) {
      if (source[stream].size() <= position[stream]) unfinishedSince[stream] = null;
      else if (Math.abs(source.now() - (unfinishedSince[stream] ??= source.now())) > unfinishedMs) return stream;
    }
    return null;
  }

  /** Reads one line of `times`; null where there is no whole one. */
  async function readStep(): Promise<Step | null> {
    for (;;) {
      const end = unread.indexOf("\n");
      const found = parseStep(unread.slice(0, Math.max(0, end)));
      unread = unread.slice(end + 1);
      if (found !== null) return { ...found, isLast: false };
      if (end >= 0) continue; // a line of somebody else's
      if (unread.length > timesChunkBytes) unread = "";
      if (timesAt >= maxTimesBytes) return null;
      const bytes = await source.times.read(timesAt, timesChunkBytes);
      if (bytes.length === 0) return null;
      timesAt += bytes.length;
      unread += Buffer.from(bytes).toString("latin1");
    }
  }

  async function nextStep(): Promise<Step | "wait"> {
    const endedAt = await source.endedAt();
    const known = await readStep();
    const sizes = { stdout: await source.stdout.measure(), stderr: await source.stderr.measure() };
    for (const stream of ["stdout", "stderr"] as const) goOnFromEnd(stream, sizes[stream]);
    if (known !== null) return known;
    const at = endedAt ?? new Date(source.now()).toISOString();
    if (endedAt !== null || !source.follow) return { at, sizes, isLast: true };
    const isNew = sizes.stdout > position.stdout || sizes.stderr > position.stderr;
    return isNew && Math.abs(source.now() - steppedAt) > patienceMs ? { at, sizes, isLast: false } : "wait";
  }

  return async () => {
    for (;;) {
      if (step !== null) {
        const piece = (await readPiece("stdout", step)) ?? (await readPiece("stderr", step));
        if (piece !== null) return piece;
        if (step.isLast) return null;
        step = null;
      }
      const next = await nextStep();
      if (next !== "wait") {
        lastAt = stepTime(next.at, lastAt);
        step = { ...next, at: lastAt };
        steppedAt = source.now();
      }
      const [cut] = shortened;
      if (cut !== undefined) {
        shortened.delete(cut);
        const at = new Date(source.now()).toISOString();
        return { stream: cut, at, offset: position[cut], bytes: new Uint8Array(0) };
      }
      if (step !== null) continue;
      const stream = overdue();
      if (stream === null) return "wait";
      const sizes = { stdout: source.stdout.size(), stderr: source.stderr.size() };
      const piece = await readPiece(stream, { at: new Date(source.now()).toISOString(), sizes, isLast: true });
      return piece ?? "wait";
    }
  };
}

/** Returns the length of the whole lines among `bytes`, of a few hundred at most. */
function firstLines(bytes: Uint8Array): number {
  const end = wholeLines(bytes);
  let at = -1;
  for (let lines = 0; lines < maxPieceLines; lines++) {
    const next = bytes.indexOf(newline, at + 1);
    if (next < 0 || next >= end) return end;
    at = next;
  }
  return at + 1;
}
