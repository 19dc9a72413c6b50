// The record of batches and executions, as everything outside this room sees it.
import type { Execution, ExecutionStatus, Reason } from "../model/execution.ts";
import type { BatchName, EpochMs, ExecutionId, Iso, Revision, RunId } from "../model/ids.ts";
import type { Change } from "./change.ts";
import type { Head } from "./document.ts";
import type { HistoryEvent } from "./events.ts";
import type { Outline, Span } from "./row-index.ts";

export type { Change } from "./change.ts";
export type { LateDue, Told } from "./document.ts";
export type { HistoryEvent } from "./events.ts";
export { isForgotten, maxKeep, selectExpired } from "./retention.ts";
export { outlineOf, runKey, type Outline } from "./row-index.ts";

/**
 * Describes what decisions read and write. A commit is in memory at once: nothing is awaited between deciding and
 * having it there, so that two decisions never start from the same state. Its promise resolves when it is durable.
 */
export interface Recorder {
  names: () => BatchName[];
  head: (name: string) => Readonly<Head> | undefined;
  /** Executions that are queued or running, oldest first. */
  open: () => Execution[];
  /** An execution as it was last decided, while it is open or its run goes on; what is older may be on disk only. */
  current: (id: string) => Execution | undefined;
  /** The key of the run that an execution on record belongs to. */
  runKeyOf: (id: string) => number | undefined;
  /** The latest execution of each batch in a run, while something of it is open; empty afterwards. */
  openRun: (run: RunId) => ReadonlyMap<string, Execution>;
  /** Executions of a run that are in memory, such as those whose record is not durable yet; in no order. */
  inMemoryOf: (run: RunId) => Execution[];
  /**
   * Takes a run that has ended into memory again, as `openRun` gives it, for the next commit is to open an execution
   * of it.
   * `rows`: all of it, as they were read.
   */
  reopen: (rows: readonly Execution[]) => void;
  /** Executions of a batch as they were last decided, newest first. */
  recent: (name: string) => Iterable<Outline>;
  /** Executions on record of a batch. */
  count: (name: string) => number;
  /** Revisions that executions on record name. */
  revisions: () => Revision[];
  /**
   * Changes the record, over any number of batches, as a whole: after a crash all of it is there or nothing. Rejects
   * with StoreError when it could not be written; it is then written again until that succeeds, or until a later commit
   * says otherwise. `lazy`: no more than a tenth of a second is lost by waiting for others. Who does not wait need not
   * catch.
   */
  commit: (changes: readonly Change[], options?: { lazy?: boolean }) => Promise<void>;
  /**
   * Changes executions and heads in memory only; the next commit about their batch carries it. Executions are shown
   * at once.
   */
  note: (changes: readonly Note[]) => void;
  /**
   * Returns whether a due time has its execution already, however the clock was set. Reads the disk where the clock
   * was.
   */
  hasStarted: (name: string, dueAt: Iso) => boolean;
  /** Resolves once all that was committed is durable, however long the disk is full. */
  durable: () => Promise<void>;
  /**
   * Hears of each change once it is durable, in order, and of notes at once. `seq` is the number of what is an
   * event, else null;
   * `before`: for a put, the execution as it was last heard of.
   */
  subscribe: (listener: Listener) => void;
  /** Bytes of all logs that ended executions have left. */
  logBytes: () => number;
  /** Ended executions that have left logs, oldest first. Nothing may be awaited while they are read. */
  oldestLogs: () => Iterable<Outline>;
  /** Returns whether an execution is on record with its logs. */
  hasLogs: (id: string) => boolean;
  /** Deletes the folder of an execution whose record says that its logs are deleted. */
  deleteLogs: (batch: BatchName, id: ExecutionId) => Promise<void>;
  /** Deletes execution folders that no record names, or says are deleted: what a crash left between the two. */
  deleteOrphans: () => Promise<number>;
}

/** Describes what may wait for the next commit. */
export type Note = Extract<Change, { kind: "put" | "head" }>;

export type Listener = (seq: number | null, change: Change, before: Execution | undefined) => void;

export interface ExecutionQuery {
  batch?: string;
  /** Several batches, such as those of a group. */
  batches?: ReadonlySet<string>;
  statuses?: readonly ExecutionStatus[];
  reasons?: readonly Reason[];
  run?: string;
  /** Created at or after. */
  since?: EpochMs;
  /** Created before or at. */
  until?: EpochMs;
  limit: number;
  /** Only executions with a smaller id. */
  before?: string;
}

/** Describes what is shown. An end is seen here only once it is durable, in every field. May read the disk. */
export interface HistoryReader {
  head: (name: string) => Readonly<Head> | undefined;
  find: (id: string) => Promise<Execution | undefined>;
  /** Returns whether an execution is queued or running; without the disk. */
  isOpen: (id: string) => boolean;
  /** Executions of a run, oldest first. */
  run: (run: string) => Promise<Execution[]>;
  /** Newest first. */
  page: (query: ExecutionQuery) => Promise<{ items: Execution[]; more: boolean }>;
  /** All executions of a batch, oldest first. */
  document: (name: string) => Promise<Execution[]>;
  /**
   * Returns what is known without the disk: executions of a batch, newest first. Nothing may be awaited while they
   * are read.
   */
  outlines: (name: string) => Iterable<Outline>;
  /**
   * When executions of all batches were at work, those that began since or had not ended then. Nothing may be awaited
   * meanwhile.
   */
  spansSince: (since: EpochMs) => Iterable<Span>;
  counts: (name: string) => Record<ExecutionStatus, number>;
  /** Ids of executions of which people are still to be told, or heartbeats to be sent. */
  notifyDue: () => ExecutionId[];
  events: {
    newest: () => number;
    /** Events after a number; null when some of them are no longer held, or the number was never given. */
    since: (id: number) => readonly HistoryEvent[] | null;
  };
}
