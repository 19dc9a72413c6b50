// The shape of history.json: what is on record of one batch, and its text. Pure.
import { idPattern, statuses, type Execution, type NotifyEvent } from "../model/execution.ts";
import type { BatchName, ExecutionId, Iso, Revision } from "../model/ids.ts";

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
  /**
   * How late it is: null or missing where it cannot be. `afterMs`: its `lateAfter`; `judged`: due times up to this one
   * have been judged; `isLate`: it has not succeeded since the last that it was late for. `open`: of the due times
   * after `judged` up to `upTo` those without a success, at least the newest of them: their rows may be deleted before
   * they are judged.
   */
  late?: { afterMs: number; judged: Iso; isLate: boolean; open?: readonly Iso[]; upTo?: Iso } | null;
  /** Due times that people are to be told it is late for, until that waits in the outbox. */
  lateDue?: readonly LateDue[];
  /**
   * Commands that changed something here, the newest last: one that is found again after a crash has been carried
   * out.
   */
  commands?: readonly { id: string; ids: readonly ExecutionId[] }[];
  executions: Execution[];
}

/** All of a batch's record but its executions. */
export type Head = Omit<BatchDocument, "executions">;

/** Describes what was told of a batch's ends, and what was held back. */
export interface Told {
  /** Final failures since the last success; 0: it is well. */
  failures: number;
  /** True when these failures were told, so that their end is worth telling. */
  heard: boolean;
  /** When the first failures after a success were told, in the last hour. */
  streaks: readonly Iso[];
  /** When each was last told, and how many there were since. */
  last: Partial<Record<Exclude<NotifyEvent, "recovery">, { at: Iso; held: number }>>;
}

/** A due time that a batch is late for, as people are to be told. */
export interface LateDue {
  dueAt: Iso;
  /** Its execution then; null where there was none. */
  execution: ExecutionId | null;
  /** Due times it was late for since the last that was told, this one included. */
  count: number;
  since: Iso | null;
}

/** A document taken apart without reading its rows: each is a line of its own. */
export interface DocumentText {
  head: Head;
  /** JSON of each execution, by id. */
  rows: Map<ExecutionId, string>;
}

/** The head of a batch that is on record for the first time. */
export function newHead(name: BatchName, firstSeenAt: Iso): Head {
  return { name, firstSeenAt, removedAt: null, revision: null, commit: null, schedule: null };
}

const opening = ',"executions":[';
const closing = "\n]}\n";

/** JSON with a line for each execution, oldest first: good for jq, for grep, and for reading one row alone. */
export function documentText({ head, rows }: DocumentText): string {
  const lines = [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => `\n${row}`);
  return `${JSON.stringify(head).slice(0, -1)}${opening}${lines.join(",")}${closing}`;
}

/** Takes a document apart line by line; null where it is not written the way `documentText` writes. */
export function splitDocument(text: string): DocumentText | null {
  const lines = text.split("\n");
  const first = lines[0] ?? "";
  if (!first.endsWith(opening) || lines.at(-1) !== "" || lines.at(-2) !== "]}") return null;
  const rows = new Map<ExecutionId, string>();
  const last = lines.length - 2;
  for (let at = 1; at < last; at++) {
    const line = lines[at] ?? "";
    if (at === 1 && line === "" && last === 2) break;
    const row = at === last - 1 ? line : line.slice(0, -1);
    const id = rowId(row);
    if (id === null || (at < last - 1 && !line.endsWith(","))) return null;
    rows.set(id, row);
  }
  try {
    return { head: JSON.parse(`${first.slice(0, -opening.length)}}`) as Head, rows };
  } catch {
    return null;
  }
}

/** JSON of a row, its id first: so it is found without reading the rest. */
export function rowText({ id, ...rest }: Execution): string {
  return JSON.stringify({ id, ...rest });
}

/** The id of a row's JSON as `documentText` writes it; null where it does not begin with one. */
export function rowId(row: string): ExecutionId | null {
  const id = row.slice(7, 33);
  return row.startsWith('{"id":"') && row[33] === '"' && idPattern.test(id) ? (id as ExecutionId) : null;
}

/** Returns whether a value read from disk is the record of the batch `name`. */
export function isDocument(value: unknown, name: string): value is BatchDocument {
  if (typeof value !== "object" || value === null) return false;
  const document = value as Partial<BatchDocument>;
  return (
    isHead(document, name) &&
    Array.isArray(document.executions) &&
    document.executions.every((row) => isExecution(row, name))
  );
}

/** Returns whether a value read from disk is the head of the batch `name`. */
export function isHead(head: Partial<Head>, name: string): boolean {
  return (
    head.name === name &&
    isTime(head.firstSeenAt) &&
    (head.schedule === null || isTime(head.schedule?.coveredUntil)) &&
    (head.lastDueAt === undefined || isTime(head.lastDueAt)) &&
    (head.told === undefined || isTold(head.told)) &&
    (head.late == null ||
      (isTime(head.late.judged) &&
        (head.late.upTo === undefined || isTime(head.late.upTo)) &&
        (head.late.open === undefined || (Array.isArray(head.late.open) && head.late.open.every(isTime))))) &&
    (head.lateDue === undefined || Array.isArray(head.lateDue)) &&
    (head.commands === undefined || Array.isArray(head.commands))
  );
}

/** Fields of a value as it was read: any of them may be absent or null. */
type Untrusted<T> = { [Key in keyof T]?: T[Key] | null };

/** Returns whether a value read from disk is an execution, of the batch `name` where one is given. */
export function isExecution(row: Untrusted<Execution> | null, name?: string): row is Execution {
  if (typeof row !== "object" || row === null) return false;
  const { id, run, batch, status, trigger, createdAt } = row;
  if (!idPattern.test(String(id)) || typeof run !== "string" || !statuses.includes(String(status))) return false;
  if (typeof batch !== "string" || (name !== undefined && batch !== name)) return false;
  return (
    isTime(createdAt) && typeof trigger === "object" && trigger !== null && "dueAt" in trigger && isTime(trigger.dueAt)
  );
}

function isTold(told: Untrusted<Told> | null): boolean {
  if (typeof told !== "object" || told === null) return false;
  const { failures, streaks, last } = told;
  return typeof failures === "number" && Array.isArray(streaks) && typeof last === "object" && last !== null;
}

function isTime(value: unknown): boolean {
  return typeof value === "string" && !Number.isNaN(Date.parse(value));
}
