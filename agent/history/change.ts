// Changes of the record as data, and the line of the journal that a commit becomes. Pure.
import { crc32 } from "node:zlib";
import { emptyOutcome, type Execution } from "../model/execution.ts";
import type { BatchName, ExecutionId } from "../model/ids.ts";
import { isExecution, type Head } from "./document.ts";

export type Change =
  /** Adds or replaces an execution. `silent`: nothing that is shown of it is different. */
  | { kind: "put"; execution: Execution; silent?: true }
  /** Takes executions out of the record; their folders go afterwards. */
  | { kind: "delete"; batch: BatchName; ids: readonly ExecutionId[] }
  /** Sets fields of a batch's head, made if it is new. */
  | { kind: "head"; batch: BatchName; fields: Partial<Omit<Head, "name">> }
  /** Deletes a batch with all that is on record of it. */
  | { kind: "forget"; batch: BatchName }
  /**
   * Something of a batch that is not on record has changed: its state, its problems, its result. An event, nothing
   * else.
   */
  | { kind: "touch"; batch: string };

/**
 * The line of one commit. Those of its changes that are events are numbered from `seq` on: the ids of `/api/events`.
 */
export interface JournalLine {
  seq: number;
  changes: readonly Change[];
  /** Repeats what earlier lines said, so that those can go: tells of nothing new. */
  repeated?: true;
}

/** Returns whether readers are told of a change. */
export function isEvent(change: Change): boolean {
  return change.kind === "touch" || (change.kind === "put" && change.silent !== true);
}

/** Changes with the number of each that is an event, the first of which has `seq`; null for others. */
export function numbered(changes: readonly Change[], seq: number): { change: Change; number: number | null }[] {
  let next = seq;
  return changes.map((change) => ({ change, number: isEvent(change) ? next++ : null }));
}

/** The batch that a change is about. */
export function batchOf(change: Change): string {
  return change.kind === "put" ? change.execution.batch : change.batch;
}

/** Fields that are left out of a line where they hold nothing: two thirds of a start's row. */
const blank = { commit: null, ...emptyOutcome } satisfies Partial<Execution>;

/** JSON and a newline, with a checksum: a flipped bit in a message is no other message. */
export function encodeLine({ seq, changes, repeated }: JournalLine): string {
  const mark = repeated === true ? '"repeated":true,' : "";
  const body = `{"seq":${seq},${mark}"changes":${JSON.stringify(changes.map(packed))}`;
  return `${body},"crc":"${checksum(body)}"}\n`;
}

/** A line without its newline; null for what no agent can have written. */
export function decodeLine(text: string): JournalLine | null {
  const at = text.length - ',"crc":"00000000"}'.length;
  if (at < 0 || text.slice(at) !== `,"crc":"${checksum(text.slice(0, at))}"}`) return null;
  try {
    const line = JSON.parse(text) as JournalLine;
    if (!Number.isSafeInteger(line.seq) || !Array.isArray(line.changes)) return null;
    const changes = line.changes.map(unpacked);
    return changes.every(isChange) ? { ...line, changes } : null;
  } catch {
    return null;
  }
}

function packed(change: Change): unknown {
  if (change.kind !== "put") return change;
  const execution = Object.fromEntries(
    Object.entries(change.execution).filter(([key, value]) => blank[key as keyof typeof blank] !== value),
  );
  return { ...change, execution };
}

function unpacked(change: Change): Change {
  return change.kind === "put" ? { ...change, execution: { ...blank, ...change.execution } } : change;
}

function isChange(change: Change): boolean {
  switch (change.kind) {
    case "put":
      return isExecution(change.execution);
    case "delete":
      return typeof change.batch === "string" && Array.isArray(change.ids);
    case "head":
      return typeof change.batch === "string" && typeof change.fields === "object";
    case "forget":
    case "touch":
      return typeof change.batch === "string";
    default:
      change satisfies never;
      return false;
  }
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, "0");
}
