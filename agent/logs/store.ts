// Reads the log files of executions. Nothing of a log is held beyond the chunk that is being passed on. A script may
// have put anything in a log's place: what is no plain file is an empty log.
import { lstat, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { ExecutionId, BatchName } from "../model/ids.ts";
import { openPlain } from "../platform/files.ts";
import type { LogStore, LogStream } from "./port.ts";
import { needleOf, searchLog } from "./search.ts";

const chunkBytes = 64 * 1024;
/** One such piece is read while another is sent: a reader that stands still holds both. */
const copyBytes = 24 * 1024;
const newline = 0x0a;

export function createLogStore(dataDir: string): LogStore {
  const pathOf = (batch: BatchName, id: ExecutionId, stream: LogStream) =>
    join(dataDir, "batches", batch, "executions", id, `${stream}.log`);

  return {
    async stat(batch, id, stream) {
      const info = await lstat(pathOf(batch, id, stream)).catch(() => null);
      return info?.isFile() === true ? { size: info.size, changedAt: Math.floor(info.mtimeMs) } : null;
    },

    read(batch, id, stream, start, end, pieceBytes = chunkBytes) {
      let file: FileHandle | null = null;
      let at = start;
      return new ReadableStream<Uint8Array>(
        {
          async pull(controller) {
            try {
              file ??= await openPlain(pathOf(batch, id, stream));
              if (file === null) {
                controller.close();
                return;
              }
              const wanted = Math.min(pieceBytes, end - at);
              const { bytesRead, buffer } = await file.read(new Uint8Array(wanted), 0, wanted, at);
              at += bytesRead;
              if (bytesRead > 0) controller.enqueue(buffer.subarray(0, bytesRead));
              if (bytesRead > 0 && at < end) return;
              await file.close();
              controller.close();
            } catch (error) {
              await file?.close().catch(() => undefined);
              controller.error(error);
            }
          },
          async cancel() {
            await file?.close();
          },
        },
        { highWaterMark: 0 },
      );
    },

    copy: (batch, id, stream, start, end) => async (write) => {
      const file = await openPlain(pathOf(batch, id, stream));
      if (file === null) throw new Error("the log is no plain file any more");
      try {
        const size = Math.min(copyBytes, end - start);
        const pieces: Buffer[] = [];
        let sending = Promise.resolve();
        for (let at = start, turn = 0; at < end; turn = 1 - turn) {
          const piece = (pieces[turn] ??= Buffer.allocUnsafeSlow(size));
          const { bytesRead } = await file.read(piece, 0, Math.min(size, end - at), at);
          if (bytesRead === 0) throw new Error("the log is shorter than it was");
          at += bytesRead;
          await sending;
          sending = write(piece.subarray(0, bytesRead));
          sending.catch(() => undefined); // it is waited for above, or below
        }
        await sending;
      } finally {
        await file.close();
      }
    },

    search: (batch, id, stream, text, limit, isGone) =>
      searchLog(pathOf(batch, id, stream), needleOf(text), limit, isGone),

    async tailStart(batch, id, stream, lines, end) {
      if (end === 0) return 0;
      const file = await openPlain(pathOf(batch, id, stream));
      if (file === null) return 0;
      try {
        let found = 0;
        const buffer = Buffer.allocUnsafe(chunkBytes);
        // The last byte is not looked at: a newline there closes the last line, it does not begin another.
        for (let high = end - 1; high > 0; high -= chunkBytes) {
          const low = Math.max(0, high - chunkBytes);
          const { bytesRead } = await file.read(buffer, 0, high - low, low);
          let at = bytesRead;
          while (at > 0 && (at = buffer.lastIndexOf(newline, at - 1)) >= 0) {
            found += 1;
            if (found === lines) return low + at + 1;
          }
        }
        return 0;
      } finally {
        await file.close();
      }
    },
  };
}

/** Returns the length of all logs of these executions. */
export async function totalBytes(
  logs: Pick<LogStore, "stat">,
  executions: readonly { batch: BatchName; id: ExecutionId }[],
): Promise<number> {
  let sum = 0;
  for (const { batch, id } of executions)
    for (const stream of ["stdout", "stderr"] as const) sum += (await logs.stat(batch, id, stream))?.size ?? 0;
  return sum;
}
