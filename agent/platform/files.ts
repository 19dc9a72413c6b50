// File mechanics that several adapters share: walking and hashing a batch's tree. No policy.
import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  statSync,
  type Dirent,
} from "node:fs";
import { chmod, open, opendir, readdir, rm } from "node:fs/promises";
import { join, sep } from "node:path";
import type { Logger } from "../ports.ts";

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

export interface TreeFile {
  /** Relative to the batch folder, with `/`. */
  path: string;
  /** Where its bytes are, links resolved. */
  realPath: string;
  size: number;
  executable: boolean;
}

export interface Tree {
  files: TreeFile[];
  faults: TreeFault[];
  /** When any file or folder of it last changed. */
  changedMs: number;
  /**
   * The same as long as no file's path, size, time of change, inode or mode is another. null when something changed so
   * short a time ago that the next change might bear the same time.
   */
  signature?: string | null;
}

interface TreeFault {
  code: "special-file" | "link-outside" | "too-many-files" | "too-large" | "bad-archive";
  path: string;
  message: string;
  /** Where there is a better one than its code's. */
  hint?: string;
}

/** Some file systems keep times by 2 s. */
const coarsestTimeMs = 3_000;

/** Opens an archive for as long as `work` takes, as a tree like that of a folder; `changedMs` is the archive's. */
export type OpenArchive = <T>(path: string, work: (tree: Tree) => Promise<T>) => Promise<T>;

export interface TreeLimits {
  files: number;
  bytes: number;
}

const treeLimits: TreeLimits = { files: 10_000, bytes: 256 * 1024 * 1024 };
/** For what was within limits once. */
export const unlimited: TreeLimits = { files: Infinity, bytes: Infinity };
const deepest = 32;

/**
 * Lists the files of a batch, links followed within `root`, a real path that `folder` is or lies right below. Left out: names that begin
 * with `..` or are `.git`, and what editors leave behind while one types. Throws the file system's own errors, ENOTDIR for a plain file.
 */
export async function walkTree(root: string, folder: string, limits: TreeLimits = treeLimits): Promise<Tree> {
  const files: TreeFile[] = [];
  const faults: TreeFault[] = [];
  let bytes = 0;
  let seen = 0;
  let changedMs = 0;
  const began = Date.now();
  const identity = createHash("sha1");

  async function visit(directory: string, prefix: string, depth: number): Promise<void> {
    await breathe();
    const info = statSync(directory); // a file that was taken out shows here only
    changedMs = Math.max(changedMs, info.mtimeMs, info.ctimeMs);
    // A folder of very many is read bit by bit, no further than the limit; for others one call is several times as fast.
    const listed =
      info.size > 64 * 1024
        ? await opendir(directory, { bufferSize: 256 })
        : readdirSync(directory, { withFileTypes: true });
    const entries: Dirent[] = [];
    for await (const entry of listed) {
      if (entry.name.startsWith("..") || entry.name === ".git" || isEditorLeftover(entry.name)) continue;
      seen += 1;
      if (seen > limits.files) {
        faults.push({ code: "too-many-files", path: "", message: `holds more than ${limits.files} files` });
        return;
      }
      entries.push(entry);
    }
    for (const entry of entries) {
      const path = prefix + entry.name;
      let real = join(directory, entry.name);
      if (entry.isSymbolicLink()) {
        const target = resolveLink(real);
        if (target === null || !isWithin(root, target)) {
          const why = target === null ? "leads nowhere" : "leaves the watched folder";
          faults.push({ code: "link-outside", path, message: `the symbolic link ${path} ${why}` });
          continue;
        }
        real = target;
      }
      const info = statSync(real, { throwIfNoEntry: false });
      if (info === undefined) {
        if (entry.name.includes("\uFFFD"))
          faults.push({ code: "special-file", path, message: `the name of ${path} is not UTF-8`, hint: "rename it" });
        else changedMs = Date.now(); // it went after it was listed: not settled yet
        continue;
      }
      if (info.isDirectory()) {
        if (depth >= deepest) {
          faults.push({ code: "too-many-files", path, message: `folders are nested more than ${deepest} deep` });
          return;
        }
        await visit(real, `${path}/`, depth + 1);
        if (faults.some((fault) => fault.code === "too-many-files")) return;
      } else if (info.isFile()) {
        bytes += info.size;
        changedMs = Math.max(changedMs, info.mtimeMs, info.ctimeMs);
        identity.update(`${path}\0${info.size} ${info.mtimeMs} ${info.ctimeMs} ${info.dev} ${info.ino} ${info.mode}\n`);
        files.push({
          path,
          realPath: real,
          size: info.size,
          executable: (info.mode & 0o111) !== 0,
        });
      } else {
        faults.push({ code: "special-file", path, message: `${path} is neither a file nor a folder` });
      }
    }
    // What was swapped meanwhile, as the link of a mounted volume is, may have been seen half before and half after.
    const after = statSync(directory);
    changedMs = Math.max(changedMs, after.mtimeMs, after.ctimeMs);
  }

  const start = lstatSync(folder).isSymbolicLink() ? realpathSync.native(folder) : folder; // a link, as in a volume with `items`
  if (isWithin(root, start)) await visit(start, "", 0);
  else faults.push({ code: "link-outside", path: "", message: "it is a symbolic link that leaves the watched folder" });
  if (bytes > limits.bytes) {
    faults.push({ code: "too-large", path: "", message: `holds ${bytes} bytes, more than ${limits.bytes}` });
  }
  files.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  const quietMs = began - changedMs;
  return {
    files,
    faults,
    changedMs,
    signature: faults.length === 0 && quietMs > coarsestTimeMs ? identity.digest("base64") : null,
  };
}

