// How many batches the memory of the process has room for.
import { getHeapStatistics } from "node:v8";

const mebibyte = 1024 * 1024;
/** What the agent needs without any batch, the young generation included. */
const baseBytes = 80 * mebibyte;
/** A batch with small settings: 4 KiB in force, the rest for its watch and while it is read and listed. */
const bytesEach = 8 * 1024;
const minBatches = 100;
/** A repository with more is no folder of batches. */
const maxBatches = 200_000;

/** Returns the most batches that a folder may hold. `heapBytes`: the limit of V8's heap. */
export function maxBatchesFor(heapBytes: number): number {
  return Math.min(maxBatches, Math.max(minBatches, Math.floor((heapBytes - baseBytes) / bytesEach)));
}

/** Returns the same for the heap of this process. */
export function maxBatchesHere(): number {
  return maxBatchesFor(getHeapStatistics().heap_size_limit);
}
