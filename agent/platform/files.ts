// File mechanics that several adapters share, and the one door to every path at which somebody else can put a file:
// in the watched folder, in git's files, and in the data folder, as scripts are the agent's own user. It opens plain
// files only, without waiting, reads up to a stated size, and writes only to files that it has just made. No policy.
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  type Stats,
} from "node:fs";
import { chmod, lstat, open, readdir, rename, rm, stat, type FileHandle } from "node:fs/promises";
import { join, sep } from "node:path";
import type { Logger } from "../logger.ts";

/** Code of a file system error (`ENOENT`), or "" for anything else. */
export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** The process or the machine has run out of descriptors or memory. */
const shortageCodes = ["EMFILE", "ENFILE", "ENOMEM", "EAGAIN"];
let shortages = 0;

/**
 * Returns whether an error tells of a shortage and nothing of the file: it lies there as it did, and is neither gone
 * nor damaged.
 */
export function isShortage(error: unknown): boolean {
  if (!shortageCodes.includes(errorCode(error))) return false;
  shortages++;
  return true;
}

/**
 * Number of shortages that were met so far. Where it has grown while something was looked for with errors passed over,
 * what was not found may be there all the same.
 */
export function shortageCount(): number {
  return shortages;
}

/** The disk, or the network that it lies behind, fails; a bad sector may do so for good. */
const failingCodes = ["EIO", "ESTALE", "ETIMEDOUT", "EHOSTDOWN", "ENOTCONN"];
let failures = 0;

/** Returns whether an error may pass and tells nothing of the file itself: a shortage, or a disk that fails. */
export function isPassing(error: unknown): boolean {
  if (isShortage(error)) return true;
  if (!failingCodes.includes(errorCode(error))) return false;
  failures++;
  return true;
}

/** Number of times that a disk failed so far, as `shortageCount` tells of shortages. */
export function failureCount(): number {
  return failures;
}

/** Returns whether nothing lies at `path`; false where that cannot be told, as on a disk that is away. */
export function isAbsent(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) === undefined;
  } catch {
    return false;
  }
}

/** Some file systems keep times by 2 s. */
export const coarsestTimeMs = 3_000;

export const deepest = 32;

/** Returns whether a real path is the real path `root` or lies below it. */
export function isWithin(root: string, path: string): boolean {
  return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);
}

/** Flags for reading what may be anything: a FIFO is not waited for, a terminal does not become the agent's own. */
export const readFlags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/** Flags for a file that is made by this very call: whatever lies there already is not written to. */
export const freshFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** `refuse` where no link belongs: everywhere in the data folder, and where links were resolved before. */
export type Links = "follow" | "refuse";

const flagsFor = (links: Links) => (links === "follow" ? readFlags : readFlags | constants.O_NOFOLLOW);

function mustBeFile(info: Stats): void {
  if (info.isFile()) return;
  const error = new Error(info.isSymbolicLink() ? "it is a symbolic link" : "it is not a file");
  throw Object.assign(error, { code: "ENOTFILE" });
}

function tooLarge(limit: number): Error {
  return Object.assign(new Error(`it is larger than ${limit} bytes`), { code: "EFBIG" });
}

/**
 * Opens a plain file for reading. Throws the file system's errors, and one of code ENOTFILE for anything else. It looks
 * before it opens, as to open a device may be to use it, and afterwards, as the file may have been replaced in between.
 */
