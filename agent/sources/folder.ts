// Reads batch folders, and archives as folders, into facts; definitions/ decides what they mean.
import { realpathSync } from "node:fs";
import { lstat, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, StoreError } from "../errors.ts";
import { groupFileName, type GroupFile, type GroupName } from "../model/group.ts";
import { isBatchName } from "../model/ids.ts";
import { errorCode, isWithin } from "../platform/files.ts";
import { trimEndOf } from "../text/trim.ts";
import { archiveExtensions, isForeignArchive } from "./archive/inventory.ts";
import { FolderBuilder, type At } from "./folder-builder.ts";
import { readBeside, readGroupFile } from "./group-file-reader.ts";
import { createGroupTree, entryPath, type EntryRef, type Listing } from "./group-tree.ts";
import { isMadeByMachine } from "./leftovers.ts";
import type { BatchSource, GroupSource, Loaded, Unchanged } from "./port.ts";
import { unlimited, walkTree, type OpenArchive, type TreeLimits } from "./tree.ts";

/**
 * What changed more recently than this, in ms, may change again with the same times: some file systems count seconds.
 */
const surelyOlderMs = 2_000;

export interface SourceOptions {
  /** Opens archives; without it there are none. */
  unpack?: OpenArchive;
  /** An archive that was written to within so many ms is reported as still being written, unread. None by default. */
  quietMs?: number;
  limits?: TreeLimits;
  /** The agent's own data as it really lies: no batch, also where it lies among them. */
  except?: string;
  /** The root as problems show it; its path by default. */
  shownAs?: string;
}

/** Source of the folders and archives below `root`, a path as people gave it (problems show it so). */
export function createSource(root: string, options: SourceOptions = {}): BatchSource & GroupSource {
  const source = new FolderSource(root, options);
  return {
    list: (changed) => source.list(changed),
    foreign: () => source.foreign(),
    load: ((name: string, seen?: string | null) => source.load(name, seen)) as BatchSource["load"],
    groups: () => source.groups(),
    groupsWithFile: () => source.groupsWithFile(),
    moved: () => source.moved(),
    groupOf: (name) => source.groupOf(name),
    groupFileLocation: (name) => source.groupFileLocation(name),
    readGroupFile: (name) => source.readGroupFile(name),
    readBeside: (group, file) => source.readBeside(group, file),
  };
}

/** Invariant: all of one batch is read below one real root, also when a link at the root is swapped meanwhile. */
class FolderSource {
  readonly #root: string;
  readonly #options: SourceOptions;
  readonly #builder: FolderBuilder;
  readonly #tree: ReturnType<typeof createGroupTree>;
  /** Entries as last listed; null before. */
  #listed: Listing | null = null;
  #moved: readonly string[] = [];
  /** Archives as they were last read, by their paths, so that an unchanged one is not unpacked at every look. */
  readonly #remembered = new Map<string, { stamp: string; loaded: Loaded }>();

