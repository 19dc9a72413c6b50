// How long a batch has been failing, and where one failure lies among the others. Pure, over executions newest first.
import type { Outline } from "../../history/port.ts";

export interface Streak {
  /** When the first failure in a row ended, ISO. */
  since: string;
  /** Failures in a row, attempts included. */
  count: number;
  lastSuccess: Outline | null;
}

/** Returns the failures in a row that a batch stands in; null when its last end was a success, or it never failed. */
export function failuresInRow(past: Iterable<Outline>): Streak | null {
  const streak: Streak = { since: "", count: 0, lastSuccess: null };
  for (const outline of past) {
    if (outline.status === "succeeded") {
      streak.lastSuccess = outline;
      break;
    }
    if (outline.status !== "failed") continue; // aborted says nothing of its health
    streak.since = outline.finishedAt ?? outline.createdAt;
    streak.count += 1;
  }
  return streak.count === 0 ? null : streak;
}

/** Returns the failures in a row up to the execution `id`, which is one of them, and the first success after it. */
export function failuresUpTo(past: Iterable<Outline>, id: string): { streak: Streak | null; recovery: Outline | null } {
  let recovery: Outline | null = null;
  const upTo: Outline[] = [];
  for (const outline of past) {
    if (outline.id > id) {
      if (outline.status === "succeeded") recovery = outline;
      continue;
    }
    upTo.push(outline);
    if (outline.status === "succeeded") break;
  }
  return { streak: failuresInRow(upTo), recovery };
}
