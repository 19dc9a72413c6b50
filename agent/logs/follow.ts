// Logs that are being followed. One open file, one look at its size at intervals and the last chunk read are shared by
// all who follow it; whatever a follower has not asked for stays in the file.
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../async/clock.ts";
import { errorCode, openPlain } from "../platform/files.ts";
import type { LogFollowers, LogFollower } from "./port.ts";

/** A line reaches its followers after half of this, on average. */
const tickMs = 100;

interface Shared {
  users: number;
  file: FileHandle | null;
  size: number;
  waiting: (() => void)[];
  ticking: boolean;
  /** The ones who follow at the end all ask for the same. */
  recent: { start: number; length: number; bytes: Promise<Uint8Array> } | null;
}

export function createLogFollowers(dataDir: string, clock: Clock): LogFollowers {
  const files = new Map<string, Shared>();

  async function measure(shared: Shared, path: string): Promise<number> {
    try {
      shared.file ??= await opened(path, shared);
      if (shared.file !== null) {
        const { size } = await shared.file.stat();
        if (size < shared.size) shared.recent = null; // what stood there is gone
        shared.size = size;
      }
    } catch (error) {
      if (errorCode(error) !== "EBADF") throw error; // closed under our hands
    }
    return shared.size;
  }

  /** Two may open at once; the later one gives way. */
  async function opened(path: string, shared: Shared): Promise<FileHandle | null> {
    const file = await openPlain(path);
    if (file === null) return null; // not there yet
    if (shared.file === null && shared.users > 0) return file;
    await file.close();
    return shared.file;
  }

  function nextTick(shared: Shared, path: string): Promise<void> {
    return new Promise((done) => {
      shared.waiting.push(done);
      if (shared.ticking) return;
      shared.ticking = true;
      clock.after(tickMs, () => {
        void measure(shared, path)
          .catch(() => undefined) // whoever reads next sees it
          .then(() => {
            shared.ticking = false;
            for (const wake of shared.waiting.splice(0)) wake();
          });
      });
    });
  }

  function read(shared: Shared, start: number, length: number): Promise<Uint8Array> {
    const { file, recent } = shared;
    if (recent?.start === start && recent.length === length) return recent.bytes;
    if (file === null) return Promise.resolve(new Uint8Array(0));
    const bytes = file
      .read(new Uint8Array(length), 0, length, start)
      .then(({ bytesRead, buffer }) => buffer.subarray(0, bytesRead));
    shared.recent = { start, length, bytes };
    return bytes;
  }

  return {
    async open(batch, id, file): Promise<LogFollower> {
      const path = join(dataDir, "batches", batch, "executions", id, file === "times" ? file : `${file}.log`);
      const shared = files.get(path) ?? { users: 0, file: null, size: 0, waiting: [], ticking: false, recent: null };
      files.set(path, shared);
      shared.users += 1;
      let closed = false;
      const close = () => {
        if (closed) return;
        closed = true;
        shared.users -= 1;
        if (shared.users > 0) return;
        files.delete(path);
        void shared.file?.close().catch(() => undefined);
        shared.file = null;
      };
      try {
        await measure(shared, path);
      } catch (error) {
        close();
        throw error;
      }
      return {
        size: () => shared.size,
        measure: () => measure(shared, path),
        read: (start, length) => read(shared, start, length),
        nextTick: () => nextTick(shared, path),
        close,
      };
    },
  };
}