  constructor(root: string, options: SourceOptions) {
    this.#root = root;
    this.#options = options;
    this.#builder = new FolderBuilder(trimEndOf(options.shownAs ?? root, "/") || "/", options.limits === unlimited);
    this.#tree = createGroupTree({
      archives: options.unpack !== undefined,
      passesOver: (name) => /^[._]/.test(name) || name === "README.md" || isMadeByMachine(name),
      ...(options.except === undefined ? {} : { except: options.except }),
    });
  }

  async list(changed: ReadonlySet<string> | null = null): Promise<string[]> {
    try {
      const real = realpathSync.native(this.#root);
      const listed = await this.#tree.list(real, changed);
      this.#moved = movedNames(this.#listed, listed);
      this.#listed = listed;
      const archives = new Set(
        [...this.#listed.entries.values()].flatMap((refs) =>
          refs.flatMap((ref) => (ref.kind === "archive" ? [entryPath(ref)] : [])),
        ),
      );
      for (const path of this.#remembered.keys()) if (!archives.has(path)) this.#remembered.delete(path);
      return [...this.#listed.entries.keys()];
    } catch (error) {
      const hint = error instanceof RangeError ? null : "is the folder of batches there, and may the agent read it?";
      throw new StoreError("read", this.#root, error, hint);
    }
  }

  groups(): readonly GroupName[] {
    return [...(this.#listed?.groups.keys() ?? [""])];
  }

  groupsWithFile(): readonly GroupName[] {
    return [...(this.#listed?.groups ?? [])].flatMap(([name, { hasFile }]) => (hasFile ? name : []));
  }

  moved(): readonly string[] {
    return this.#moved;
  }

  groupOf(name: string): GroupName {
    return this.#listed?.entries.get(name)?.[0]?.group ?? "";
  }

  groupFileLocation(name: GroupName): string {
    return this.#builder.locationOf(join(name, groupFileName));
  }

  async readGroupFile(name: GroupName): Promise<GroupFile | null | { unreadable: string }> {
    try {
      const file = await readGroupFile(this.#realRoot(), name, this.groupFileLocation(name));
      return file === null && !(await this.#isRootThere())
        ? { unreadable: "the folder of batches is not there" }
        : file;
    } catch (error) {
      return { unreadable: messageOf(error) };
    }
  }

  async readBeside(group: GroupName, file: string): Promise<{ text: string } | { fault: string }> {
    try {
      return await readBeside(this.#realRoot(), group, file);
    } catch (error) {
      return { fault: messageOf(error) };
    }
  }

  /** Archives of other kinds, by their paths. */
  foreign(): readonly string[] {
    return (this.#listed?.files ?? []).filter((path) => isForeignArchive(path.slice(path.lastIndexOf("/") + 1)));
  }

  async load(name: string, seen: string | null = null): Promise<Loaded | Unchanged> {
    let ref: At = { group: this.groupOf(name), entry: name };
    let real = this.#listed?.real ?? "";
    try {
      // all of a batch comes from one tree, also when a link at the root is swapped
      if (real === "") real = realpathSync.native(this.#root);
      const refs = await this.#refsOf(real, name);
      if (refs.length > 1) return await this.#reportSeveral(real, name, refs);
      if (refs[0]?.kind === "too-deep") return this.#builder.tooDeep(refs[0]);
      // Listed, and neither a batch nor what may become one when it is read.
      if (refs.length === 0 && this.#listed !== null && !(await this.#isRootElsewhere(real))) return { kind: "absent" };
      ref = refs[0] ?? ref;
      if (ref.entry !== name) return await this.#loadArchive(real, name, ref);
      const found = await walkTree(real, join(real, entryPath(ref)), this.#options.limits);
      if (seen !== null && found.signature === seen) return { kind: "unchanged" };
      return await this.#builder.fromTree(name, ref, found);
    } catch (error) {
      const code = errorCode(error);
      const missing = code === "ENOENT" || code === "ENOTDIR";
      if (missing && this.#listed !== null && (await this.#isRootElsewhere(real))) {
        this.#listed = null;
        return this.load(name, seen);
      }
      // A missing entry is absence only while its root is there.
      if (missing && (await this.#isRootThere())) return (await this.#explainMissing(ref)) ?? { kind: "absent" };
      // A disk's own folder, say: no batch can have its name, and nobody is meant to look into it.
      if (["EACCES", "EPERM"].includes(code) && ref.entry === name && !isBatchName(name)) return { kind: "absent" };
      return {
        kind: "unreadable",
        problem: this.#builder.problem(ref, "unreadable", messageOf(error), unreadableHint(code)),
      };
    }
  }

  async #isRootThere(): Promise<boolean> {
    return stat(this.#root).then(
      (info) => info.isDirectory(),
      () => false,
    );
  }

  #isRootElsewhere(real: string): Promise<boolean> {
    return realpath(this.#root).then(
      (now) => now !== real,
      () => false,
    );
  }

  /** Returns where a batch lies now: as listed, or at the top where nothing is listed yet. */
  async #refsOf(real: string, name: string): Promise<EntryRef[]> {
    const candidates: readonly EntryRef[] =
      this.#listed === null
        ? [
            { group: "", entry: name, kind: "folder" },
            ...(this.#options.unpack === undefined ? [] : archiveExtensions).map((extension): EntryRef => ({
              group: "",
              entry: name + extension,
              kind: "archive",
            })),
          ]
        : (this.#listed.entries.get(name) ?? []);
    // Alone it is read, which tells best what is wrong with it.
    if (candidates.length === 1) return [...candidates];
    const there = await Promise.all(candidates.map((ref) => this.#isThere(join(real, entryPath(ref)), ref.kind)));
    const found = candidates.filter((_, index) => there[index]);
    return found.length === 0 ? candidates.slice(0, 1) : found;
  }

  /** Plain files are no batches, folders no archives. */
  #isThere(path: string, kind: EntryRef["kind"]): Promise<boolean> {
    return lstat(path).then((info) => (kind === "archive" ? !info.isDirectory() : !info.isFile()), notThere);
  }

  /**
   * Explains why an entry that was listed could not be found: its files come and go, it is a link that leads nowhere,
   * or its name is not UTF-8.
   */
  async #explainMissing(ref: At): Promise<Loaded | null> {
    const path = join(this.#root, entryPath(ref));
    const target = await stat(path).catch(() => null);
    if (target?.isDirectory() === true) return this.#builder.unstableProblem(ref);
    const link = await lstat(path).catch(() => null);
    if (target === null && link?.isSymbolicLink() === true)
      return this.#builder.brokenLink(ref, "leads nowhere", link.ctimeMs);
    const { entry } = ref;
    if (!entry.includes("\uFFFD") || this.#listed?.entries.has(entry) !== true) return null;
    const hint = "lower-case letters, digits and - only, no - at either end, at most 63 characters";
    const message = `${JSON.stringify(entry)} cannot be the name of a batch: it is not UTF-8`;
    return { kind: "unreadable", problem: this.#builder.problem(ref, "bad-name", message, hint) };
  }

  async #reportSeveral(real: string, name: string, refs: readonly EntryRef[]): Promise<Loaded> {
    const infos = await Promise.all(refs.map((ref) => lstat(join(real, entryPath(ref)))));
    return this.#builder.several(name, refs, Math.max(...infos.map((info) => info.ctimeMs)));
  }

  async #loadArchive(real: string, name: string, ref: At): Promise<Loaded> {
    const path = join(real, entryPath(ref));
    if (!isWithin(real, await realpath(path)))
      return this.#builder.brokenLink(ref, "leaves the watched folder", (await lstat(path)).ctimeMs);
    const before = await stampOf(path);
    const known = this.#remembered.get(entryPath(ref));
    if (known?.stamp === before.stamp) return known.loaded;
    const ageMs = Date.now() - before.changedAt;
    if (ageMs >= 0 && ageMs < (this.#options.quietMs ?? 0)) return this.#builder.growing(name, ref, before);
    const loaded = await (this.#options.unpack as OpenArchive)(path, (tree) => this.#builder.fromTree(name, ref, tree));
    const after = await stampOf(path);
    if (after.stamp !== before.stamp) return loaded.kind === "found" ? { ...loaded, changedAt: Date.now() } : loaded;
    if (ageMs > surelyOlderMs) this.#remembered.set(entryPath(ref), { stamp: before.stamp, loaded });
    return loaded;
  }

  #realRoot(): string {
    return this.#listed?.real ?? realpathSync.native(this.#root);
  }
}

/** A copy of a group brings names that are there already, and no event names those. */
function movedNames(before: Listing | null, now: Listing): string[] {
  if (before === null) return [];
  return [...now.entries].flatMap(([name, refs]) => {
    const earlier = before.entries.get(name);
    if (earlier === undefined) return [];
    const isThere = (ref: EntryRef) =>
      earlier.some(({ group, entry, kind }) => group === ref.group && entry === ref.entry && kind === ref.kind);
    return earlier.length === refs.length && refs.every(isThere) ? [] : name;
  });
}

/** Returns false for what is not there; what cannot be looked at is not taken for that. */
function notThere(error: unknown): false {
  if (!["ENOENT", "ENOTDIR"].includes(errorCode(error))) throw error;
  return false;
}

/** Returns whether a file is still the one it was, as far as can be told without reading it. */
async function stampOf(path: string): Promise<{ stamp: string; changedAt: number }> {
  const { dev, ino, size, mtimeMs, ctimeMs } = await stat(path);
  // by the clock's whole ms, or it changed in the future
  return { stamp: [dev, ino, size, mtimeMs, ctimeMs].join(":"), changedAt: Math.floor(Math.max(mtimeMs, ctimeMs)) };
}

function unreadableHint(code: string): string {
  if (code === "EACCES" || code === "EPERM")
    return "give the agent's user read permission; what was in force stays in force";
  return "what was in force stays in force; the agent tries again at the next resync";
}
