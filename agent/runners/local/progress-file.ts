// Reads what a script has written to $BATCH_PROGRESS: never more than the beginning of a plain file.
import { constants, lstatSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { EpochMs } from "../../model/ids.ts";
import { errorCode } from "../../platform/files.ts";

const maxBytes = 1024;

/**
 * Returns the beginning of an execution's progress file and when it was written; null where there is none. Throws on
 * I/O errors.
 */
export async function readProgress(folder: string): Promise<{ text: string; changedAt: EpochMs } | null> {
  const path = join(folder, "progress");
  try {
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return null; // maxBytes scripts say nothing
    // A script may have put anything there: a pipe that nobody writes to must not hold the agent up.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    try {
      const info = await file.stat();
      if (!info.isFile()) return null;
      const { bytesRead, buffer } = await file.read(Buffer.alloc(maxBytes), 0, maxBytes, 0);
      return { text: buffer.toString("utf8", 0, bytesRead), changedAt: Math.floor(info.mtimeMs) };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (["ENOENT", "ELOOP", "ENXIO", "ENOTDIR"].includes(errorCode(error))) return null;
    throw error;
  }
}
