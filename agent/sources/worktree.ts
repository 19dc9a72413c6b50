// Describes what git says of the work tree that a folder lies in, read from git's own files: no process, so it also
// works without git. Never an error: what cannot be read is not known. A repository of another owner than the
// folder's is not believed, as git itself does not (safe.directory): anybody can put one into a folder above, such as
// /tmp.
import { lstat, realpath, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { messageOf } from "../errors.ts";
import { errorCode, isPassing, openFile, readText } from "../platform/files.ts";
import type { WorkTree, WorkTreeState } from "./port.ts";

const unknown: WorkTreeState = { commit: null, lockedAt: null };
/** Files that hold one path, one reference or one commit. */
const maxLineBytes = 8 * 1024;
/** A list of packed refs beyond this, of two million branches, is not read. */
const maxPackedBytes = 128 * 1024 * 1024;
const pieceBytes = 256 * 1024;
const commitLength = 40;
const newline = 0x0a;
/** Holds what is simply not there is no trouble. */
const absent = ["ENOENT", "ENOTDIR"];

/**
 * The work tree around `root`, links resolved anew at each look: a subfolder, a linked work tree and a submodule
 * count too.
 * `onTrouble` hears why git's files cannot be read, once until they can be.
 */
export function createWorkTree(root: string, onTrouble: (why: string) => void = () => undefined): WorkTree {
  let told: string | null = null;
  let last = unknown;

  async function read(): Promise<WorkTreeState> {
    const gitFolder = await findGitFolder(await realpath(root));
    if (gitFolder === null) return unknown;
    const lock = await stat(join(gitFolder, "index.lock")).catch(() => null);
    const lockedAt = lock === null ? null : lock.mtimeMs;
    try {
      const commit = await readHead(gitFolder);
      told = null;
      return { commit, lockedAt };
    } catch (error) {
      const why = `${gitFolder}: ${messageOf(error)}`;
      if (!absent.includes(errorCode(error)) && why !== told) onTrouble((told = why));
      if (isPassing(error)) throw error;
      return { commit: null, lockedAt };
    }
  }
  return {
    async read() {
      try {
        return (last = await read());
      } catch (error) {
        // It is as it was, wherever it cannot be read just now.
        return isPassing(error) ? last : unknown;
      }
    },
  };
}

/**
 * Returns where git keeps what belongs to the work tree; null outside of one. Like git it does not look beyond the
 * file system.
 */
async function findGitFolder(start: string): Promise<string | null> {
  const { dev, uid } = await stat(start);
  for (let folder = start; ; folder = dirname(folder)) {
    const path = join(folder, ".git");
    const info = await stat(path).catch(() => null);
    if (info !== null && info.uid !== uid && info.uid !== 0) return null;
    if (info?.isDirectory() && (await lstat(join(path, "HEAD")).catch(() => null)) !== null) return path;
    if (info?.isFile()) {
      const target = /^gitdir: (.+?)\r?\n?$/.exec(await readText(path, maxLineBytes))?.[1];
      return target === undefined ? null : resolve(folder, target);
    }
    if (folder === dirname(folder) || (await stat(dirname(folder))).dev !== dev) return null;
  }
}

/**
 * The commit of HEAD, 40 hex; null when there is none yet, or it is kept in a form not read here (reftable, SHA-256).
 */
async function readHead(gitFolder: string): Promise<string | null> {
  const common = await readText(join(gitFolder, "commondir"), maxLineBytes).then(
    (text) => resolve(gitFolder, text.trim()),
    (error: unknown) => orThrow(error, gitFolder),
  );
  let text = await readText(join(gitFolder, "HEAD"), maxLineBytes);
  for (let step = 0; step < 5; step++) {
    const commit = /^[0-9a-f]{40}$/.exec(text.trim())?.[0];
    if (commit !== undefined) return commit;
    const ref = /^ref: (refs\/\S+)$/.exec(text.trim())?.[1];
    if (ref === undefined || ref.split("/").includes("..")) return null;
    const loose = (await readRef(join(gitFolder, ref))) ?? (await readRef(join(common, ref)));
    if (loose === null) return readPacked(join(common, "packed-refs"), ref);
    text = loose;
  }
  return null;
}

/** A folder may bear the name: `refs/heads/a` where there is a branch `a/b`, packed or not. */
async function readRef(path: string): Promise<string | null> {
  if ((await stat(path).catch(() => null))?.isDirectory() === true) return null;
  return readText(path, maxLineBytes).catch((error: unknown) => orThrow(error, null));
}

function orThrow<T>(error: unknown, ifAbsent: T): T {
  if (absent.includes(errorCode(error))) return ifAbsent;
  throw error;
}

/** Finds a ref in the list of packed ones, which may be of any length: it is searched as bytes, piece by piece. */
async function readPacked(path: string, ref: string): Promise<string | null> {
  const file = await openFile(path).catch((error: unknown) => orThrow(error, null));
  if (file === null) return null;
  try {
    const { size } = await file.stat();
    if (size > maxPackedBytes) throw new Error(`packed-refs is larger than ${maxPackedBytes} bytes`);
    const line = Buffer.from(` ${ref}\n`);
    // Each piece begins with the end of the one before: a line may lie across.
    const overlap = 1 + commitLength + line.length;
    const piece = Buffer.allocUnsafe(overlap + pieceBytes);
    let held = 0;
    for (let at = 0, isFirst = true; ; isFirst = false) {
      const { bytesRead } = await file.read(piece, held, pieceBytes, at);
      at += bytesRead;
      let filled = held + bytesRead;
      // The last line may lack its end.
      if (bytesRead === 0) piece[filled++] = newline;
      const found = findRef(piece.subarray(0, filled), line, isFirst);
      if (found !== null || bytesRead === 0) return found;
      held = Math.min(filled, overlap);
      piece.copy(piece, 0, filled - held, filled);
    }
  } finally {
    await file.close();
  }
}

/** Returns the commit before ` <ref>` and a line break; `isFirst`: the bytes begin with a line. */
function findRef(bytes: Buffer, line: Buffer, isFirst: boolean): string | null {
  for (let at = bytes.indexOf(line); at >= 0; at = bytes.indexOf(line, at + 1)) {
    const begin = at - commitLength;
    if (begin < 0 || !(begin === 0 ? isFirst : bytes[begin - 1] === newline)) continue;
    const commit = bytes.toString("latin1", begin, at);
    if (/^[0-9a-f]{40}$/.test(commit)) return commit;
  }
  return null;
}
