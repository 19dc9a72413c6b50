// What the loops and the HTTP layer need of the world, as types only. The adapters in io/ implement them.
import type { Edge } from "./definitions/chain-graph.ts";
import type { ExecutionQuery } from "./history/ledger.ts";
import type {
  BatchDocument,
  BatchName,
  BatchStatus,
  EpochMs,
  Execution,
  ExecutionId,
  FinishedBy,
  Folder,
  Iso,
  NotifyDue,
  NotifyEvent,
  ProcessEnding,
  Problem,
  Revision,
  RunId,
  Told,
} from "./model/batch.ts";

export interface Clock {
  now(): EpochMs;
  /** Calls `fn` once after `ms` (at most a day; never throws) and returns what takes it back. */
  after(ms: number, fn: () => void): () => void;
}

/** Gives a ULID for `now`, larger than every one given before. */
export type NewId = (now: EpochMs) => string;

export interface Logger {
  debug(message: string, fields?: object): void;
  info(message: string, fields?: object): void;
  warn(message: string, fields?: object): void;
  error(message: string, fields?: object): void;
}

export type Loaded =
  /** Nothing there, or nothing that is a batch. */
  | { kind: "absent" }
  /** It could not be read: says nothing about what is there. */
  | { kind: "unreadable"; problem: Problem }
  | {
      kind: "found";
      folder: Folder;
      /** When any of its files last changed, by the file system's clock. */
      changedAt: EpochMs;
      /** Names this state of the files without their content; null when it cannot be relied on. */
      signature?: string | null;
    };

/** It is as it was when it bore the signature that was given. */
export interface Unchanged {
  kind: "unchanged";
}

/** Where batches come from: today a folder of folders. */
export interface BatchSource {
  /** Names of all entries that may be batches. Throws StoreError when the root cannot be read. */
  list(): Promise<string[]>;
  /** Reads one entry whole, unless its files still bear the signature `seen`. Never throws. */
  load(name: string): Promise<Loaded>;
  load(name: string, seen: string | null): Promise<Loaded | Unchanged>;
}

/** What is known of the git work tree that the folder of batches lies in. */
export interface WorkTreeState {
  /** Its HEAD, 40 hex; null outside of a work tree and before the first commit. */
  commit: string | null;
  /** Since when git holds its index locked, as it does while it rewrites the files; null when it does not. */
  lockedAt: EpochMs | null;
}

export interface WorkTree {
  /** Never throws. */
  look(): Promise<WorkTreeState>;
}

/** Immutable copies of batch folders by digest. */
export interface Revisions {
  /** Keeps the batch's files as `folder` says they are; false when they must be read again and are no longer so. Throws StoreError. */
  store(folder: Folder): Promise<boolean>;
  /** A stored revision as a folder, for the batch `name`; null when it is not there. */
  load(revision: Revision, name: BatchName): Promise<Folder | null>;
  path(revision: Revision): string;
  /** Every file of a stored revision, by path; null when it is not there. */
  files(revision: Revision): Promise<RevisionFile[] | null>;
  /** Deletes every revision that is not in `inUse`, asked anew before each one goes; how many went. */
  collect(inUse: () => ReadonlySet<Revision>): Promise<number>;
}

export interface RevisionFile {
  /** Relative to the batch's folder, with `/`. */
  path: string;
  size: number;
  executable: boolean;
  /** All its bytes. */
  read(): Promise<Uint8Array>;
  /** SHA-256 of its bytes, in hex. */
  digest(): Promise<string>;
}

/** Durable record of batches and executions. Reads are answered from memory. */
export interface History {
  names(): BatchName[];
  document(name: string): Readonly<BatchDocument> | undefined;
  find(id: string): Execution | undefined;
  /** Executions of a run, oldest first. */
  run(run: RunId | string): Execution[];
  /** Newest first. */
  page(query: ExecutionQuery): { items: Execution[]; more: boolean };
  /**
   * Adds or replaces one execution (by id) and takes out those in `drop`, whose folders are deleted afterwards. Seen at
   * once; durable when the promise resolves. Rejects with StoreError; it is then written again until that succeeds.
   */
  save(execution: Execution, drop?: readonly ExecutionId[]): Promise<void>;
  /** Moves the time up to which a batch's due times are accounted for. `due`: its latest due time, if one has come. In memory only, the next write carries it. */
  cover(name: BatchName, until: Iso, due?: Iso): void;
  /** Puts down what was told of a batch; in memory only, the next write carries it. */
  tell(name: BatchName, told: Told): void;
  /** Resolves once a batch's document is on disk as it stands, however long its disk is full or its folder locked. */
  written(name: BatchName): Promise<void>;
  /** Replaces one execution in memory only, for what the next write may carry (its pid). */
  show(execution: Execution): void;
  /** Changes all but the executions of a document, made if it is new. Durable when the promise resolves. */
  amend(name: BatchName, fields: Partial<Omit<BatchDocument, "name" | "executions">>, now: EpochMs): Promise<void>;
  /** Takes executions out of the record, then deletes their folders. */
  drop(name: BatchName, ids: readonly ExecutionId[]): Promise<void>;
  /** Deletes execution folders that no record names any more: what a crash left between the two. How many. */
  dropStrays(name: BatchName): Promise<number>;
  /** Deletes a batch's document, state and executions. */
  forget(name: BatchName): Promise<void>;
}

