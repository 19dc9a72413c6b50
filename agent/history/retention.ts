// Which executions may go.
import { isOpen } from "../model/execution.ts";
import type { EpochMs, RunId, ExecutionId } from "../model/ids.ts";
import type { BatchDocument } from "./document.ts";

/** Of a batch that has no definition right now; nothing that any `keep` would keep goes. */
export const mostKept = { executions: 1_000, ageMs: null };

/** Ids of the executions beyond `keep`, oldest first; never one that is queued or running, whose run goes on, or that is still to be followed or told of. */
export function selectExpired(
  document: Pick<BatchDocument, "executions">,
  keep: { executions: number; ageMs: number | null },
  isRunOpen: (run: RunId) => boolean,
  now: EpochMs,
): ExecutionId[] {
  const tooMany = document.executions.length - keep.executions;
  return document.executions
    .filter((execution, index) => {
      const isOver = index < tooMany || (keep.ageMs !== null && now - Date.parse(execution.createdAt) > keep.ageMs);
      if (!isOver || execution.notifyDue !== undefined || execution.followUpsDue === true) return false;
      return !isOpen(execution) && !isRunOpen(execution.run);
    })
    .map((execution) => execution.id);
}

/** Whether a batch whose folder went away is to be forgotten with all its data. */
export function isForgotten(document: BatchDocument, keepRemovedMs: number, now: EpochMs): boolean {
  if (document.removedAt === null || document.executions.some(isOpen)) return false;
  return now - Date.parse(document.removedAt) > keepRemovedMs;
}
