// Immutable copies of batch folders under data/revisions/<digest>/, shared by equal content.
import { createHash, randomUUID } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, realpathSync, renameSync, statSync } from "node:fs";
import { chmod, mkdir, readdir, realpath } from "node:fs/promises";
import { dirname, join } from "node:path";
import { InvariantError, StoreError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { Folder } from "../model/batch.ts";
import type { Revision, BatchName } from "../model/ids.ts";
import { syncFolder } from "../platform/durable.ts";
import { clearTree, errorCode, openFile, readBounded, removeTree } from "../platform/files.ts";
import type { RevisionFile, Revisions, BatchSource, Verified } from "./port.ts";
import { closeAgain, differences, isAsStamped, isWorkedIn, takeStamps, type Stamps } from "./revision-stamps.ts";
import { copy, writeOut } from "./revision-copy.ts";
import { entryPath } from "./group-tree.ts";
import { hashTree, walkTree, unlimited, type OpenArchive, type Tree } from "./tree.ts";

/** Maximum number of entries that a changed revision is looked through for, beyond those it had. */
const maxEntries = 20_000;

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

  /** Stamps of revisions that were stored, or verified, and not touched since. */
  const stamps = new Map<Revision, Stamps>();
  const verifying = new Map<Revision, Promise<Verified>>();

  async function store(folder: Folder): Promise<boolean> {
    if (exists(folder.digest)) {
      await closeToOthers(folder);
      return true;
    }
    const staging = await stage(folder);
    if (staging === null) return false;
    try {
      renameSync(staging, join(home, folder.digest));
      await remember(folder.digest);
    } catch (error) {
      await removeTree(staging); // another batch with the same content was faster
      if (!["ENOTEMPTY", "EEXIST"].includes(errorCode(error))) throw notCopied(folder, error);
    }
    await syncFolder(home).catch((error: unknown) => {
      throw notCopied(folder, error);
    });
    return true;
  }

  /** Another batch, or the same one before, may have shown to everybody what this one keeps to itself. */
  async function closeToOthers({ digest, files = [] }: Folder): Promise<void> {
    let closed = false;
    for (const { path } of files.filter(({ isPrivate }) => isPrivate)) {
      const whole = join(home, digest, path);
      const mode = statSync(whole, { throwIfNoEntry: false })?.mode ?? 0;
      if ((mode & 0o077) === 0) continue;
      chmodSync(whole, mode & 0o700);
      closed = true;
    }
    if (closed) await remember(digest);
  }

  /** A whole copy of a folder under a name of its own; null when it must be read again. Throws StoreError. */
  async function stage(folder: Folder): Promise<string | null> {
    const staging = join(home, `.staging-${randomUUID()}`); // in containers every agent has pid 1
    try {
      mkdirSync(staging, { recursive: true });
      const inherited = folder.inherited?.text ?? null;
      if (folder.files !== undefined) await writeOut(folder.files, inherited, staging);
      else if (
        (await opened(folder, ({ files, faults }) =>
          faults.length > 0 ? Promise.resolve(null) : copy(files, inherited, staging),
        )) !== (folder.inherited?.filesDigest ?? folder.digest)
      ) {
        await removeTree(staging);
        return null;
      }
      return staging;
    } catch (error) {
      await removeTree(staging).catch(() => undefined);
      if (errorCode(error) === "ENOENT" && !exists(folder.digest)) {
        // The source moved under our hands, or our own folder is gone: the next look tells.
        await mkdir(home, { recursive: true }).catch(() => undefined);
        return null;
      }
      throw notCopied(folder, error);
    }
  }

  async function remember(revision: Revision): Promise<void> {
    const taken = await takeStamps(join(home, revision), Infinity).catch(() => null);
    if (taken === null) stamps.delete(revision);
    else stamps.set(revision, taken);
  }

  function verify(revision: Revision, reload: () => Promise<Folder | null>): Promise<Verified> {
    const running =
      verifying.get(revision) ?? verifyNow(revision, reload).finally(() => void verifying.delete(revision));
    verifying.set(revision, running);
    return running;
  }

  async function verifyNow(revision: Revision, reload: () => Promise<Folder | null>): Promise<Verified> {
    const path = join(home, revision);
    const known = stamps.get(revision) ?? null;
    if (known !== null && (await isAsStamped(path, known))) return { kind: "intact" };
    const found = await takeStamps(path, (known?.size ?? maxEntries) + maxEntries).catch(() => null);
    if (found !== null && (await isWhole(revision, found))) {
      closeAgain(path, found);
      await remember(revision);
      return { kind: "intact" };
    }
    const changed = differences(known, found);
    const folder = await reload();
    if (folder?.digest === revision) {
      const staging = await stage(folder);
      if (staging !== null) {
        await replaceBy(staging, revision);
        return { kind: "restored", changed };
      }
    }
    // Wherever files were only added, those that were there are still whole.
    if (known !== null && found !== null && !isWorkedIn(path)) {
      for (const added of [...found.keys()].filter((one) => !known.has(one))) {
        chmodSync(path, 0o755);
        await openFolders(path, dirname(added));
        await removeTree(join(path, added));
      }
      const left = await takeStamps(path, known.size + 1).catch(() => null);
      if (left !== null && (await isWhole(revision, left))) {
        closeAgain(path, left);
        await remember(revision);
        return { kind: "restored", changed };
      }
    }
    return { kind: "damaged", changed };
  }

  /**
   * Returns whether what lies there has the revision's digest, and nothing lies beside it that the digest passes
   * over. What cannot
   * be read (rights taken away, a FIFO in a file's place) is not whole.
   */
  function isWhole(revision: Revision, found: Stamps): Promise<boolean> {
    return isEqual(revision, found).catch(() => false);
  }

  async function isEqual(revision: Revision, found: Stamps): Promise<boolean> {
    const real = realpathSync.native(join(home, revision));
    const { files } = await walkTree(real, real, unlimited);
    const expected = new Set(files.flatMap(({ path }) => [path, ...foldersOf(path)]));
    if ([...found.keys()].some((path) => !expected.has(path))) return false;
    return (await hashTree(files, () => undefined)) === revision;
  }

  /** Returns what runs in the old copy keeps it until it has ended. */
  async function replaceBy(staging: string, revision: Revision): Promise<void> {
    const path = join(home, revision);
    const old = join(home, `.replaced-${revision}-${randomUUID()}`);
    if (existsSync(path)) renameSync(path, old);
    renameSync(staging, path);
    await remember(revision);
    await syncFolder(home);
    if (existsSync(old) && !isWorkedIn(old)) await removeTree(old).catch(() => undefined);
  }

  /** Opens a batch's files where they lie, in a folder or an archive. */
  async function opened<T>({ name, entry, group }: Folder, work: (tree: Tree) => Promise<T>): Promise<T> {
    const real = realpathSync.native(root);
    const path = join(real, entryPath({ group, entry }));
    if (entry === name) return work(await walkTree(real, path));
    if (unpack === undefined) throw new InvariantError(`nothing was given to open ${entry} with`);
    return unpack(path, work);
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
        read: async () => (await readBounded(realPath, size, "refuse")).bytes,
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
      if (entry.startsWith(".replaced-") && !isWorkedIn(join(home, entry))) await removeTree(join(home, entry));
      const trash = join(home, `.trash-${entry}-${randomUUID()}`); // one that could not be deleted may still lie there
      if (entry.startsWith(".") || inUse().has(entry as Revision)) continue;
      // At once with the question, so that nothing can take it into use in between.
      renameSync(join(home, entry), trash);
      stamps.delete(entry as Revision);
      gone += 1;
      await removeTree(trash);
    }
    return gone;
  }

  return { store, verify, load, files, collect, path: (revision) => join(home, revision) };
}

