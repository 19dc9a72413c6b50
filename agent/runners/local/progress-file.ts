// Reads what a script has written to $BATCH_PROGRESS: never more than the beginning of a plain file.
import { constants, lstatSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { EpochMs, ExecutionId, BatchName } from "../../model/ids.ts";
import { errorCode } from "../../platform/files.ts";

const most = 1024;

/** The beginning of an execution's progress file and when it was written; null where there is none. Throws on I/O errors. */
export async function readProgress(
  dataDir: string,
  batch: BatchName,
  id: ExecutionId,
): Promise<{ text: string; changedAt: EpochMs } | null> {
  const path = join(dataDir, "batches", batch, "executions", id, "progress");
  try {
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return null; // most scripts say nothing
    // A script may have put anything there: a pipe that nobody writes to must not hold the agent up.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    try {
      const info = await file.stat();
      if (!info.isFile()) return null;
      const { bytesRead, buffer } = await file.read(Buffer.alloc(most), 0, most, 0);
      return { text: buffer.toString("utf8", 0, bytesRead), changedAt: Math.floor(info.mtimeMs) };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (["ENOENT", "ELOOP", "ENXIO", "ENOTDIR"].includes(errorCode(error))) return null;
    throw error;
  }
}
