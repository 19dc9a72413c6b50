// Logs of executions: sizes, copies and live readers.
import type { EpochMs, ExecutionId, BatchName } from "../model/ids.ts";

import type { Found } from "./search.ts";

export { mergedEnd } from "./merged-end.ts";
export { createMerge, type MergedPiece, type MergeSource } from "./merge.ts";
export { maxTimesBytes, orderOf, parseStep, type LogOrder, type LogSizes, type LogStep } from "./order.ts";

export type LogStream = "stdout" | "stderr";
/** Hands over pieces one after the other; the memory of one is used again once `write` has resolved. */
export type LogCopy = (write: (piece: Uint8Array) => Promise<void>) => Promise<void>;
/** The log files of executions. */
export interface LogStore {
  /** Size in bytes and time of the last write; null when there is no such file, or something else in its place. */
  stat: (batch: BatchName, id: ExecutionId, stream: LogStream) => Promise<{ size: number; changedAt: EpochMs } | null>;
  /**
   * Bytes from `start` up to but without `end`; stops early when the file is shorter. Read as the reader asks for
   * them.
   */
  read: (
    batch: BatchName,
    id: ExecutionId,
    stream: LogStream,
    start: number,
    end: number,
    pieceBytes?: number,
  ) => ReadableStream<Uint8Array>;
  /** The same bytes, piece by piece. Rejects when it is shorter, cannot be read, or `write` does. */
  copy: (batch: BatchName, id: ExecutionId, stream: LogStream, start: number, end: number) => LogCopy;
  /** Offset at which the last `lines` lines before `end` begin; an unfinished last line counts. */
  tailStart: (batch: BatchName, id: ExecutionId, stream: LogStream, lines: number, end: number) => Promise<number>;
  /**
   * The first `limit` lines of the whole log that hold a text; its case counts only where it has an upper-case
   * letter.
   */
  search: (
    batch: BatchName,
    id: ExecutionId,
    stream: LogStream,
    text: string,
    limit: number,
    isGone: () => boolean,
  ) => Promise<Found[]>;
}
/** A log that is being followed. Its bytes stay in the file until they are asked for. */
export interface LogFollower {
  /** Its length as last seen; 0 while there is no such file. */
  size: () => number;
  /** Its length now. */
  measure: () => Promise<number>;
  /**
   * `length` bytes from `start`, fewer where it is shorter. Whoever asks for the same gets the same array: not to be
   * changed.
   */
  read: (start: number, length: number) => Promise<Uint8Array>;
  /** Resolves a moment later, once the size has been looked at again. */
  nextTick: () => Promise<void>;
  /** Gives it back; its file is closed with the last one that follows it. */
  close: () => void;
}
/** Logs to follow, each open once however many follow it. */
export interface LogFollowers {
  open: (batch: BatchName, id: ExecutionId, file: LogStream | "times") => Promise<LogFollower>;
}