export async function openFile(path: string, links: Links = "follow"): Promise<FileHandle> {
  mustBeFile(await (links === "follow" ? stat(path) : lstat(path)));
  const file = await open(path, flagsFor(links));
  try {
    mustBeFile(await file.stat());
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * Opens for reading what others may have replaced: without waiting, without following a link. Null for everything that
 * is no plain file or cannot be opened.
 */
export async function openPlain(path: string): Promise<FileHandle | null> {
  return openFile(path, "refuse").catch(() => null);
}

export interface BoundedFile {
  /** At most the first `limit` bytes. */
  bytes: Buffer;
  /** Size of the whole file: larger than `bytes` where it is beyond the limit. */
  size: number;
  changedMs: number;
}

/** Reads a plain file up to `limit` bytes. Throws as `openFile` does. */
export async function readBounded(path: string, limit: number, links: Links = "follow"): Promise<BoundedFile> {
  const file = await openFile(path, links);
  try {
    const info = await file.stat();
    // A size is no promise: the file may grow, and those of /proc say 0. One byte beyond the limit tells that there
    // is more.
    let buffer: Buffer = Buffer.allocUnsafe(Math.min(info.size, limit) + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length, length);
      length += bytesRead;
      if (bytesRead === 0 || length > limit) break;
      if (length === buffer.length) buffer = grown(buffer, limit + 1);
    }
    const size = length > limit ? Math.max(info.size, length) : length;
    const bytes = buffer.subarray(0, Math.min(length, limit));
    return { bytes, size, changedMs: Math.floor(Math.max(info.mtimeMs, info.ctimeMs)) };
  } finally {
    await file.close();
  }
}

/** Reads a plain file of UTF-8 as a whole. Throws as `openFile` does, and one of code EFBIG beyond `limit` bytes. */
export async function readText(path: string, limit: number, links: Links = "follow"): Promise<string> {
  const { bytes, size } = await readBounded(path, limit, links);
  if (size > limit) throw tooLarge(limit);
  return bytes.toString("utf8");
}

/**
 * Reads at once, for small files in the middle of a turn: at most the first `limit` bytes. Throws as `openFile` does.
 */
export function readStart(path: string, limit: number, links: Links = "follow"): Buffer {
  const file = openFileSync(path, links);
  try {
    const info = fstatSync(file);
    let buffer: Buffer = Buffer.allocUnsafe(Math.min(info.size + 1, limit));
    let length = 0;
    for (let read = -1; read !== 0 && length < limit; length += read) {
      if (length === buffer.length) buffer = grown(buffer, limit);
      read = readSync(file, buffer, length, buffer.length - length, length);
    }
    return buffer.subarray(0, length);
  } finally {
    closeSync(file);
  }
}

/** Opens a plain file at once. Throws as `openFile` does. */
export function openFileSync(path: string, links: Links = "follow", flags = 0): number {
  mustBeFile(links === "follow" ? statSync(path) : lstatSync(path));
  const file = openSync(path, flagsFor(links) | flags);
  try {
    mustBeFile(fstatSync(file));
    return file;
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

/** Reads at once at most `length` bytes from `offset` on, of a file that is no link. Throws as `openFile` does. */
export function readPart(path: string, offset: number, length: number): Buffer {
  const file = openFileSync(path, "refuse");
  try {
    const bytes = Buffer.allocUnsafe(length);
    return bytes.subarray(0, readSync(file, bytes, 0, length, offset));
  } finally {
    closeSync(file);
  }
}

/** Reads at once, as a whole. Throws as `openFile` does, and an error of code EFBIG beyond `limit` bytes. */
export function readPlainBytes(path: string, limit: number, links: Links = "follow"): Buffer {
  const bytes = readStart(path, limit + 1, links);
  if (bytes.length > limit) throw tooLarge(limit);
  return bytes;
}

function grown(buffer: Buffer, limit: number): Buffer {
  const larger = Buffer.allocUnsafe(Math.min(limit, Math.max(4_096, buffer.length * 2)));
  buffer.copy(larger);
  return larger;
}

/**
 * Opens a new file in the place of whatever lies at `path`, which is deleted and never opened: a FIFO would be waited
 * for, a link would lead to another file.
 */
export async function openFresh(path: string, mode = 0o600): Promise<FileHandle> {
  return open(path, freshFlags, mode).catch(async (error: unknown) => {
    if (errorCode(error) !== "EEXIST") throw error;
    await removeTree(path);
    return open(path, freshFlags, mode);
  });
}

/** Writes a new file in the place of whatever lies at `path`. */
export async function writeFresh(
  path: string,
  bytes: string | Uint8Array,
  { mode = 0o600, flush = false } = {},
): Promise<void> {
  const file = await openFresh(path, mode);
  try {
    await file.writeFile(bytes);
    if (flush) await file.sync();
  } finally {
    await file.close();
  }
}

/** Stands between the name of what was set aside and the time. */
export const quarantineMark = ".corrupt-";

/** Returns the name that something at `path` is kept under for people to look at. */
export function quarantineName(path: string, now: number): string {
  return `${path}${quarantineMark}${new Date(now).toISOString().replaceAll(":", "-")}`;
}

/**
 * Moves what is not what it should be to `<path>.corrupt-<time>`, and returns that: it is kept, for people to look
 * at.
 */
export async function quarantine(path: string, now: number): Promise<string> {
  const quarantined = quarantineName(path, now);
  await rename(path, quarantined);
  return quarantined;
}

/** The same at once. A name that is taken already gets a number. */
export function quarantineSync(path: string, now: number): string {
  const quarantined = quarantineName(path, now);
  for (let count = 1; ; count++) {
    const free = count === 1 ? quarantined : `${quarantined}-${count}`;
    if (lstatSync(free, { throwIfNoEntry: false }) !== undefined) continue;
    renameSync(path, free);
    return free;
  }
}

/**
 * Deletes whatever lies at `path`, a folder with all that is in it, also without rights: folders hold on to their
 * entries unless one is root. No link is followed.
 */
export async function removeTree(path: string): Promise<void> {
  const folders = (await lstat(path).catch(() => null))?.isDirectory() === true ? [path] : [];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    await chmod(folder, 0o755).catch(() => undefined);
    for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => []))
      if (entry.isDirectory()) folders.push(join(folder, entry.name));
  }
  await rm(path, { recursive: true, force: true });
}

/**
 * The same, where nothing is to wait for it: what cannot be deleted, as a script may have left it, is said and stays.
 */
export async function clearTree(folder: string, log: Logger): Promise<void> {
  await removeTree(folder).catch((error: unknown) =>
    log.warn("a folder cannot be deleted", { path: folder, error: String(error) }),
  );
}