/** null when it leads nowhere. */
function resolveLink(path: string): string | null {
  try {
    return realpathSync.native(path);
  } catch (error) {
    if (["ENOENT", "ELOOP", "ENOTDIR"].includes(errorCode(error))) return null;
    throw error;
  }
}

function isEditorLeftover(name: string): boolean {
  return name.endsWith("~") || name.startsWith(".#") || /^\..+\.sw[a-z]$/.test(name) || name === "4913";
}

/** Whether a real path is the real path `root` or lies below it. */
export function isWithin(root: string, path: string): boolean {
  return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);
}

/** A FIFO that took a file's place a moment ago is not waited for. */
const readFlags = constants.O_RDONLY | constants.O_NONBLOCK;

function readSmall(path: string): Uint8Array {
  const file = openSync(path, readFlags);
  try {
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}

/** The text of a file that may be anything, also a pipe that nobody writes to or a device without an end. Throws on what is no file and on more than `most` bytes. */
export function readPlain(path: string, most: number): string {
  const file = openSync(path, readFlags);
  try {
    if (!fstatSync(file).isFile()) throw new Error("it is not a file");
    // Its size says nothing: it may grow, and those of /proc are all 0 and may have no end.
    const buffer = Buffer.allocUnsafe(most + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length <= most; length += read)
      read = readSync(file, buffer, length, buffer.length - length, null);
    if (length > most) throw new Error(`it is larger than ${most} bytes`);
    return buffer.toString("utf8", 0, length);
  } finally {
    closeSync(file);
  }
}

/** Digest of a tree: first 12 hex digits of SHA-256 over sorted paths, run bits, sizes and bytes. */
export async function hashTree(
  files: readonly TreeFile[],
  onBytes: (file: TreeFile, bytes: Uint8Array) => Promise<void> | void,
): Promise<string> {
  const hash = createHash("sha256");
  for (const file of files) {
    hash.update(`${file.path}\0${file.executable ? 1 : 0}\0${file.size}\0`);
    if (file.size <= 1024 * 1024) {
      await breathe();
      const bytes = readSmall(file.realPath);
      hash.update(bytes);
      await onBytes(file, bytes);
    } else {
      const opened = await open(file.realPath, readFlags);
      for await (const chunk of opened.createReadStream({ highWaterMark: 256 * 1024 })) {
        hash.update(chunk as Uint8Array);
        await onBytes(file, chunk as Uint8Array);
      }
    }
  }
  return hash.digest("hex").slice(0, 12);
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