export type LogStream = "stdout" | "stderr";

export interface LogSizes {
  stdoutBytes: number;
  stderrBytes: number;
}

/** Hands over pieces one after the other; the memory of one is used again once `write` has resolved. */
export type LogCopy = (write: (piece: Uint8Array) => Promise<void>) => Promise<void>;

/** The log files of executions. */
export interface LogStore {
  /** Size in bytes and time of the last write; null when there is no such file. */
  stat(batch: BatchName, id: ExecutionId, stream: LogStream): Promise<{ size: number; changedAt: EpochMs } | null>;
  /** Bytes from `start` up to but without `end`; stops early when the file is shorter. Read as the reader asks for them. */
  read(batch: BatchName, id: ExecutionId, stream: LogStream, start: number, end: number): ReadableStream<Uint8Array>;
  /** The same bytes, piece by piece. Rejects when it is shorter, cannot be read, or `write` does. */
  copy(batch: BatchName, id: ExecutionId, stream: LogStream, start: number, end: number): LogCopy;
  /** Cuts both logs to `limit` bytes, even while they are written; their sizes now, and whether one was longer. */
  trim(batch: BatchName, id: ExecutionId, limit: number): Promise<LogSizes & { cut: boolean }>;
  /** Offset at which the last `lines` lines before `end` begin; an unfinished last line counts. */
  tailStart(batch: BatchName, id: ExecutionId, stream: LogStream, lines: number, end: number): Promise<number>;
}

/** A log that is being followed. Its bytes stay in the file until they are asked for. */
export interface LogTap {
  /** Its length as last seen; 0 while there is no such file. */
  size(): number;
  /** Its length now. */
  measure(): Promise<number>;
  /** `length` bytes from `start`, fewer where it is shorter. Whoever asks for the same gets the same array: not to be changed. */
  read(start: number, length: number): Promise<Uint8Array>;
  /** Resolves a moment later, once the size has been looked at again. */
  beat(): Promise<void>;
  /** Gives it back; its file is closed with the last one that follows it. */
  close(): void;
}

/** Logs to follow, each open once however many follow it. */
export interface LogTaps {
  open(batch: BatchName, id: ExecutionId, stream: LogStream): Promise<LogTap>;
}

export interface StartOrder {
  execution: Execution;
  /** Absolute path of the script's working directory. */
  cwd: string;
  /** Environment, later ones win: the agent's share, the files' (`NAME=value` lines), the batch's own. */
  baseEnv: Readonly<Record<string, string>>;
  envFiles: readonly string[];
  ownEnv: Readonly<Record<string, string>>;
  /** Absolute paths of files that are the script's stdin, one after the other; those that are not there are passed over. */
  stdin: readonly string[];
}

export interface Process {
  /** Id of the process and of its group; null if it never came to be. */
  pid: number | null;
  /** Resolves once, never rejects. */
  ended: Promise<ProcessEnding>;
  /** Sends a signal to the whole group, if it is still ours. */
  signal(name: "SIGTERM" | "SIGKILL"): void;
  /** Leaves word of why it is about to be ended, for an agent that may have to follow it to its end. */
  sayWhy(reason: FinishedBy): void;
  /** What an earlier agent has left word of. */
  saidWhy: FinishedBy | null;
  /** Whether something of the group is left. After the end, ask at once and keep asking: an empty group's number may be reused. */
  lingers(): boolean;
}

/** The token that requests must bear. */
export interface TokenSource {
  /** As it is now; null while it cannot be had, and then nobody has it. */
  current(): Promise<string | null>;
}

/** Runs scripts. A second one (Kubernetes Jobs) will come. */
export interface Runner {
  /** Resolves when it is one's turn to start: a start takes milliseconds of the event loop, so each round of it has one. */
  turn(): Promise<void>;
  /** Never throws: a start that fails is an ending of kind `spawn`. */
  start(order: StartOrder): Process;
  /** Takes over an execution that an earlier agent left running, or finds how it ended. */
  adopt(execution: Execution): Process;
  /** Names this boot of the machine. */
  readonly boot: string | null;
}

