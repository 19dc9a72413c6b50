// Finds the folders to watch for one entry: those that it has files in, also through links, or its own for a group.
import {
  existsSync,
  lstatSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  statSync,
  type Dirent,
  type Stats,
} from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { isWithin } from "../platform/files.ts";
import { isBatchFolder, maxGroups } from "./group-tree.ts";
import type { Watched, WatchedFolders } from "./watched-folders.ts";

/**
 * Limits for one entry; what lies beyond is left to the resync: each folder takes one of the system's watches, each
 * list holds others up.
 */
const limits = { folders: 1_000, listed: 10_000 };
/** A folder whose own list is longer, in bytes, holds more files than a batch may. */
const maxListBytes = 512 * 1024;

export interface EntryWalkDeps {
  folders: WatchedFolders;
  /** The root, where it really is. */
  real: string;
  /** Returns true for what is no batch, whatever it holds. */
  isPassedOver: (folder: string, file: string) => boolean;
}

/**
 * Watches every folder that an entry has files in, and no longer those it had some in; returns the entries of a group.
 * A folder that is no batch is a group: it is watched itself, and so is each of its entries.
 * @param name path of the entry below the root
 */
export function watchEntry(name: string, deps: EntryWalkDeps): string[] {
  return new EntryWalk(name, deps).run();
}

class EntryWalk {
  readonly #name: string;
  readonly #deps: EntryWalkDeps;
  readonly #held: Watched = { folders: new Set(), links: new Set(), isGroup: false };
  readonly #visited = new Set<string>();
  readonly #below: string[] = [];
  #listed = 0;

  constructor(name: string, deps: EntryWalkDeps) {
    this.#name = name;
    this.#deps = deps;
  }

  run(): string[] {
    this.#follow(join(this.#deps.real, this.#name));
    this.#deps.folders.replace(this.#name, this.#held);
    return this.#below;
  }

  #watchFor(at: string, info: Stats): void {
    const { folders } = this.#held;
    if (folders.has(at) || folders.size >= limits.folders) return;
    this.#deps.folders.watchFor(at, info, this.#name, this.#held.isGroup);
    folders.add(at);
  }

  #follow(at: string, known?: Dirent): void {
    try {
      const entry = known ?? lstatSync(at);
      if (entry.isDirectory()) this.#visit(at);
      else if (entry.isSymbolicLink()) this.#followLink(at);
    } catch {
      // It went meanwhile, which the folder that it was in tells, or cannot be read, which whoever reads it finds out.
    }
  }

  /** A file that a link leads to is watched in the folder where it really is: editors put another one there. */
  #followLink(at: string): void {
    const { real } = this.#deps;
    const aim = resolve(dirname(at), readlinkSync(at));
    if (isWithin(real, aim)) this.#held.links.add(this.#entryOf(aim));
    const isThere = existsSync(at);
    const target = isThere ? realpathSync.native(at) : nearest(aim);
    if (!isWithin(real, target)) return;
    this.#held.links.add(this.#entryOf(target));
    const info = statSync(target);
    const folder = info.isDirectory() ? target : dirname(target);
    if (info.isDirectory() && isThere) this.#visit(target);
    else if (folder !== real && !this.#held.folders.has(folder)) this.#watchFor(folder, statSync(folder));
  }

  /** Returns the entry of the root or of a group, as far as groups are known, that a path lies in. */
  #entryOf(at: string): string {
    const parts = relative(this.#deps.real, at).split(sep);
    let entry = parts.shift() ?? "";
    while (parts.length > 0 && this.#deps.folders.isGroup(entry)) entry += `/${parts.shift() ?? ""}`;
    return entry;
  }

  #visit(at: string): void {
    const { real } = this.#deps;
    if (at === real || this.#visited.has(at) || this.#visited.size >= limits.folders) return;
    this.#visited.add(at);
    const info = statSync(at);
    // Read before it is known whether it is a group: a batch comes to be by a file that is put there.
    const isTooLong = this.#listed > limits.listed || info.size > maxListBytes;
    const entries = isTooLong ? null : readdirSync(at, { withFileTypes: true });
    if (this.#visited.size === 1) this.#held.isGroup = this.#isGroup(entries);
    this.#watchFor(at, info);
    if (entries === null) return;
    if (this.#held.isGroup) this.#addBelow(at, entries);
    else this.#visitFolders(at, entries);
  }

  #isGroup(entries: readonly Dirent[] | null): boolean {
    const depth = this.#name.split("/").length - 1;
    return depth < maxGroups && entries !== null && !isBatchFolder(entries.map((entry) => entry.name));
  }

  #addBelow(at: string, entries: readonly Dirent[]): void {
    for (const entry of entries)
      if (!entry.isFile() && !this.#deps.isPassedOver(at, entry.name)) this.#below.push(`${this.#name}/${entry.name}`);
  }

  #visitFolders(at: string, entries: readonly Dirent[]): void {
    this.#listed += entries.length;
    for (const entry of entries)
      if (!entry.name.startsWith("..") && entry.name !== ".git") this.#follow(join(at, entry.name), entry);
  }
}

/** The nearest folder above that is there, where it really is. */
function nearest(path: string): string {
  let at = dirname(path);
  while (!existsSync(at)) at = dirname(at);
  return realpathSync.native(at);
}
