// Every type of the domain. Types only, plus the few constants that name their members; no behaviour.
import type { FromSchema } from "json-schema-to-ts";
import type { batchSchema } from "../definitions/batch-schema.gen.ts";

/** Name of a batch: the folder's name, `^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`. */
export type BatchName = string & { readonly __is: "BatchName" };
/** ULID of an execution; sorts by creation. */
export type ExecutionId = string & { readonly __is: "ExecutionId" };
/** ULID of a run: all that one root start sets off. */
export type RunId = string & { readonly __is: "RunId" };
/** First 12 hex digits of the digest of a batch's files. */
export type Revision = string & { readonly __is: "Revision" };
/** Milliseconds since 1970 UTC. */
export type EpochMs = number;
/** ISO 8601 in UTC with milliseconds, `2026-11-24T02:00:00.000Z`. */
export type Iso = string;

/** A batch.yaml as the schema describes it, with the schema's defaults filled in. */
export type BatchFile = FromSchema<typeof batchSchema>;

/** One thing that `cron` may hold, parsed. */
export type Pattern =
  | {
      kind: "cron";
      /** As written. */
      text: string;
      /** Whether it keeps to real time when clocks go back (true) or starts once (false). */
      repeats: boolean;
    }
  | {
      kind: "once";
      text: string;
      /** Wall-clock time read as if it were UTC; or an exact instant if the text carried an offset. */
      wallMs: number;
      exact: boolean;
    };

/** When a batch is due: the union of its patterns, in one zone. */
export interface Schedule {
  patterns: readonly Pattern[];
  /** IANA name, always resolved. */
  timeZone: string;
  /** How much later than due each start comes, in ms: the batch's share of its `jitter`. */
  jitterMs: number;
  /** Equal for schedules with the same due times; a change of key is a change of schedule. */
  key: string;
}

/** A place in a text file; both count from 1. */
export interface Place {
  line: number;
  column: number;
}

export interface Retry {
  /** Attempts after the first. */
  limit: number;
  delayMs: number;
  factor: number;
  maxDelayMs: number;
}

/** How a process ended; `finishedAt` is the truth as far as it can be known. */
export type ProcessEnding = { finishedAt: EpochMs; stdoutBytes: number; stderrBytes: number } & (
  | { kind: "exit"; exitCode: number }
  | { kind: "signal"; signal: string }
  /** It never came to be. */
  | { kind: "spawn"; message: string }
  /** It is gone and left no word. */
  | { kind: "lost" }
);

export type NotifyEvent = "failure" | "recovery" | "success" | "unusual";

/** Who hears of which ends. */
export interface Notify {
  on: readonly NotifyEvent[];
  mail: readonly string[];
  webhook: readonly string[];
}

/** What an end asks to be told, until it waits in the outbox. */
export interface NotifyDue {
  event: NotifyEvent;
  /** Ends of this kind since the last one that was told, this one included; for a recovery, the failures before it. */
  count: number;
  /** When the last one was told; null for the first, and for a recovery. */
  since: Iso | null;
}

/** What was told of a batch's ends, and what was held back. */
export interface Told {
  /** Final failures since the last success; 0: it is well. */
  failures: number;
  /** Whether these failures were told, so that their end is worth telling. */
  heard: boolean;
  /** When the first failures after a success were told, in the last hour. */
  streaks: readonly Iso[];
  /** When each was last told, and how many there were since. */
  last: Partial<Record<Exclude<NotifyEvent, "recovery">, { at: Iso; held: number }>>;
}

