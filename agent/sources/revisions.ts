// Immutable copies of batch folders under data/revisions/<digest>/, shared by equal content.
import { createHash, randomUUID } from "node:crypto";
import {
  chmodSync,
  closeSync,
  createReadStream,
  existsSync,
  fchmodSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { mkdir, readdir, readFile, realpath } from "node:fs/promises";
import { dirname, join } from "node:path";
import { InvariantError, StoreError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { Folder } from "../model/batch.ts";
import type { Revision, BatchName } from "../model/ids.ts";
import { syncFile, syncFolder } from "../platform/durable.ts";
import { clearTree, errorCode, removeTree } from "../platform/files.ts";
import type { RevisionFile, Revisions, BatchSource } from "./port.ts";
import { hashTree, walkTree, unlimited, type OpenArchive, type Tree, type TreeFile } from "./tree.ts";

/**
 * @param dataDir  the agent's data folder
 * @param root     the folder of batches to copy from
 * @param sourceOf reads a stored revision back, as a source of folders below the given path
 * @param unpack   opens batches that are archives
 */
export function createRevisions(
  dataDir: string,
  root: string,
  sourceOf: (root: string) => BatchSource,
  unpack?: OpenArchive,
): Revisions {
  const home = join(dataDir, "revisions");
  const stored = sourceOf(home);

  const exists = (revision: string) => existsSync(join(home, revision));

  async function store(folder: Folder): Promise<boolean> {
    if (exists(folder.digest)) return true;
    const staging = join(home, `.staging-${randomUUID()}`); // in containers every agent has pid 1
    try {
      mkdirSync(staging, { recursive: true });
      if (folder.files !== undefined) await writeOut(folder.files, staging);
      else if (
        (await opened(folder, ({ files, faults }) =>
          faults.length > 0 ? Promise.resolve(null) : copy(files, staging),
        )) !== folder.digest
      ) {
        await removeTree(staging);
        return false;
      }
      try {
        renameSync(staging, join(home, folder.digest));
      } catch (error) {
        if (!["ENOTEMPTY", "EEXIST"].includes(errorCode(error))) throw error;
        await removeTree(staging); // another batch with the same content was faster
      }
      await syncFolder(home);
      return true;
    } catch (error) {
      await removeTree(staging).catch(() => undefined);
      const code = errorCode(error);
      if (code === "ENOENT" && !exists(folder.digest)) {
        // The source moved under our hands, or our own folder is gone: the next look tells.
        await mkdir(home, { recursive: true }).catch(() => undefined);
        return false;
      }
      throw new StoreError("copy", folder.location, error, "is there room in the data folder?");
    }
  }

  /** Opens a batch's files where they lie, in a folder or an archive. */
  async function opened<T>({ name, entry }: Folder, work: (tree: Tree) => Promise<T>): Promise<T> {
    const real = realpathSync.native(root);
    if (entry === name) return work(await walkTree(real, join(real, entry)));
    if (unpack === undefined) throw new InvariantError(`nothing was given to open ${entry} with`);
    return unpack(join(real, entry), work);
  }

  async function load(revision: Revision, name: BatchName): Promise<Folder | null> {
    const loaded = await stored.load(revision);
    if (loaded.kind !== "found" || loaded.folder.digest !== revision) return null; // gone or damaged
    return { ...loaded.folder, name, entry: name };
  }

  async function files(revision: Revision): Promise<RevisionFile[] | null> {
    const folder = join(home, revision);
    try {
      const real = await realpath(folder);
      const tree = await walkTree(real, real, unlimited);
      return tree.files.map(({ path, size, executable, realPath }) => ({
        path,
        size,
        executable,
        read: () => readFile(realPath),
        digest: () => digest(realPath),
      }));
    } catch (error) {
      if (errorCode(error) === "ENOENT") return null;
      throw error;
    }
  }

  async function collect(inUse: () => ReadonlySet<Revision>): Promise<number> {
    const wanted = inUse();
    const candidates = (await readdir(home).catch(() => [])).filter((entry) => !wanted.has(entry as Revision));
    let gone = 0;
    for (const entry of candidates) {
      const trash = join(home, `.trash-${entry}-${randomUUID()}`); // one that could not be deleted may still lie there
      if (entry.startsWith(".") || inUse().has(entry as Revision)) continue;
      // At once with the question, so that nothing can take it into use in between.
      renameSync(join(home, entry), trash);
      gone += 1;
      await removeTree(trash);
    }
    return gone;
  }

  return { store, load, files, collect, path: (revision) => join(home, revision) };
}

/**
 * Deletes what an earlier agent was in the middle of. Call it under the lock, before anything is stored or unpacked. What cannot be
 * deleted is said and stays: nothing else will ever have its name.
 */
export async function clearLeftovers(dataDir: string, log: Logger): Promise<void> {
  const home = join(dataDir, "revisions");
  for (const entry of await readdir(home).catch(() => [])) {
    if (entry.startsWith(".staging-") || entry.startsWith(".trash-")) await clearTree(join(home, entry), log);
  }
}

async function digest(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 256 * 1024 })) hash.update(chunk as Uint8Array);
  return hash.digest("hex");
}

/** Writes files as they were read; all on disk, and read-only, when it resolves. */
async function writeOut(files: NonNullable<Folder["files"]>, target: string): Promise<void> {
  const copy = beginCopy(target);
  try {
    for (const { path, executable, bytes } of files) copy.write(path, executable, bytes);
  } finally {
    copy.close();
  }
  await copy.settled();
}

/** Reads, copies and hashes in one pass, so that the digest is that of the copy; all on disk, and read-only, when it resolves. */
async function copy(files: readonly TreeFile[], target: string): Promise<string> {
  const copy = beginCopy(target);
  const digest = await hashTree(files, ({ path, executable }, bytes) => copy.write(path, executable, bytes)).finally(
    copy.close,
  );
  await copy.settled();
  return digest;
}

/** A copy that grows file by file; what is written to one path in a row is one file. Close it, then wait until it is settled. */
function beginCopy(target: string) {
  const folders = new Set([target]);
  const paths: string[] = [];
  let current: { path: string; file: number } | null = null;

  function close(): void {
    if (current !== null) closeSync(current.file);
    current = null;
  }

  function begin(path: string, executable: boolean): number {
    close();
    const whole = join(target, path);
    const folder = dirname(whole);
    if (folder !== target) mkdirSync(folder, { recursive: true });
    for (let above = folder; !folders.has(above); above = dirname(above)) folders.add(above);
    const file = openSync(whole, "w");
    current = { path, file };
    paths.push(whole);
    fchmodSync(file, executable ? 0o555 : 0o444);
    return file;
  }

  return {
    write(path: string, executable: boolean, bytes: Uint8Array): void {
      writeFileSync(current?.path === path ? current.file : begin(path, executable), bytes);
    },
    close,
    async settled(): Promise<void> {
      for (const folder of folders) chmodSync(folder, 0o555);
      await Promise.all([...paths.map(syncFile), ...[...folders].map(syncFolder)]);
    },
  };
}
