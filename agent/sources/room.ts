// What the memory of the process has room for: how many batches, and how much of settings.
import { getHeapStatistics } from "node:v8";

const mebibyte = 1024 * 1024;
/** What the agent needs without any batch, the young generation included. */
const baseBytes = 80 * mebibyte;
/** A batch with small settings: 4 KiB in force, the rest for its watch and while it is read and listed. */
const bytesEach = 8 * 1024;
const minBatches = 100;
/** Settings have as much room at least: a few of the longest there may be. */
const minSettingsBytes = 2 * mebibyte;
/** Objects around the values, and what is left of reading them. */
const settingsFactor = 1.5;
/** Begins the UTF-8 of a character beyond Latin-1. */
const firstWideByte = 0xc4;
/** A repository with more is no folder of batches. */
const maxBatches = 200_000;

/** Returns the most batches that a folder may hold. `heapBytes`: the limit of V8's heap. */
export function maxBatchesFor(heapBytes: number): number {
  return Math.min(maxBatches, Math.max(minBatches, Math.floor((heapBytes - baseBytes) / bytesEach)));
}

/** Returns how many bytes of the heap all settings may take together, those of small batches too. */
export function maxSettingsBytesFor(heapBytes: number): number {
  return Math.max(minSettingsBytes, heapBytes - baseBytes);
}

/**
 * Returns the bytes of the heap that a batch takes whose settings are this text. Parts of a text keep the whole of it,
 * and one character beyond Latin-1 makes two bytes of each.
 */
export function settingsBytes(text: Uint8Array): number {
  const isWide = text.some((byte) => byte >= firstWideByte);
  return bytesEach + settingsFactor * text.length * (isWide ? 2 : 1);
}

/** Returns the same for the heap of this process. */
export function maxBatchesHere(): number {
  return maxBatchesFor(getHeapStatistics().heap_size_limit);
}

export function maxSettingsBytesHere(): number {
  return maxSettingsBytesFor(getHeapStatistics().heap_size_limit);
}