/** A valid batch, ready to use. Durations in ms. */
export interface Batch {
  name: BatchName;
  /** Name of the entry it was read from, as found: `report` or `report.zip`. */
  entry: string;
  /** As written, with defaults. */
  file: BatchFile;
  enabled: boolean;
  /** null where the batch has no `cron`. */
  schedule: Schedule | null;
  startDeadlineMs: number;
  /** The previous batches; empty for a root. */
  after: readonly string[];
  independent: boolean;
  input: BatchFile["input"];
  onFailure: string | null;
  /** Where its chain is written, for problems that only show over all batches. */
  places: { file: string; top: Place; after: readonly Place[]; onFailure: Place | null };
  timeoutMs: number | null;
  retry: Retry | null;
  concurrency: BatchFile["concurrency"];
  env: Readonly<Record<string, string>>;
  envFiles: readonly string[];
  /** null when nobody is to hear of it. */
  notify: Notify | null;
  keep: { executions: number; ageMs: number | null };
}

/** Something wrong with a batch folder. `batch` is the entry's name as found; line and column count from 1. */
export interface Problem {
  batch: string;
  file: string | null;
  line: number | null;
  column: number | null;
  /** Path of the key in batch.yaml, such as `retry.limit`. */
  path: string | null;
  code: ProblemCode;
  message: string;
  hint: string | null;
}

/** Every problem code there is; each has a fixture under test/fixtures/invalid/. */
export const problemCodes = [
  "bad-name", // the folder's name cannot be a batch's name
  "no-script", // batch.yaml without script.sh
  "no-settings", // script.sh without batch.yaml
  "two-settings", // batch.yaml and batch.yml
  "two-sources", // x/ beside x.zip
  "empty-file", // batch.yaml or script.sh holds nothing
  "not-text", // batch.yaml or script.sh is binary
  "too-large", // a file, or the batch as a whole, is over its limit
  "too-many-files",
  "special-file", // FIFO, socket, device, hard link in an archive; or script.sh is a folder
  "link-outside", // a symbolic link leaves the watched root (or its archive), or leads nowhere
  "bad-archive", // an archive is damaged, cut off, encrypted, of another kind than its name says, or holds names that are not allowed
  "unreadable", // the folder or a file cannot be read (permissions, I/O)
  "unsettled", // the files keep changing
  "yaml-syntax",
  "yaml-tab", // a tab where YAML wants spaces
  "yaml-duplicate-key",
  "yaml-alias", // too many aliases
  "yaml-multiple", // more than one document
  "crlf", // script.sh has Windows line endings
  "schema", // a value of the wrong type or out of range
  "unknown-key",
  "bad-duration",
  "bad-cron",
  "never-due",
  "bad-time-zone",
  "no-start", // neither cron nor after, and nobody's onFailure
  "unknown-batch", // after or onFailure names a batch that is not there
  "cycle",
  "no-common-root", // after: [a, b] that are never in the same run
  // Trouble of the agent's own, not of a folder:
  "not-stored", // no copy of the batch could be made in the data folder; the last revision stays in force
  "data-folder", // the data folder takes no writes
  "history-corrupt", // a history could not be read and was set aside
  "git-not-followed", // what --git-url names cannot be asked, fetched or used; the last good commit stays in force
  "no-bash", // bash is not on the agent's PATH
  "no-mail", // batches ask for mail, and the agent has no --smtp-url
  "not-delivered", // mails or webhooks wait because nobody takes them
] as const;
export type ProblemCode = (typeof problemCodes)[number];

/** Why the agent itself ends an execution. */
export type FinishedBy = "timeout" | "log-limit" | "replaced" | "shutdown";
export type ExecutionStatus = "queued" | "running" | "succeeded" | "failed" | "aborted";
export type FailedReason = "exit" | "signal" | "timeout" | "spawn" | "lost" | "log-limit";
export type AbortedReason =
  | "previous-failed"
  | "previous-aborted"
  | "previous-not-run"
  | "overlap"
  | "replaced"
  | "deadline"
  | "missed"
  | "shutdown"
  | "disabled";
type Reason = FailedReason | AbortedReason;
export type TriggerKind = "cron" | "after" | "onFailure" | "retry" | "manual";

