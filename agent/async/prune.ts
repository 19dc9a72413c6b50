// Drops from a priority queue what nobody waits for any more.
import type TinyQueue from "tinyqueue";

/** Drops every item for which `isWanted` is false. */
export function prune<T>(queue: TinyQueue<T>, isWanted: (item: T) => boolean): void {
  const kept = queue.data.filter(isWanted);
  queue.data = [];
  queue.length = 0;
  for (const item of kept) queue.push(item);
}
