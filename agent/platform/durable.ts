// Makes what was written survive a power cut: file by file off the event loop, and, where very many wait at once, all
// of them by one `sync` of their file system. No policy.
import { execFile } from "node:child_process";
import { close, closeSync, constants, fsync, open, openSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { errorCode, freshFlags, readFlags, removeTree } from "./files.ts";

const opened = promisify(open);
const synced = promisify(fsync);
const closed = promisify(close);

/** Files waited for one by one, at once: they share commits of the file system's journal. */
const lanes = 8;
/** A thousand files take the disk a second one by one, and a tenth of that together. */
const many = 64;
const roundMs = 20;
const maxRounds = 50;

interface Waiting {
  path: string;
  /** Holds what it must be: anything else is not opened, or refused without waiting. */
  flags: number;
  /** A folder on the same file system. */
  folder: string;
  done: () => void;
  failed: (error: unknown) => void;
}

let waiting: Waiting[] = [];
let alone = 0;
let together = false;

/** Resolves once what was written to a file is on disk. Rejects with the file system's error. */
export const syncFile = (path: string): Promise<void> => sync(path, dirname(path), readFlags | constants.O_NOFOLLOW);

/** Resolves once what was made or renamed in a folder is on disk. Rejects with the file system's error. */
export const syncFolder = (path: string): Promise<void> => sync(path, path, readFlags | constants.O_DIRECTORY);

function sync(path: string, folder: string, flags: number): Promise<void> {
  return new Promise((done, failed) => {
    waiting.push({ path, flags, folder, done, failed });
    next();
  });
}

function next(): void {
  if (together) return;
  if (waiting.length >= many) {
    together = true;
    void syncAll().finally(() => {
      together = false;
      next();
    });
    return;
  }
  while (alone < lanes) {
    const one = waiting.shift();
    if (one === undefined) return;
    alone += 1;
    void syncOne(one).finally(() => {
      alone -= 1;
      next();
    });
  }
}

async function syncOne({ path, flags, done, failed }: Waiting): Promise<void> {
  try {
    const file = await opened(path, flags);
    try {
      await synced(file);
    } finally {
      await closed(file);
    }
    done();
  } catch (error) {
    failed(error);
  }
}

/**
 * By coreutils' or busybox's `sync -f`, once for each file system; one by one where that is not to be had. As long as
 * more come it waits for them: while the disk is at it, to make another file takes twice as long.
 */
async function syncAll(): Promise<void> {
  for (let [rounds, count] = [0, 0]; count < waiting.length && rounds < maxRounds; rounds++) {
    count = waiting.length;
    await setTimeout(roundMs);
  }
  const all = waiting;
  waiting = [];
  try {
    const disks = new Map<number, string>();
    for (const folder of new Set(all.map((one) => one.folder))) {
      const info = statSync(folder, { throwIfNoEntry: false });
      if (info !== undefined) disks.set(info.dev, folder);
    }
    await promisify(execFile)("sync", ["-f", ...disks.values()]);
    for (const { done } of all) done();
  } catch {
    for (const one of all) await syncOne(one);
  }
}

/**
 * Replaces a file so that after a crash or power cut it holds the old text or the new, whole. `onObstacle`: called
 * where something other than a file lies at `path`, which keeps a file from taking its place; it has to move it away.
 */
export async function writeDurably(
  path: string,
  text: string | Uint8Array,
  onObstacle?: (path: string) => Promise<void>,
): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    const file = await openNew(temporary);
    try {
      writeFileSync(file, text);
    } finally {
      closeSync(file);
    }
    await syncFile(temporary);
    try {
      renameSync(temporary, path);
    } catch (error) {
      if (onObstacle === undefined || !["EISDIR", "ENOTEMPTY", "EEXIST"].includes(errorCode(error))) throw error;
      await onObstacle(path);
      renameSync(temporary, path);
    }
  } catch (error) {
    await removeTree(temporary).catch(() => undefined);
    throw error;
  }
  await syncFolder(dirname(path));
}

/** Opens a new file at once, in the place of what a crash left behind, or somebody put there. */
export async function openNew(path: string): Promise<number> {
  try {
    return openSync(path, freshFlags, 0o600);
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
    await removeTree(path);
    return openSync(path, freshFlags, 0o600);
  }
}
