// Tells which names below the root may have changed. Only hints: events get lost (a queue of inotify that is full, a
// swapped link), so whoever listens reads the truth for itself and looks over everything now and then. A hint needs
// no more than one watch a folder, which is one call of the system; chokidar, which lists every folder and looks at
// every file, watches the root's place.
import { messageOf } from "../errors.ts";
import {
  existsSync,
  lstatSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  statSync,
  watch,
  type Dirent,
  type FSWatcher,
  type Stats,
} from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { setTimeout as later } from "node:timers/promises";
import { watch as chokidarWatch, type FSWatcher as Chokidar } from "chokidar";
import type { Logger } from "../logger.ts";
import { yieldToEventLoop, errorCode, isWithin } from "../platform/files.ts";
import { groupFileName } from "../model/group.ts";
import { isBatchFolder, maxGroups } from "./group-tree.ts";
import type { Watch, WatchListener } from "./port.ts";

/**
 * For one entry; what lies beyond is left to the resync: each folder takes one of the system's watches, each list
 * holds others up.
 */
const most = { folders: 1_000, listed: 10_000 };
/** A folder whose own list is longer holds more files than a batch may. */
const maxListBytes = 512 * 1024;
const burst = { names: 50, withinMs: 1_000 };
const maxPauseMs = 1_000;
/** How often a root that is not there is looked for: the folder it comes into may be gone too. */
const absentMs = 1_000;
/** A parent with very many entries, or far away, holds nobody up. */
const maxReadyMs = 5_000;
/** Nothing to be watched there, or nothing we may: whoever reads it finds out. */
const harmless = ["ENOENT", "ENOTDIR", "ELOOP", "EACCES", "EPERM"];

/** A folder, by where it really is: inotify tells of all that happens right in it. */
interface Folder {
  watcher: FSWatcher;
  identity: string;
  /** The entries that have files in it, as paths below the root. */
  names: Set<string>;
  /** The groups that it is: what happens in it happens to an entry of theirs. */
  groups: Set<string>;
}

/** Describes what is watched for one entry: a batch with all of its folders, or a group with its own. */
interface Watched {
  folders: Set<string>;
  /** The entries, batches or not, that its links lead into. */
  links: Set<string>;
  isGroup: boolean;
}

/**
 * Watches `root` and its place in its parent. `onDirty(path)` for one entry, as a path below the root,
 * `onDirty(null)` when anything may have changed. After an
 * error (the inotify limit, say) it stops by itself and `mode()` is `poll`, which `onDegraded` tells: the listener
 * then has to look often.
 * `except`: where the agent's own data really lies; it is no batch.
 */