/** A repository that is followed, in the data folder. */
export interface Remote {
  /** The folder of batches in the commit that is in force: a link that is swapped; it is not there before the first. */
  readonly folder: string;
  /** Its address as it may be shown, without credentials. */
  readonly url: string;
  /** The commit that is in force; null before the first. */
  commit(): string | null;
  /** What the ref names now: its full name and its commit. Throws StoreError, which holds no credentials. */
  ask(): Promise<{ name: string; commit: string }>;
  /** Fetches a ref and puts its commit in force, whole or not at all; `refused` says why it cannot be. Throws StoreError. */
  take(ref: { name: string }): Promise<{ commit: string; refused: string | null }>;
  /** Deletes all trees but the one in force. */
  tidy(): Promise<void>;
  /** Ends what git is doing. */
  close(): void;
}

export interface GitHealth {
  url: string;
  ref: string | null;
  commit: string | null;
  /** When the remote was last asked with success. */
  lastFetchedAt: string | null;
  error: string | null;
}

export interface WatchHealth {
  mode: "inotify" | "poll";
  lastVerifiedAt: string | null;
  missedEvents: number;
}

/** What the HTTP layer may ask of the running agent. */
export interface Catalog {
  /** Every batch there is or whose history is still kept, by name. */
  batches(): readonly BatchStatus[];
  batch(name: string): BatchStatus | undefined;
  /** The coming `count` starts, ISO, nothing for what is not scheduled. */
  next(name: string, count: number): string[];
  /** The first of these, had at once; null when there is none. */
  nextDueAt(name: string): EpochMs | null;
  problems(): readonly Problem[];
  edges(): readonly Edge[];
  /** Why the agent is not ready; empty when it is. */
  notReady(): string[];
  details(): {
    watch: WatchHealth;
    running: number;
    queued: number;
    batches: number;
    problems: number;
    version: string;
    timeZone: string;
    git: GitHealth | null;
  };
}

/** Hints that entries may have changed. */
export interface Watch {
  start(): Promise<void>;
  /** Checks that it still watches the folder that is there now. */
  verify(): Promise<void>;
  close(): Promise<void>;
  mode(): "inotify" | "poll";
}

/** What became of an asked start: an execution, or why there is none. */
export type TriggerAnswer = { id: string } | { error: string };

/** Starts that commands on this machine ask for. */
export interface TriggerBox {
  open(): Promise<void>;
  /** Takes all that wait; each is taken once. */
  take(): Promise<{ batch: string; answer(answer: TriggerAnswer): Promise<void> }[]>;
}

/** Tells people of ends. Never holds up an execution. */
export interface Notifier {
  /** What people are to be told of a final execution: its record is to carry it, in the same write as its end. */
  decide(final: Execution): NotifyDue | null;
  /** Sees to what a recorded end carries. Returns at once. */
  take(final: Execution): void;
}

/** What one receiver is told of one end, rendered. */
export interface Message {
  /** The same for the same end and receiver, whenever it is made; `[0-9A-Za-z-]`. */
  id: string;
  batch: BatchName;
  execution: ExecutionId;
  event: NotifyEvent;
  createdAt: Iso;
  /** A mail address, or a webhook's URL, which may hold a secret. */
  to: string;
  content: { kind: "mail"; subject: string; text: string; html: string } | { kind: "webhook"; body: string };
}

/** Messages that wait to be delivered, on disk. */
export interface Outbox {
  /** All that wait. One that cannot be read is set aside, and said. Throws StoreError. */
  open(): Promise<Message[]>;
  /** Durable when the promise resolves; in place of one with the same id. Throws StoreError. */
  put(message: Omit<Message, "id">): Promise<Message>;
  /** null when it is gone. Throws StoreError. */
  read(id: string): Promise<Message | null>;
  /** Throws StoreError. */
  remove(id: string): Promise<void>;
}

/** What became of a message. `why` is for people and holds no secret. */
export type Delivery =
  | { kind: "accepted" }
  /** It will never be taken. */
  | { kind: "refused"; why: string }
  | {
      kind: "later";
      why: string;
      /** What the receiver asked to wait, in ms. */
      waitMs: number | null;
      /** Whether nothing else will get through there either: nobody answers. */
      down: boolean;
    };

/** Delivers messages of one kind. */
export interface Courier {
  /** Takes a bounded time. Never throws. */
  send(message: Message): Promise<Delivery>;
  /** Breaks off what is under way. */
  close(): void;
}

/** Settings files as they lie in the folder of batches now. */
export interface SettingsFiles {
  /** Text of `file`, named as problems of `batch` name it; null when it is none of its settings files or cannot be read. */
  read(batch: string, file: string): Promise<string | null>;
}
