// Immutable copies of batch folders under data/revisions/<digest>/, shared by equal content.
import { randomUUID } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, realpathSync, renameSync, statSync } from "node:fs";
import { readdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import { InvariantError, StoreError } from "../errors.ts";
import type { Folder } from "../model/batch.ts";
import type { Revision, BatchName } from "../model/ids.ts";
import { syncFolder } from "../platform/durable.ts";
import { makeFolders, type EnsureFolder } from "../platform/folders.ts";
import { errorCode, readBounded, removeTree } from "../platform/files.ts";
import type { RevisionFile, Revisions, BatchSource, Verified } from "./port.ts";
import { isWhole, removeAdded } from "./revision-mend.ts";
import { RevisionSeals } from "./revision-seal.ts";
import {
  closeAgain,
  differences,
  isAsStamped,
  isWorkedIn,
  readStamps,
  withFlagsOfNow,
  type Stamps,
} from "./revision-stamps.ts";
import { copy, writeOut } from "./revision-copy.ts";
import { entryPath } from "./group-tree.ts";
import { digestFile, walkTree, unlimited, type OpenArchive, type Tree } from "./tree.ts";

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
  ensure: EnsureFolder = makeFolders,
): Revisions {
  const revisions = new StoredRevisions(join(dataDir, "revisions"), root, { sourceOf, unpack, ensure });
  return {
    store: (folder) => revisions.store(folder),
    verify: (revision, reload) => revisions.verify(revision, reload),
    seal: (revision) => revisions.seal(revision),
    load: (revision, name) => revisions.load(revision, name),
    files: (revision) => revisions.files(revision),
    collect: (inUse) => revisions.collect(inUse),
    path: (revision) => revisions.path(revision),
  };
}

/** Invariant: what bears a revision's name is whole; copies under way and what is deleted have names of their own. */
class StoredRevisions {
  readonly #home: string;
  readonly #root: string;
  readonly #stored: BatchSource;
  readonly #unpack: OpenArchive | undefined;
  readonly #ensure: EnsureFolder;
  /** Stamps of revisions that were stored, or verified, and not touched since. */
  readonly #stamps = new Map<Revision, Stamps>();
  readonly #verifying = new Map<Revision, Promise<Verified>>();
  /** Revisions whose shell scripts an execution has changed, or may have. */
  readonly #rewritten = new Set<Revision>();
  readonly #seals: RevisionSeals;

  constructor(
    home: string,
    root: string,
    deps: { sourceOf: (root: string) => BatchSource; unpack: OpenArchive | undefined; ensure: EnsureFolder },
  ) {
    const { sourceOf, unpack, ensure } = deps;
    this.#home = home;
    this.#ensure = ensure;
    this.#root = root;
    this.#stored = sourceOf(home);
    this.#unpack = unpack;
    this.#seals = new RevisionSeals(home);
  }

