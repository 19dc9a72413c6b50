// Decides which executions may go. Pure.
import { isOpen } from "../model/execution.ts";
import type { EpochMs, ExecutionId } from "../model/ids.ts";
import type { Head } from "./document.ts";
import type { Outline } from "./row-index.ts";

/** Limits for a batch that has no definition right now; nothing that any `keep` would keep goes. */
export const maxKeep = { executions: 1_000, ageMs: null };

/**
 * Returns ids of the executions beyond `keep`, oldest first; never one that is queued or running, whose run goes on, or
 * of which people are still to be told.
 * @param past      executions of a batch, newest first
 * @param isRunRead whether something may still read what a run has put out, by the run's key
 */
export function selectExpired(
  past: Iterable<Outline>,
  keep: { executions: number; ageMs: number | null },
  isRunRead: (runKey: number) => boolean,
  now: EpochMs,
): ExecutionId[] {
  const expired: ExecutionId[] = [];
  let count = 0;
  for (const outline of past) {
    count += 1;
    const isOver = count > keep.executions || (keep.ageMs !== null && now - Date.parse(outline.createdAt) > keep.ageMs);
    if (isOver && !outline.isNotifyDue && !isOpen(outline) && !isRunRead(outline.runKey)) expired.push(outline.id);
  }
  return expired.reverse();
}

/** Returns whether a batch whose folder went away is to be forgotten with all its data. */
export function isForgotten(head: Pick<Head, "removedAt">, open: number, keepRemovedMs: number, now: EpochMs): boolean {
  return head.removedAt !== null && open === 0 && now - Date.parse(head.removedAt) > keepRemovedMs;
}
