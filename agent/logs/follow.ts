// Logs that are being followed. One open file, one look at its size at intervals and the last chunk read are shared by
// all who follow it; whatever a follower has not asked for stays in the file.
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../async/clock.ts";
import { errorCode, openPlain } from "../platform/files.ts";
import type { LogTaps, LogTap } from "./port.ts";

/** A line reaches its followers after half of this, on average. */
const beatMs = 100;

interface Shared {
  users: number;
  file: FileHandle | null;
  size: number;
  waiting: (() => void)[];
  ticking: boolean;
  /** The ones who follow at the end all ask for the same. */
  recent: { start: number; length: number; bytes: Promise<Uint8Array> } | null;
}

export function createLogTaps(dataDir: string, clock: Clock): LogTaps {
  const taps = new Map<string, Shared>();

  async function measure(tap: Shared, path: string): Promise<number> {
    try {
      tap.file ??= await opened(path, tap);
      if (tap.file !== null) {
        const { size } = await tap.file.stat();
        if (size < tap.size) tap.recent = null; // what stood there is gone
        tap.size = size;
      }
    } catch (error) {
      if (errorCode(error) !== "EBADF") throw error; // closed under our hands
    }
    return tap.size;
  }

  /** Two may open at once; the later one gives way. */
  async function opened(path: string, tap: Shared): Promise<FileHandle | null> {
    const file = await openPlain(path);
    if (file === null) return null; // not there yet
    if (tap.file === null && tap.users > 0) return file;
    await file.close();
    return tap.file;
  }

  function beat(tap: Shared, path: string): Promise<void> {
    return new Promise((done) => {
      tap.waiting.push(done);
      if (tap.ticking) return;
      tap.ticking = true;
      clock.after(beatMs, () => {
        void measure(tap, path)
          .catch(() => undefined) // whoever reads next sees it
          .then(() => {
            tap.ticking = false;
            for (const wake of tap.waiting.splice(0)) wake();
          });
      });
    });
  }

  function read(tap: Shared, start: number, length: number): Promise<Uint8Array> {
    const { file, recent } = tap;
    if (recent?.start === start && recent.length === length) return recent.bytes;
    if (file === null) return Promise.resolve(new Uint8Array(0));
    const bytes = file
      .read(new Uint8Array(length), 0, length, start)
      .then(({ bytesRead, buffer }) => buffer.subarray(0, bytesRead));
    tap.recent = { start, length, bytes };
    return bytes;
  }

  return {
    async open(batch, id, file): Promise<LogTap> {
      const path = join(dataDir, "batches", batch, "executions", id, file === "times" ? file : `${file}.log`);
      const tap = taps.get(path) ?? { users: 0, file: null, size: 0, waiting: [], ticking: false, recent: null };
      taps.set(path, tap);
      tap.users += 1;
      let closed = false;
      const close = () => {
        if (closed) return;
        closed = true;
        tap.users -= 1;
        if (tap.users > 0) return;
        taps.delete(path);
        void tap.file?.close().catch(() => undefined);
        tap.file = null;
      };
      try {
        await measure(tap, path);
      } catch (error) {
        close();
        throw error;
      }
      return {
        size: () => tap.size,
        measure: () => measure(tap, path),
        read: (start, length) => read(tap, start, length),
        beat: () => beat(tap, path),
        close,
      };
    },
  };
}
