// Tells which names below the root may have changed. Only hints: events get lost (a queue of inotify that is full, a swapped link),
// so whoever listens reads the truth for itself and looks over everything now and then. A hint needs no more than one watch a
// folder, which is one call of the system; chokidar, which lists every folder and looks at every file, watches the root's place.
import { lstatSync, readdirSync, realpathSync, statSync, watch, type Dirent, type FSWatcher } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { watch as chokidarWatch, type FSWatcher as Chokidar } from "chokidar";
import type { Logger, Watch } from "../ports.ts";
import { breathe, errorCode, isWithin } from "./files.ts";

/** Of one entry; what lies beyond is left to the resync: each takes one of the system's watches. */
const mostFolders = 1_000;
/** A folder whose own list is longer holds more files than a batch may. */
const mostListedBytes = 1024 * 1024;
const burst = { names: 50, withinMs: 1_000 };
const longestPauseMs = 1_000;

/** A folder, by where it really is: inotify tells of all that happens right in it. */
interface Folder {
  watcher: FSWatcher;
  /** Device and inode: another may come to lie at its place. Empty once it is known to be gone. */
  identity: string;
  /** The entries that have files in it. */
  names: Set<string>;
}

/**
 * Watches `root` and its parent. `onDirty(name)` for one entry, `onDirty(null)` when anything may have changed. After an
 * error (the inotify limit, say) it stops by itself and `mode()` is `poll`, which `onDegraded` tells: the listener then has to look often.
 */
