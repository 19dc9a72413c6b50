// The shape of history.json: what is on record of one batch.
import type { NotifyEvent, Execution } from "../model/execution.ts";
import type { Iso, Revision, BatchName } from "../model/ids.ts";

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