export function createWatch(
  root: string,
  options: {
    poll: boolean;
    log: Logger;
    except?: string;
  },
): Watch {
  const { log, except } = options;
  let listener: WatchListener = { onDirty: () => undefined };
  const path = resolve(root);
  let mode: "inotify" | "poll" = options.poll ? "poll" : "inotify";
  let outer: { identity: string; watcher: Chokidar } | null = null;
  /** The root where it really is; null while it is not there. */
  let inner: { real: string; identity: string; watcher: FSWatcher } | null = null;
  const folders = new Map<string, Folder>();
  const watched = new Map<string, Watched>();
  /** The other way round: who has links into an entry. */
  const linkers = new Map<string, Set<string>>();
  /** Holds what is to be told, and whether something of it came or went. */
  const told = new Map<string | null, boolean>();
  let timer: NodeJS.Timeout | undefined;
  let telling = false;
  let pauseMs = 0;
  let recent = { since: 0, names: new Set<string | null>() };
  let absent: NodeJS.Timeout | undefined;
  let running = Promise.resolve();
  let next: Promise<void> | null = null;
  let closed = false;

  function degrade(error: unknown): void {
    if (mode === "poll" || closed) return;
    mode = "poll";
    log.warn("watching failed, going over to polling", {
      error: messageOf(error),
    });
    shut();
    void outer?.watcher.close();
    outer = null;
    listener.onDirty(null);
    listener.onDegraded?.();
  }

  function open(at: string, onEvent: (moved: boolean, file: string | null) => void): FSWatcher | null {
    if (mode === "poll" || closed) return null;
    try {
      return watch(at, (event, file) => onEvent(event === "rename", file)).on("error", degrade);
    } catch (error) {
      if (!harmless.includes(errorCode(error))) degrade(error);
      return null;
    }
  }

  function shut(): void {
    clearTimeout(timer);
    clearTimeout(absent);
    timer = undefined;
    told.clear();
    inner?.watcher.close();
    inner = null;
    for (const { watcher } of folders.values()) watcher.close();
    for (const map of [folders, watched, linkers]) map.clear();
  }

  function changed(name: string | null, moved: boolean): void {
    const now = performance.now();
    if (now - recent.since > burst.withinMs) recent = { since: now, names: new Set() };
    recent.names.add(name);
    told.set(name, moved || told.get(name) === true);
    if (recent.names.size >= burst.names) {
      recent.names.clear();
      told.set(null, true); // events may have been lost: look over everything
    }
    arm();
  }

  /** A folder full of files that come and go is listed a part of the time only. */
  function arm(): void {
    if (!telling && told.size > 0) timer ??= setTimeout(() => void tell(), pauseMs);
  }

  /** Returns what came is watched before anybody is told to read it: what comes into it later is told again. */
  async function tell(): Promise<void> {
    timer = undefined;
    telling = true;
    const began = performance.now();
    const hints = [...told];
    told.clear();
    if (hints.some(([name]) => name === null)) await watchAll();
    else
      for (const [name, moved] of hints)
        if (name !== null && moved && inner !== null) await watchBelow(inner.real, name);
    pauseMs = Math.min(maxPauseMs, 4 * (performance.now() - began));
    telling = false;
    if (closed) return;
    for (const [name] of hints) listener.onDirty(name);
    arm();
  }

  /**
   * Watches every folder that an entry has files in, and no longer those it had some in. A folder that is no batch
   * is a group: it is
   * watched itself, and so is each of its entries.
   * @param depth groups around it
   */
  function watchEntry(real: string, name: string, depth = groupsAround(name)): string[] {
    const held: Watched = { folders: new Set(), links: new Set(), isGroup: false };
    const visited = new Set<string>();
    const wasGroup = watched.get(name)?.isGroup === true;
    let listed = 0;

    function hold(at: string, info: Stats): void {
      if (held.folders.has(at) || held.folders.size >= most.folders) return;
      const identity = identityOf(info);
      const known = folders.get(at);
      const [names, groups] = [new Set(known?.names), new Set(known?.groups)];
      (held.isGroup ? groups : names).add(name);
      if (known?.identity === identity) Object.assign(known, { names, groups });
      else openFolder(at, identity, names, groups);
      held.folders.add(at);
    }

    function follow(at: string, known?: Dirent): void {
      try {
        const entry = known ?? lstatSync(at);
        if (entry.isDirectory()) visit(at);
        else if (entry.isSymbolicLink()) followLink(at);
      } catch {
        // It went meanwhile, which the folder that it was in tells, or cannot be read, which whoever reads it finds
        // out.
      }
    }

    /** A file that a link leads to is watched in the folder where it really is: editors put another one there. */
    function followLink(at: string): void {
      const aim = resolve(dirname(at), readlinkSync(at));
      if (isWithin(real, aim)) held.links.add(entryOf(aim));
      const isThere = existsSync(at);
      const target = isThere ? realpathSync.native(at) : nearest(aim);
      if (!isWithin(real, target)) return;
      held.links.add(entryOf(target));
      const info = statSync(target);
      const folder = info.isDirectory() ? target : dirname(target);
      if (info.isDirectory() && isThere) visit(target);
      else if (folder !== real && !held.folders.has(folder)) hold(folder, statSync(folder));
    }

    /** The entry of the root or of a group, as far as groups are known, that a path lies in. */
    function entryOf(at: string): string {
      const parts = relative(real, at).split(sep);
      let entry = parts.shift() ?? "";
      while (parts.length > 0 && watched.get(entry)?.isGroup === true) entry += `/${parts.shift() ?? ""}`;
      return entry;
    }

    function visit(at: string): void {
      if (at === real || visited.has(at) || visited.size >= most.folders) return;
      visited.add(at);
      const info = statSync(at);
      const isTop = visited.size === 1;
      // Read before it is known whether it is a group: a batch comes to be by a file that is put there.
      const entries =
        listed > most.listed || info.size > maxListBytes ? null : readdirSync(at, { withFileTypes: true });
      held.isGroup = isTop
        ? depth < maxGroups && entries !== null && !isBatchFolder(entries.map((entry) => entry.name))
        : held.isGroup;
      hold(at, info);
      if (entries === null) return;
      if (held.isGroup) {
        below.push(
          ...entries
            .filter((entry) => !entry.isFile() && !isPassedOver(at, entry.name))
            .map((entry) => `${name}/${entry.name}`),
        );
        return;
      }
      listed += entries.length;
      for (const entry of entries)
        if (!entry.name.startsWith("..") && entry.name !== ".git") follow(join(at, entry.name), entry);
    }

    const below: string[] = [];
    follow(join(real, name));
    release(name, held);
    held.links.delete(name);
    for (const entry of held.links) linkers.set(entry, (linkers.get(entry) ?? new Set()).add(name));
    if (held.folders.size + held.links.size > 0) watched.set(name, held);
    else watched.delete(name);
    if (wasGroup && !held.isGroup)
      for (const other of [...watched.keys()]) if (other.startsWith(`${name}/`)) forget(other);
    return below;
  }

  /** Watches an entry and, where it is a group, all below it. `seen` is told of each. */
  async function watchBelow(real: string, name: string, seen?: Set<string>): Promise<void> {
    const open = [name];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      seen?.add(next);
      await yieldToEventLoop();
      if (inner?.real !== real) return;
      open.push(...watchEntry(real, next));
    }
  }

  function forget(name: string): void {
    release(name, { folders: new Set(), links: new Set(), isGroup: false });
    watched.delete(name);
  }

  function openFolder(at: string, identity: string, names: Set<string>, groups: Set<string>): void {
    drop(at);
    const watcher = open(at, (moved, file) => {
      const folder = folders.get(at);
      if (folder === undefined) return;
      // Itself. Another may come to its place, with its inode even: this watch is of no use any more.
      const isItself = moved && file === basename(at) && folder.watcher === watcher;
      if (isItself) drop(at);
      for (const name of folder.names) changed(name, moved);
      for (const group of folder.groups) changedIn(group, moved, file, isItself);
    });
    if (watcher !== null) folders.set(at, { watcher, identity, names, groups });
  }

  /** For an entry of a group, or of the group itself where it may have become a batch. */
  function changedIn(group: string, moved: boolean, file: string | null, isItself: boolean): void {
    // The link behind a mounted volume: everything below may lie elsewhere now.
    if (file === null || file.startsWith("..")) return changed(null, true);
    if (isItself || isBatchFolder([file])) changed(group, true);
    if (file === groupFileName || !/^[._]/.test(file)) changed(`${group}/${file}`, moved);
    // A link may have been followed before it was known how far groups reach.
    for (const entry of lineage(`${group}/${file}`)) for (const name of linkers.get(entry) ?? []) changed(name, moved);
  }

  function drop(at: string): void {
    folders.get(at)?.watcher.close();
    folders.delete(at);
  }

  /** Lets go of what was watched for an entry and is not by now. */
  function release(name: string, held: Watched): void {
    const before = watched.get(name);
    for (const at of before?.folders ?? []) {
      const folder = folders.get(at);
      if (held.folders.has(at) || folder === undefined) continue;
      folder.names.delete(name);
      folder.groups.delete(name);
      if (folder.names.size + folder.groups.size === 0) drop(at);
    }
    for (const entry of before?.links ?? []) {
      const names = linkers.get(entry);
      names?.delete(name);
      if (names?.size === 0) linkers.delete(entry);
    }
  }

  async function watchAll(): Promise<void> {
    const within = inner;
    if (within === null) return;
    const names = new Set([...watched.keys()].filter((name) => !name.includes("/")));
    try {
      for (const entry of readdirSync(within.real, { withFileTypes: true }))
        if (!entry.isFile() && !isPassedOver(within.real, entry.name)) names.add(entry.name);
    } catch {
      return; // it went: the watch of its place tells
    }
    const seen = new Set<string>();
    for (const name of names) {
      if (inner !== within) return;
      await watchBelow(within.real, name, seen);
    }
    for (const name of [...watched.keys()]) if (!seen.has(name)) forget(name);
  }

  function groupsAround(name: string): number {
    return name.split("/").length - 1;
  }

  /** No batch, whatever it holds. */
  function isPassedOver(real: string, name: string): boolean {
    return /^[._]/.test(name) || join(real, name) === except;
  }

  async function begin(): Promise<void> {
    const found = await locate(path);
    const watcher = found === null ? null : watchRoot(found.real);
    if (found !== null && watcher !== null) {
      inner = { ...found, watcher };
      await watchAll();
    } else if (mode !== "poll" && !closed) {
      absent = setTimeout(() => void verify(), absentMs).unref();
    }
  }

  function watchRoot(real: string): FSWatcher | null {
    const watcher = open(real, (moved, file) => {
      if (moved && file === basename(real) && inner?.watcher === watcher) {
        inner.identity = ""; // itself
        void verify();
      }
      // The link behind a mounted volume: everything may lie elsewhere now.
      if (file === null || file.startsWith("..")) return changed(null, true);
      if (file === groupFileName || !isPassedOver(real, file)) changed(file, moved);
      for (const name of linkers.get(file) ?? []) changed(name, moved);
    });
    return watcher;
  }

  /** For the link or folder that leads to the root: chokidar tells when another is put there. */
  async function watchPlace(): Promise<void> {
    const place = await locate(dirname(path));
    if (place?.identity === outer?.identity || closed) return;
    await outer?.watcher.close();
    outer = null;
    if (place === null) return;
    const watcher = chokidarWatch(place.real, {
      ignoreInitial: true,
      followSymlinks: false,
      depth: 0,
      ignored: (at) => at !== place.real && basename(at) !== basename(path),
    });
    outer = { ...place, watcher };
    watcher.on("all", () => void verify());
    watcher.on("error", (error) => (harmless.includes(errorCode(error)) ? void watcher.close() : degrade(error)));
    const ready = new Promise<void>((done) => void watcher.once("ready", done).once("error", () => done()));
    await Promise.race([ready, later(maxReadyMs, undefined, { ref: false })]);
  }

  /**
   * Begins anew when the root is another folder than before; watches everything again when it is not: what events
   * tell is not all.
   */
  async function rebuild(quiet: boolean): Promise<void> {
    if (mode === "poll" || closed) return;
    await watchPlace();
    const now = await locate(path);
    if (now !== null && now.real === inner?.real && now.identity === inner.identity) return watchAll();
    const wasThere = inner !== null;
    shut();
    await begin();
    if (!quiet && (wasThere || inner !== null)) listener.onDirty(null);
  }

  /** One after another; one that waits is enough for all that ask meanwhile. */
  function verify(): Promise<void> {
    next ??= running.then(() => {
      next = null;
      return (running = rebuild(false));
    });
    return next;
  }

  function start(to: WatchListener): Promise<void> {
    listener = to;
    return (running = rebuild(true));
  }

  async function close(): Promise<void> {
    closed = true;
    shut();
    await outer?.watcher.close();
    outer = null;
  }

  return { start, verify, close, mode: () => mode };
}

/** `a`, `a/b` and `a/b/c` of `a/b/c`. */
function lineage(path: string): string[] {
  const parts = path.split("/");
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}

async function locate(path: string): Promise<{ real: string; identity: string } | null> {
  try {
    const real = await realpath(path);
    return { real, identity: identityOf(await stat(real)) };
  } catch {
    return null;
  }
}

/** The inode alone is no sign: the next folder that is made may get it. */
function identityOf({ dev, ino, birthtimeMs }: Pick<Stats, "dev" | "ino" | "birthtimeMs">): string {
  return `${dev}:${ino}:${birthtimeMs}`;
}

/** The nearest folder above that is there, where it really is. */
function nearest(path: string): string {
  let at = dirname(path);
  while (!existsSync(at)) at = dirname(at);
  return realpathSync.native(at);
}
