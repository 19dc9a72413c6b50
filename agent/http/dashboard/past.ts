// Describes what the pages take from the history of a batch: the newest, and what lies beside an execution.
import type { HistoryReader, Outline } from "../../history/port.ts";
import { standingOf, type Standing } from "./batch-list.ts";

/** The newest of a batch's executions, oldest first. */
export function newest(past: Iterable<Outline>, limit: number): Outline[] {
  const found: Outline[] = [];
  for (const outline of past) {
    if (found.length >= limit) break;
    found.push(outline);
  }
  return found.reverse();
}

export function standing(history: HistoryReader, name: string): Standing {
  const { queued, running } = history.counts(name);
  return standingOf(history.outlines(name), queued + running);
}

/** The executions of the batch before and after this one. */
export function neighboursOf(
  id: string,
  outlines: Iterable<Outline>,
): { earlier: string | null; later: string | null } {
  let later: string | null = null;
  for (const outline of outlines) {
    if (outline.id < id) return { earlier: outline.id, later };
    if (outline.id > id) later = outline.id;
  }
  return { earlier: null, later };
}
