// Groups of batches: which there are, and what lies in one. Pure.
import type { BatchStatus } from "../../model/batch.ts";

/** Groups in use with all that lie above them, by name; without the top. */
export function groupsOf(all: readonly Pick<BatchStatus, "batch">[]): string[] {
  const groups = new Set<string>();
  for (const { batch } of all) {
    for (let group = batch?.group ?? ""; group !== ""; group = group.slice(0, Math.max(0, group.lastIndexOf("/"))))
      groups.add(group);
  }
  return [...groups].sort();
}

/** Returns whether a batch's group is `wanted` or lies below it. */
export function isInGroup(group: string, wanted: string): boolean {
  return wanted === "" || group === wanted || group.startsWith(`${wanted}/`);
}
