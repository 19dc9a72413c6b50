// Names, ids and times. Types only.
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

const batchName = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** Returns whether a batch can have this name. */
export function isBatchName(text: string): text is BatchName {
  return batchName.test(text);
}

/** Returns a time as records write it: UTC, with milliseconds. */
export function iso(at: EpochMs): Iso {
  return new Date(at).toISOString();
}
