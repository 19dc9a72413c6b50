// File mechanics that several adapters share: walking and hashing a batch's tree. No policy.
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { chmod, open, readdir, rm, type FileHandle } from "node:fs/promises";
import { join, sep } from "node:path";
import type { Logger } from "../logger.ts";

/** Code of a file system error (`ENOENT`), or "" for anything else. */
export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** Runs `work` over `items`, `limit` at a time, results in order. */
export async function mapLimit<T, R>(items: readonly T[], limit: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = new Array<R>(items.length);
  let next = 0;
  async function lane(): Promise<void> {
    for (;;) {
      const at = next++;
      if (at >= items.length) return;
      results[at] = await work(items[at] as T);
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, lane));
  return results;
}

const longestTurnMs = 8;
let turnBegan = 0;

/**
 * Gives others their turn on the event loop once this work has had it for some milliseconds. Between two calls small files
 * are read synchronously: a promise for each call of the system costs ten times what the call itself does.
 */
export async function breathe(): Promise<void> {
  if (performance.now() - turnBegan < longestTurnMs) return;
  await new Promise((done) => setImmediate(done));
  turnBegan = performance.now();
}

/** Some file systems keep times by 2 s. */
export const coarsestTimeMs = 3_000;

export const deepest = 32;

/** Whether a real path is the real path `root` or lies below it. */
export function isWithin(root: string, path: string): boolean {
  return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);
}

/** A FIFO that took a file's place a moment ago is not waited for. */
export const readFlags = constants.O_RDONLY | constants.O_NONBLOCK;

/**
 * Opens for reading what others may have replaced: without waiting, without following a link. Null for everything that is
 * no plain file or cannot be opened.
 */
export async function openPlain(path: string): Promise<FileHandle | null> {
  let file: FileHandle | null = null;
  try {
    file = await open(path, readFlags | constants.O_NOFOLLOW);
    if ((await file.stat()).isFile()) return file;
  } catch {
    // not there, a link, a socket, no rights
  }
  await file?.close().catch(() => undefined);
  return null;
}

/** Bytes of a file that may be anything, also a pipe that nobody writes to or a device without an end. Throws on what is no file and on more than `most` bytes. */
export function readPlainBytes(path: string, most: number): Buffer {
  const file = openSync(path, readFlags);
  try {
    if (!fstatSync(file).isFile()) throw new Error("it is not a file");
    // Its size says nothing: it may grow, and those of /proc are all 0 and may have no end.
    const buffer = Buffer.allocUnsafe(most + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length <= most; length += read)
      read = readSync(file, buffer, length, buffer.length - length, null);
    if (length > most) throw new Error(`it is larger than ${most} bytes`);
    return buffer.subarray(0, length);
  } finally {
    closeSync(file);
  }
}

/**
 * Reads up to `limit` bytes and one more of a plain file that may be anything. Throws on what is not a file, without waiting for it.
 * `size` is the file's own, or what was read where that is more.
 */
export async function readBounded(
  path: string,
  limit: number,
): Promise<{ bytes: Uint8Array; size: number; changedMs: number }> {
  const file = await open(path, readFlags);
  try {
    const info = await file.stat();
    if (!info.isFile()) throw new Error("it is not a file");
    const buffer = Buffer.alloc(Math.min(limit, Math.max(info.size, 4096)) + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < buffer.length; length += read)
      read = (await file.read(buffer, length, buffer.length - length, length)).bytesRead;
    const changedMs = Math.floor(Math.max(info.mtimeMs, info.ctimeMs));
    return { bytes: buffer.subarray(0, length), size: Math.max(info.size, length), changedMs };
  } finally {
    await file.close();
  }
}

/** Deletes a folder with all that is in it, read-only folders too: they hold on to their entries unless one is root. */
export async function removeTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => [])) {
    if (entry.isDirectory()) await chmod(join(entry.parentPath, entry.name), 0o755).catch(() => undefined);
  }
  await chmod(folder, 0o755).catch(() => undefined);
  await rm(folder, { recursive: true, force: true });
}

/** The same, where nothing is to wait for it: what cannot be deleted, as a script may have left it, is said and stays. */
export async function clearTree(folder: string, log: Logger): Promise<void> {
  await removeTree(folder).catch((error: unknown) =>
    log.warn("a folder cannot be deleted", { path: folder, error: String(error) }),
  );
}
