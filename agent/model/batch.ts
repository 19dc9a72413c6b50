// Every type of the domain. Types only, plus the few constants that name their members; no behaviour.
import type { FromSchema } from "json-schema-to-ts";
import type { batchSchema } from "./batch-schema.gen.ts";
import type { DayRule } from "./calendar.ts";
import type { NotifyEvent } from "./execution.ts";
import type { BatchName, Revision } from "./ids.ts";
import type { Place, Problem } from "./problem.ts";

/** A batch.yaml as the schema describes it, with the schema's defaults filled in. */
export type BatchFile = FromSchema<typeof batchSchema>;

/** One thing that `cron` may hold, parsed. */
export type Pattern =
  | {
      kind: "cron";
      /** As written. */
      text: string;
      /** True when it keeps to real time when clocks go back (true) or starts once (false). */
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
  /** Days on which it may be due; null: on all. */
  days: DayRule | null;
  /** Equal for schedules with the same due times; a change of key is a change of schedule. */
  key: string;
}

export interface Retry {
  /** Attempts after the first. */
  limit: number;
  delayMs: number;
  factor: number;
  maxDelayMs: number;
  /** Exit codes after which another attempt is made; without them, after every failure. */
  codes?: readonly number[];
}

/** Describes who hears of which ends. */
export interface Notify {
  on: readonly NotifyEvent[];
  mail: readonly string[];
  webhook: readonly string[];
  /** Heartbeat addresses: each execution's start and end, unthrottled. */
  ping: readonly string[];
}

/** A valid batch, ready to use. Durations in ms. */
export interface Batch {
  name: BatchName;
  /** Name of the entry it was read from, as found: `report` or `report.zip`. */
  entry: string;
  /** Path of its group; "" at the top. */
  group: string;
  /** As written, over what it inherits, with defaults. */
  file: BatchFile;
  /** The group that each inherited key comes from; those of merged keys as `env.NAME`. */
  inherited: Readonly<Record<string, string>>;
  enabled: boolean;
  /** null where the batch has no `cron`. */
  schedule: Schedule | null;
  /** The rule that its calendars make, also where it has no schedule; missing or null where it names none. */
  days?: DayRule | null;
  startDeadlineMs: number;
  /** The previous batches; empty for a root. */
  after: readonly string[];
  independent: boolean;
  input: BatchFile["input"];
  onFailure: string | null;
  /** Tells where its chain is written, for problems that only show over all batches. */
  places: { file: string; top: Place; after: readonly Place[]; onFailure: Place | null };
  /** Declared parameters with their defaults. */
  params: Readonly<Record<string, string>>;
  /** Exit codes that are success. */
  successCodes: readonly number[];
  pool: string | null;
  /** Where that pool was declared when the batch was read, and its size; missing where it was not. */
  poolWhenRead?: { group: string; size: number };
  /** Higher starts first among those that wait for a place. */
  priority: number;
  /** How long after its due time a run may succeed before the batch is late. */
  lateAfterMs: number | null;
  timeoutMs: number | null;
  retry: Retry | null;
  concurrency: BatchFile["concurrency"];
  /** Options for bash, from the first line of script.sh. */
  shellOptions: readonly string[];
  /** `auto` resolved: through a copier where a file of the batch names its own output. */
  output: "file" | "pipe";
  env: Readonly<Record<string, string>>;
  envFiles: readonly string[];
  /** null when nobody is to hear of it. */
  notify: Notify | null;
  keep: { executions: number; ageMs: number | null };
}

export type BatchState = "scheduled" | "chained" | "disabled" | "invalid" | "removed";

/** Describes what the agent knows of one batch right now. */
export interface BatchStatus {
  name: BatchName | string;
  /** Tells where its entry lies now; missing where there is none. */
  group?: string;
  state: BatchState;
  /** The definition in force; null while nothing valid was ever seen, and once removed. */
  batch: Batch | null;
  revision: Revision | null;
  commit: string | null;
  problems: readonly Problem[];
  /** Disabled or invalid batches that keep it from starting. */
  blockedBy: readonly string[];
}

/** Describes what was read of one batch folder: facts only, judged by `parseBatch`. */
export interface Folder {
  /** Holds what its batch is called: the entry's name, an archive's without its extension. */
  name: string;
  /** The entry's name as found; problems name it. */
  entry: string;
  /** The group that the entry lies in; "" at the top. */
  group: string;
  /** Its path as people write it, `batches.d/extract`; problems name files below it. */
  location: string;
  /** Digest over sorted paths, run bits and bytes of all files. */
  digest: Revision;
  /**
   * batch.yaml and batch.yml, as far as they are there; `bytes` holds no more than the first 1 MiB + 1, `size` is the
   * file's own.
   */
  settings: readonly { file: string; bytes: Uint8Array; size: number }[];
  /** script.sh; `bytes` holds no more than the first 1 MiB. */
  script: { bytes: Uint8Array; size: number } | null;
  /** All files whole, as they were hashed, when they are small; else whoever wants them reads them again. */
  files?: readonly { path: string; executable: boolean; isPrivate: boolean; bytes: Uint8Array }[];
  /** Holds what it inherits from its groups: covered by `digest`, which is then not that of the files alone. */
  inherited?: { filesDigest: Revision; text: string };
  /**
   * True when any file names its process's own output (`/dev/stdout`, `/proc/self/fd`): opened anew, a plain file is
   * cut to nothing.
   */
  namesOutput?: boolean;
  /**
   * Holds what stood in the way of reading it as a batch: links that leave, special files, limits, a broken archive.
   */
  problems: readonly Problem[];
}