export function createWatch(
  root: string,
  options: { poll: boolean; log: Logger; onDirty: (name: string | null) => void; onDegraded?: () => void },
): Watch {
  const { log, onDirty } = options;
  const path = resolve(root);
  let mode: "inotify" | "poll" = options.poll ? "poll" : "inotify";
  let outer: Chokidar | null = null;
  /** The root where it really is; null while it is not there. */
  let inner: { real: string; identity: string; watcher: FSWatcher } | null = null;
  const folders = new Map<string, Folder>();
  const foldersOf = new Map<string, Set<string>>();
  /** What is to be told, and whether something of it came or went. */
  const told = new Map<string | null, boolean>();
  let timer: NodeJS.Timeout | undefined;
  let telling = false;
  let pauseMs = 0;
  let recent = { since: 0, count: 0, name: "" };
  let running = Promise.resolve();
  let next: Promise<void> | null = null;
  let closed = false;

  function degrade(error: unknown): void {
    if (mode === "poll" || closed) return;
    mode = "poll";
    log.warn("watching failed, going over to polling", { error: error instanceof Error ? error.message : String(error) });
    shut();
    void outer?.close();
    outer = null;
    onDirty(null);
    options.onDegraded?.();
  }

  /** null where there is nothing, or it may not be read: whoever reads it finds out. */
  function open(at: string, onEvent: (moved: boolean, file: string | null) => void): FSWatcher | null {
    if (mode === "poll" || closed) return null;
    try {
      return watch(at, (event, file) => onEvent(event === "rename", file)).on("error", degrade);
    } catch (error) {
      if (!["ENOENT", "ENOTDIR", "ELOOP", "EACCES", "EPERM"].includes(errorCode(error))) degrade(error);
      return null;
    }
  }

  function shut(): void {
    clearTimeout(timer);
    timer = undefined;
    told.clear();
    inner?.watcher.close();
    inner = null;
    for (const { watcher } of folders.values()) watcher.close();
    folders.clear();
    foldersOf.clear();
  }

  function changed(name: string | null, moved: boolean): void {
    const now = performance.now();
    if (now - recent.since > burst.withinMs) recent = { since: now, count: 0, name: "" };
    if (name !== recent.name) recent.count += 1;
    recent.name = name ?? "";
    told.set(name, moved || told.get(name) === true);
    if (recent.count % burst.names === 0) told.set(null, true); // events may have been lost: look over everything
    arm();
  }

  /** A folder full of files that come and go is listed a part of the time only. */
  function arm(): void {
    if (!telling && told.size > 0) timer ??= setTimeout(() => void tell(), pauseMs);
  }

  /** What came is watched before anybody is told to read it: what comes into it later is told again. */
  async function tell(): Promise<void> {
    timer = undefined;
    telling = true;
    const began = performance.now();
    const hints = [...told];
    told.clear();
    if (hints.some(([name]) => name === null)) await attendAll(false);
    else if (inner !== null) for (const [name, moved] of hints) if (name !== null && moved) attend(inner.real, name);
    pauseMs = Math.min(longestPauseMs, 4 * (performance.now() - began));
    telling = false;
    if (closed) return;
    for (const [name] of hints) onDirty(name);
    arm();
  }

  /** Watches every folder that an entry has files in, and no longer those it had some in. */
  function attend(real: string, name: string): void {
    const wanted = new Set<string>();

    function hold(at: string): boolean {
      if (wanted.has(at) || wanted.size >= mostFolders) return false;
      const info = statSync(at);
      const identity = `${info.dev}:${info.ino}`;
      const known = folders.get(at);
      if (known?.identity === identity) known.names.add(name);
      else {
        known?.watcher.close();
        folders.delete(at);
        const names = new Set(known?.names).add(name);
        const watcher = open(at, (moved, file) => {
          if (moved && file === basename(at)) folder.identity = ""; // itself: its inode may be another's by now
          for (const of of names) changed(of, moved);
        });
        if (watcher === null) return false;
        const folder: Folder = { watcher, identity, names };
        folders.set(at, folder);
      }
      wanted.add(at);
      return info.size <= mostListedBytes;
    }

    function follow(at: string, listed?: Dirent): void {
      try {
        const entry = listed ?? lstatSync(at);
        if (entry.isDirectory()) visit(at);
        else if (entry.isSymbolicLink()) followLink(realpathSync.native(at));
      } catch {
        // It went meanwhile, which the folder that it was in tells, or cannot be read, which whoever reads it finds out.
      }
    }

    /** A file that a link leads to is watched in the folder where it really is: editors put another one there. */
    function followLink(target: string): void {
      if (!isWithin(real, target)) return;
      if (statSync(target).isDirectory()) visit(target);
      else if (dirname(target) !== real) hold(dirname(target));
    }

    function visit(at: string): void {
      if (at === real || !hold(at)) return;
      for (const entry of readdirSync(at, { withFileTypes: true })) {
        if (!entry.name.startsWith("..") && entry.name !== ".git") follow(join(at, entry.name), entry);
      }
    }

    follow(join(real, name));
    for (const at of foldersOf.get(name) ?? []) {
      const folder = folders.get(at);
      if (wanted.has(at) || folder === undefined) continue;
      folder.names.delete(name);
      if (folder.names.size > 0) continue;
      folder.watcher.close();
      folders.delete(at);
    }
    if (wanted.size > 0) foldersOf.set(name, wanted);
    else foldersOf.delete(name);
  }

  /** Attends to all entries there are, or to those that none of its folders is watched of. */
  async function attendAll(newOnly: boolean): Promise<void> {
    const within = inner;
    if (within === null) return;
    const names = new Set(foldersOf.keys());
    try {
      for (const entry of readdirSync(within.real, { withFileTypes: true })) if (!entry.isFile() && !isPassedOver(entry.name)) names.add(entry.name);
    } catch {
      return; // it went: the watch of its place tells
    }
    for (const name of names) {
      if (newOnly && foldersOf.has(name)) continue;
      await breathe();
      if (inner !== within) return;
      attend(within.real, name);
    }
  }

  async function locate(): Promise<{ real: string; identity: string } | null> {
    try {
      const real = await realpath(path);
      const info = await stat(real);
      return { real, identity: `${info.dev}:${info.ino}` };
    } catch {
      return null;
    }
  }

  async function begin(): Promise<void> {
    const found = await locate();
    if (found === null) return; // its place's watch, or the next look, brings it back
    const { real } = found;
    const watcher = open(real, (moved, file) => {
      if (moved && file === basename(real) && inner !== null) {
        inner.identity = "";
        void verify();
      }
      // The link behind a mounted volume: everything may lie elsewhere now.
      if (file === null || file.startsWith("..")) changed(null, true);
      else if (!isPassedOver(file)) changed(file, moved);
    });
    if (watcher === null) return;
    inner = { ...found, watcher };
    await attendAll(false);
  }

  /** Begins anew when the root is another folder than before. */
  async function rebuild(quiet = false): Promise<void> {
    if (mode === "poll" || closed) return;
    const now = await locate();
    if (now?.real === inner?.real && now?.identity === inner?.identity) return attendAll(true);
    shut();
    await begin();
    if (!quiet) onDirty(null);
  }

  /** One after another; one that waits is enough for all that ask meanwhile. */
  function verify(): Promise<void> {
    next ??= running.then(() => {
      next = null;
      return (running = rebuild());
    });
    return next;
  }

  async function start(): Promise<void> {
    if (mode === "poll") return;
    const parent = dirname(path);
    const entry = basename(path);
    const place = chokidarWatch(parent, {
      ignoreInitial: true,
      followSymlinks: false,
      depth: 0,
      ignored: (p) => p !== parent && basename(p) !== entry,
    });
    outer = place;
    place.on("all", () => void verify()).on("error", degrade);
    await new Promise<void>((done) => void place.once("ready", done).once("error", () => done()));
    await (running = running.then(() => rebuild(true)));
  }

  async function close(): Promise<void> {
    closed = true;
    shut();
    await outer?.close();
    outer = null;
  }

  return { start, verify, close, mode: () => mode };
}

/** No batch, whatever it holds. */
function isPassedOver(name: string): boolean {
  return /^[._]/.test(name);
}
