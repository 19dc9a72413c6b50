// Walks one batch's files: links resolved and kept within the root, limits enforced, content hashed.
import { createHash } from "node:crypto";
import { statSync, readdirSync, lstatSync, realpathSync, type Dirent } from "node:fs";
import { opendir } from "node:fs/promises";
import { join } from "node:path";
import { isEditorLeftover, isMadeByMachine } from "./leftovers.ts";
import { combinedDigest, inheritedName } from "../model/revision.ts";
import { yieldToEventLoop } from "../async/yield.ts";
import { isWithin, deepest, coarsestTimeMs, errorCode, openFile, readStart } from "../platform/files.ts";

export interface TreeFile {
  /** Relative to the batch folder, with `/`. */
  path: string;
  /** Tells where its bytes are, links resolved. */
  realPath: string;
  size: number;
  executable: boolean;
  /** True when its owner keeps it to himself: others may not read it, or not enter a folder on the way to it. */
  isPrivate: boolean;
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
  /** Tells where there is a better one than its code's. */
  hint?: string;
}
/** Opens an archive for as long as `work` takes, as a tree like that of a folder; `changedMs` is the archive's. */
export type OpenArchive = <T>(path: string, work: (tree: Tree) => Promise<T>) => Promise<T>;
export interface TreeLimits {
  files: number;
  bytes: number;
}
const othersRead = 0o004;
const othersEnter = 0o001;
const treeLimits: TreeLimits = { files: 10000, bytes: 256 * 1024 * 1024 };
/** For what was within limits once. */
export const unlimited: TreeLimits = { files: Infinity, bytes: Infinity };
/**
 * Lists the files of a batch, links followed within `root`, a real path that `folder` is or lies right below. Left out:
 * names that begin with `..` or are `.git`, what editors leave behind while one types, and what desktops and disks make
 * by themselves. Throws the file system's own errors, ENOTDIR for a plain file.
 */
export async function walkTree(root: string, folder: string, limits: TreeLimits = treeLimits): Promise<Tree> {
  const files: TreeFile[] = [];
  const faults: TreeFault[] = [];
  let bytes = 0;
  let seen = 0;
  let changedMs = 0;
  const began = Date.now();
  const identity = createHash("sha1");

  async function visit(directory: string, prefix: string, depth: number, closed: boolean): Promise<void> {
    await yieldToEventLoop();
    const info = statSync(directory); // a file that was taken out shows here only
    const isClosed = closed || (info.mode & othersEnter) === 0;
    changedMs = Math.max(changedMs, info.mtimeMs, info.ctimeMs);
    // A folder of very many is read bit by bit, no further than the limit; for others one call is several times as
    // fast.
    const listed =
      info.size > 64 * 1024
        ? await opendir(directory, { bufferSize: 256 })
        : readdirSync(directory, { withFileTypes: true });
    const entries: Dirent[] = [];
    for await (const entry of listed) {
      if (entry.name.startsWith("..") || entry.name === ".git") continue;
      if (isEditorLeftover(entry.name) || isMadeByMachine(entry.name)) continue;
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
        await visit(real, `${path}/`, depth + 1, isClosed);
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
          isPrivate: isClosed || (info.mode & othersRead) === 0,
        });
      } else {
        faults.push({ code: "special-file", path, message: `${path} is neither a file nor a folder` });
      }
    }
    // Whatever was swapped meanwhile, as the link of a mounted volume is, may have been seen half before and half
    // after.
    const after = statSync(directory);
    changedMs = Math.max(changedMs, after.mtimeMs, after.ctimeMs);
  }

  // a link, as in a volume with `items`
  const start = lstatSync(folder).isSymbolicLink() ? realpathSync.native(folder) : folder;
  if (isWithin(root, start)) await visit(start, "", 0, (statSync(root).mode & othersEnter) === 0);
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
/**
 * Digest of a tree: first 12 hex digits of SHA-256 over sorted paths, run bits, sizes and bytes; and over what it
 * inherits, where that lies in it as a file.
 */
export async function hashTree(
  files: readonly TreeFile[],
  onBytes: (file: TreeFile, bytes: Uint8Array) => Promise<void> | void,
): Promise<string> {
  const hash = createHash("sha256");
  let inherited: Uint8Array | null = null;
  for (const file of files) {
    if (file.path === inheritedName) {
      inherited = readStart(file.realPath, file.size + 1, "refuse");
      await onBytes(file, inherited);
      continue;
    }
    hash.update(`${file.path}\0${file.executable ? 1 : 0}\0${file.size}\0`);
    if (file.size <= 1024 * 1024) {
      await yieldToEventLoop();
      // One byte more shows that it has grown; what it holds then is for the next look.
      const bytes = readStart(file.realPath, file.size + 1, "refuse");
      hash.update(bytes);
      await onBytes(file, bytes);
    } else {
      const opened = await openFile(file.realPath, "refuse");
      for await (const chunk of opened.createReadStream({ highWaterMark: 256 * 1024, end: file.size })) {
        hash.update(chunk as Uint8Array);
        await onBytes(file, chunk as Uint8Array);
      }
    }
  }
  return combinedDigest(hash.digest("hex").slice(0, 12), inherited);
}

/** Returns the SHA-256 of a file's bytes, in hex. */
export async function digestFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  const file = await openFile(path, "refuse");
  for await (const chunk of file.createReadStream({ highWaterMark: 256 * 1024 })) hash.update(chunk as Uint8Array);
  return hash.digest("hex");
}
