// The folders that are watched, each once, and the entries that have files in them. inotify tells of all that happens
// right in a folder, so that a hint needs no more than one watch a folder.
import type { FSWatcher, Stats } from "node:fs";
import { basename } from "node:path";
import { groupFileName } from "../model/group.ts";
import { isBatchFolder } from "./group-tree.ts";

/** A folder, by where it really is. */
interface Folder {
  watcher: FSWatcher;
  identity: string;
  /** The entries that have files in it, as paths below the root. */
  names: Set<string>;
  /** The groups that it is: what happens in it happens to an entry of theirs. */
  groups: Set<string>;
}

/** Describes what is watched for one entry: a batch with all of its folders, or a group with its own. */
export interface Watched {
  folders: Set<string>;
  /** The entries, batches or not, that its links lead into. */
  links: Set<string>;
  isGroup: boolean;
}

export type OnEvent = (moved: boolean, file: string | null) => void;

export interface WatchedFoldersDeps {
  /** Opens a watch; null where there is nothing to be watched. */
  open: (at: string, onEvent: OnEvent) => FSWatcher | null;
  onChange: (name: string | null, moved: boolean) => void;
}

/** Invariant: a folder is watched as long as some entry has files in it or is that folder, and no longer. */
export class WatchedFolders {
  readonly #deps: WatchedFoldersDeps;
  readonly #folders = new Map<string, Folder>();
  readonly #watched = new Map<string, Watched>();
  /** Which entries have links into an entry. */
  readonly #linkers = new Map<string, Set<string>>();

  constructor(deps: WatchedFoldersDeps) {
    this.#deps = deps;
  }

  names(): string[] {
    return [...this.#watched.keys()];
  }

  isGroup(name: string): boolean {
    return this.#watched.get(name)?.isGroup === true;
  }

  linkersOf(entry: string): ReadonlySet<string> {
    return this.#linkers.get(entry) ?? new Set();
  }

  /** Watches a folder for an entry; what it was watched for before stays. */
  watchFor(at: string, info: Stats, name: string, isGroup: boolean): void {
    const identity = identityOf(info);
    const known = this.#folders.get(at);
    const [names, groups] = [new Set(known?.names), new Set(known?.groups)];
    (isGroup ? groups : names).add(name);
    if (known?.identity === identity) Object.assign(known, { names, groups });
    else this.#open(at, identity, names, groups);
  }

  /** Puts what an entry is watched by in the place of what it was watched by before. */
  replace(name: string, held: Watched): void {
    const wasGroup = this.isGroup(name);
    this.#release(name, held);
    held.links.delete(name);
    for (const entry of held.links) this.#linkers.set(entry, new Set(this.#linkers.get(entry)).add(name));
    if (held.folders.size + held.links.size > 0) this.#watched.set(name, held);
    else this.#watched.delete(name);
    if (wasGroup && !held.isGroup)
      for (const other of this.names()) if (other.startsWith(`${name}/`)) this.forget(other);
  }

  forget(name: string): void {
    this.#release(name, { folders: new Set(), links: new Set(), isGroup: false });
    this.#watched.delete(name);
  }

  closeAll(): void {
    for (const { watcher } of this.#folders.values()) watcher.close();
    for (const map of [this.#folders, this.#watched, this.#linkers]) map.clear();
  }

  #open(at: string, identity: string, names: Set<string>, groups: Set<string>): void {
    this.#drop(at);
    const watcher = this.#deps.open(at, (moved, file) => {
      const folder = this.#folders.get(at);
      if (folder === undefined) return;
      // The folder itself. Another may come to its place, with its inode even: this watch is of no use any more.
      const isItself = moved && file === basename(at) && folder.watcher === watcher;
      if (isItself) this.#drop(at);
      for (const name of folder.names) this.#deps.onChange(name, moved);
      for (const group of folder.groups) this.#reportGroup(group, moved, file, isItself);
    });
    if (watcher !== null) this.#folders.set(at, { watcher, identity, names, groups });
  }

  /** Reports an entry of a group, or the group itself where it may have become a batch. */
  #reportGroup(group: string, moved: boolean, file: string | null, isItself: boolean): void {
    const { onChange } = this.#deps;
    // The link behind a mounted volume: everything below may lie elsewhere now.
    if (file === null || file.startsWith("..")) {
      onChange(null, true);
      return;
    }
    if (isItself || isBatchFolder([file])) onChange(group, true);
    if (file === groupFileName || !/^[._]/.test(file)) onChange(`${group}/${file}`, moved);
    // A link may have been followed before it was known how far groups reach.
    for (const entry of lineage(`${group}/${file}`)) for (const name of this.linkersOf(entry)) onChange(name, moved);
  }

  #drop(at: string): void {
    this.#folders.get(at)?.watcher.close();
    this.#folders.delete(at);
  }

  /** Lets go of what was watched for an entry and is not by now. */
  #release(name: string, held: Watched): void {
    const before = this.#watched.get(name);
    for (const at of before?.folders ?? []) {
      const folder = this.#folders.get(at);
      if (held.folders.has(at) || folder === undefined) continue;
      folder.names.delete(name);
      folder.groups.delete(name);
      if (folder.names.size + folder.groups.size === 0) this.#drop(at);
    }
    for (const entry of before?.links ?? []) {
      const names = this.#linkers.get(entry);
      names?.delete(name);
      if (names?.size === 0) this.#linkers.delete(entry);
    }
  }
}

/** Names a folder. The inode alone is no sign: the next folder that is made may get it. */
export function identityOf({ dev, ino, birthtimeMs }: Pick<Stats, "dev" | "ino" | "birthtimeMs">): string {
  return `${dev}:${ino}:${birthtimeMs}`;
}

/** `a`, `a/b` and `a/b/c` of `a/b/c`. */
function lineage(path: string): string[] {
  const parts = path.split("/");
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}