/**
 * Deletes what an earlier agent was in the middle of. Call it under the lock, before anything is stored or unpacked.
 * What cannot be
 * deleted is said and stays: nothing else will ever have its name.
 */
export async function clearLeftovers(dataDir: string, log: Logger): Promise<void> {
  const home = join(dataDir, "revisions");
  for (const entry of await readdir(home).catch(() => [])) {
    if (/^\.(staging|trash|replaced)-/.test(entry)) await clearTree(join(home, entry), log);
  }
}

async function digest(path: string): Promise<string> {
  const hash = createHash("sha256");
  const file = await openFile(path, "refuse");
  for await (const chunk of file.createReadStream({ highWaterMark: 256 * 1024 })) hash.update(chunk as Uint8Array);
  return hash.digest("hex");
}

function notCopied(folder: Folder, error: unknown): StoreError {
  return new StoreError("copy", folder.location, error, "is there room in the data folder?");
}

/** `""`, `a` and `a/b` of `a/b/c`. */
function foldersOf(path: string): string[] {
  const parts = path.split("/");
  return parts.map((_part, index) => parts.slice(0, index).join("/"));
}

/** Makes the folders on the way to `inner` writable again, so that something can be taken out of it. */
async function openFolders(top: string, inner: string): Promise<void> {
  for (const folder of [...foldersOf(inner), inner].filter((one) => one !== "." && one !== ""))
    await chmod(join(top, folder), 0o755).catch(() => undefined);
}
