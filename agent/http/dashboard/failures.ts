// How long a batch has been failing, and where one failure lies among the others. Pure, over executions newest first.
import type { Outline } from "../../history/port.ts";
import { failingSince } from "../../views.ts";

export interface Streak {
  /** When the first failure in a row ended, ISO. */
  since: string;
  /** Runs that failed in a row; attempts that were tried again count as one. */
  count: number;
  lastSuccess: Outline | null;
}

/** Returns the failures in a row that a batch stands in; null when its last end was a success, or it never failed. */
export function failuresInRow(past: Iterable<Outline>): Streak | null {
  const sinceSuccess: Outline[] = [];
  let lastSuccess: Outline | null = null;
  for (const outline of past) {
    if (outline.status === "succeeded") {
      lastSuccess = outline;
      break;
    }
    sinceSuccess.push(outline);
  }
  const failing = failingSince(sinceSuccess);
  return failing === null ? null : { since: failing.at, count: failing.count, lastSuccess };
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