  path(revision: Revision): string {
    return join(this.#home, revision);
  }

  #exists(revision: string): boolean {
    return existsSync(join(this.#home, revision));
  }

  async store(folder: Folder): Promise<boolean> {
    if (this.#exists(folder.digest)) {
      await this.#closeToOthers(folder);
      return true;
    }
    const staging = await this.#stage(folder);
    if (staging === null) return false;
    try {
      renameSync(staging, join(this.#home, folder.digest));
      await this.#remember(folder.digest);
    } catch (error) {
      await removeTree(staging); // another batch with the same content was faster
      if (!["ENOTEMPTY", "EEXIST"].includes(errorCode(error))) throw notCopied(folder, error);
    }
    await syncFolder(this.#home).catch((error: unknown) => {
      throw notCopied(folder, error);
    });
    return true;
  }

  /** Another batch, or the same one before, may have shown to everybody what this one keeps to itself. */
  async #closeToOthers({ digest, files = [] }: Folder): Promise<void> {
    let closed = false;
    for (const { path } of files.filter(({ isPrivate }) => isPrivate)) {
      const whole = join(this.#home, digest, path);
      const mode = statSync(whole, { throwIfNoEntry: false })?.mode ?? 0;
      if ((mode & 0o077) === 0) continue;
      await this.#seals.open(digest); // nobody changes the mode of what is immutable
      chmodSync(whole, mode & 0o700);
      closed = true;
    }
    if (closed) await this.#remember(digest);
  }

  /** A whole copy of a folder under a name of its own; null when it must be read again. Throws StoreError. */
  async #stage(folder: Folder): Promise<string | null> {
    const staging = join(this.#home, `.staging-${randomUUID()}`); // in containers every agent has pid 1
    try {
      this.#ensure(this.#home);
      mkdirSync(staging);
      const inherited = folder.inherited?.text ?? null;
      if (folder.files !== undefined) await writeOut(folder.files, inherited, staging);
      else if (
        (await this.#opened(folder, ({ files, faults }) =>
          faults.length > 0 ? Promise.resolve(null) : copy(files, inherited, staging),
        )) !== (folder.inherited?.filesDigest ?? folder.digest)
      ) {
        await removeTree(staging);
        return null;
      }
      return staging;
    } catch (error) {
      await removeTree(staging).catch(() => undefined);
      if (errorCode(error) === "ENOENT" && !this.#exists(folder.digest)) {
        // The source moved under our hands, or our own folder is gone: the next look tells.
        return null;
      }
      throw notCopied(folder, error);
    }
  }

  async #remember(revision: Revision): Promise<void> {
    const stamps = await readStamps(join(this.#home, revision), Infinity).catch(() => null);
    if (stamps === null) this.#stamps.delete(revision);
    else this.#stamps.set(revision, stamps);
  }

  verify(revision: Revision, reload: () => Promise<Folder | null>): Promise<Verified> {
    const running =
      this.#verifying.get(revision) ??
      this.#verifyNow(revision, reload).finally(() => void this.#verifying.delete(revision));
    this.#verifying.set(revision, running);
    return running;
  }

  async #verifyNow(revision: Revision, reload: () => Promise<Folder | null>): Promise<Verified> {
    const path = join(this.#home, revision);
    const known = this.#stamps.get(revision) ?? null;
    if (known !== null && (await isAsStamped(path, known))) return { kind: "intact" };
    const found = await readStamps(path, (known?.size ?? maxEntries) + maxEntries).catch(() => null);
    if (found !== null && (await isWhole(path, revision, found))) {
      closeAgain(path, found);
      await this.#remember(revision);
      return { kind: "intact" };
    }
    const { changed, isScript } = differences(known, found);
    if (isScript) this.#rewritten.add(revision);
    const folder = await reload();
    if (folder?.digest === revision) {
      const staging = await this.#stage(folder);
      if (staging !== null) {
        await this.#replaceBy(staging, revision);
        return { kind: "restored", changed };
      }
    }
    // Wherever files were only added, those that were there are still whole.
    if (known !== null && found !== null && !isWorkedIn(path)) {
      await removeAdded(path, known, found);
      const left = await readStamps(path, known.size + 1).catch(() => null);
      if (left !== null && (await isWhole(path, revision, left))) {
        closeAgain(path, left);
        await this.#remember(revision);
        return { kind: "restored", changed };
      }
    }
    return { kind: "damaged", changed };
  }

  async seal(revision: Revision): Promise<(() => Promise<void>) | null> {
    const seal = this.#rewritten.has(revision) ? await this.#seals.seal(revision) : null;
    if (seal === null) return null;
    this.#acceptFlags(revision);
    return async () => {
      await this.#seals.release(seal);
      this.#acceptFlags(revision);
    };
  }

  #acceptFlags(revision: Revision): void {
    const known = this.#stamps.get(revision);
    try {
      if (known !== undefined) this.#stamps.set(revision, withFlagsOfNow(join(this.#home, revision), known));
    } catch {
      // A script is gone: the next check says so.
    }
  }

  /** What runs in the old copy keeps it until it has ended. */
  async #replaceBy(staging: string, revision: Revision): Promise<void> {
    const path = join(this.#home, revision);
    const old = join(this.#home, `.replaced-${revision}-${randomUUID()}`);
    await this.#seals.open(revision);
    if (existsSync(path)) renameSync(path, old);
    renameSync(staging, path);
    await this.#remember(revision);
    await syncFolder(this.#home);
    if (existsSync(old) && !isWorkedIn(old)) await removeTree(old).catch(() => undefined);
  }

  /** Opens a batch's files where they lie, in a folder or an archive. */
  async #opened<T>({ name, entry, group }: Folder, work: (tree: Tree) => Promise<T>): Promise<T> {
    const real = realpathSync.native(this.#root);
    const path = join(real, entryPath({ group, entry }));
    if (entry === name) return work(await walkTree(real, path));
    if (this.#unpack === undefined) throw new InvariantError(`nothing was given to open ${entry} with`);
    return this.#unpack(path, work);
  }

  async load(revision: Revision, name: BatchName): Promise<Folder | null> {
    const loaded = await this.#stored.load(revision);
    if (loaded.kind !== "found" || loaded.folder.digest !== revision) return null; // gone or damaged
    return { ...loaded.folder, name, entry: name };
  }

  async files(revision: Revision): Promise<RevisionFile[] | null> {
    const folder = join(this.#home, revision);
    try {
      const real = await realpath(folder);
      const tree = await walkTree(real, real, unlimited);
      return tree.files.map(({ path, size, executable, realPath }) => ({
        path,
        size,
        executable,
        read: async () => (await readBounded(realPath, size, "refuse")).bytes,
        digest: () => digestFile(realPath),
      }));
    } catch (error) {
      if (errorCode(error) === "ENOENT") return null;
      throw error;
    }
  }

  async collect(inUse: () => ReadonlySet<Revision>): Promise<number> {
    const wanted = inUse();
    const candidates = (await readdir(this.#home).catch(() => [])).filter((entry) => !wanted.has(entry as Revision));
    let gone = 0;
    for (const entry of candidates) {
      if (entry.startsWith(".replaced-") && !isWorkedIn(join(this.#home, entry)))
        await removeTree(join(this.#home, entry));
      // One that could not be deleted may still lie there.
      const trash = join(this.#home, `.trash-${entry}-${randomUUID()}`);
      if (entry.startsWith(".") || inUse().has(entry as Revision)) continue;
      // At once with the question, so that nothing can take it into use in between.
      renameSync(join(this.#home, entry), trash);
      this.#stamps.delete(entry as Revision);
      this.#rewritten.delete(entry as Revision);
      gone += 1;
      await removeTree(trash);
    }
    return gone;
  }
}

function notCopied(folder: Folder, error: unknown): StoreError {
  return new StoreError("copy", folder.location, error, "is there room in the data folder?");
}