/** One execution: the record in history.json, and (without `boot`) what the API shows. */
export interface Execution {
  id: ExecutionId;
  run: RunId;
  batch: BatchName;
  revision: Revision | null;
  commit: string | null;
  trigger: {
    kind: TriggerKind;
    /** Due time of the run's root start. */
    dueAt: Iso;
    /** The execution that caused this one. */
    by: ExecutionId | null;
  };
  attempt: number;
  status: ExecutionStatus;
  reason: Reason | null;
  message: string | null;
  exitCode: number | null;
  signal: string | null;
  pid: number | null;
  createdAt: Iso;
  startedAt: Iso | null;
  finishedAt: Iso | null;
  durationMs: number | null;
  progress: { percent: number; message: string | null; at: Iso } | null;
  estimatedEndAt: Iso | null;
  stdoutBytes: number;
  stderrBytes: number;
  unusual: "too-fast" | "too-slow" | "too-quiet" | null;
  /** Only on `missed` rows: first and last due time of the gap and how many there were. */
  missed?: { from: Iso; to: Iso; count: number };
  /** Executions it comes after, in the order of `after`. Not shown. */
  previous?: readonly ExecutionId[];
  /** Set while what follows in its run is not yet recorded. Not shown. */
  followUpsDue?: true;
  /** Set while what people are to be told of it does not wait in the outbox yet. Not shown. */
  notifyDue?: NotifyDue;
  /** When a retry's delay is over, or the wait for an earlier execution was. Not shown. */
  notBefore?: Iso;
  /** What its batch's timeout was at its start, null for none; missing before it. Not shown. */
  timeoutMs?: number | null;
  /** Boot id of the machine that started it; a pid means nothing after a reboot. Not shown. */
  boot?: string | null;
}

/** history.json of one batch. Executions oldest first. */
export interface BatchDocument {
  name: BatchName;
  firstSeenAt: Iso;
  /** When its folder went away; null while it is there. */
  removedAt: Iso | null;
  /** The revision in force. */
  revision: Revision | null;
  commit: string | null;
  /** The schedule in force, and up to when its due times are accounted for: none at or before is ever started again. */
  schedule: { key: string; coveredUntil: Iso } | null;
  /** The latest due time that has come, of whatever schedule was in force then; missing before the first. */
  lastDueAt?: Iso;
  /** Missing while nothing was ever to be told. */
  told?: Told;
  executions: Execution[];
}

export type BatchState = "scheduled" | "chained" | "disabled" | "invalid" | "removed";

/** What the agent knows of one batch right now. */
export interface BatchStatus {
  name: BatchName | string;
  state: BatchState;
  /** The definition in force; null while nothing valid was ever seen, and once removed. */
  batch: Batch | null;
  revision: Revision | null;
  commit: string | null;
  problems: readonly Problem[];
  /** Disabled or invalid batches that keep it from starting. */
  blockedBy: readonly string[];
}

/** What was read of one batch folder: facts only, judged by `parseBatch`. */
export interface Folder {
  /** What its batch is called: the entry's name, an archive's without its extension. */
  name: string;
  /** The entry's name as found; problems name it. */
  entry: string;
  /** Its path as people write it, `batches.d/extract`; problems name files below it. */
  location: string;
  /** Digest over sorted paths, run bits and bytes of all files. */
  digest: Revision;
  /** batch.yaml and batch.yml, as far as they are there; `bytes` holds no more than the first 1 MiB + 1, `size` is the file's own. */
  settings: readonly { file: string; bytes: Uint8Array; size: number }[];
  /** script.sh; `bytes` holds no more than the first 1 MiB. */
  script: { bytes: Uint8Array; size: number } | null;
  /** All files whole, as they were hashed, when they are small; else whoever wants them reads them again. */
  files?: readonly { path: string; executable: boolean; bytes: Uint8Array }[];
  /** What stood in the way of reading it as a batch: links that leave, special files, limits, a broken archive. */
  problems: readonly Problem[];
}

/** Something worth knowing that is no mistake, such as a change of clocks that a schedule touches. */
export interface Note {
  batch: string;
  file: string | null;
  line: number | null;
  column: number | null;
  message: string;
}
