// Tells which names below the root may have changed. Only hints: events get lost (a queue of inotify that is full, a
// swapped link), so whoever listens reads the truth for itself and looks over everything now and then. A hint needs
// no more than one watch a folder, which is one call of the system; chokidar, which lists every folder and looks at
// every file, watches the root's place.
import { readdirSync, watch, type FSWatcher } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { setTimeout as later } from "node:timers/promises";
import { watch as chokidarWatch, type FSWatcher as Chokidar } from "chokidar";
import { messageOf } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { groupFileName } from "../model/group.ts";
import { yieldToEventLoop } from "../async/yield.ts";
import { errorCode } from "../platform/files.ts";
import { watchEntry } from "./entry-walk.ts";
import type { Watch, WatchListener } from "./port.ts";
import { maxBatchesHere } from "./room.ts";
import { HintQueue, type Hints } from "./watch-hints.ts";
import { identityOf, WatchedFolders, type OnEvent } from "./watched-folders.ts";

/** How often a root that is not there is looked for: the folder it comes into may be gone too. */
const absentMs = 1_000;
/** A parent with very many entries, or far away, holds nobody up. */
const maxReadyMs = 5_000;
/** As many as there may be batches: beyond, the folder is polled. */
const maxWatches = maxBatchesHere();
/** Nothing to be watched there, or nothing we may: whoever reads it finds out. */
const ignoredCodes = ["ENOENT", "ENOTDIR", "ELOOP", "EACCES", "EPERM"];

export interface WatchOptions {
  poll: boolean;
  log: Logger;
  /** The agent's own data as it really lies: no batch. */
  except?: string;
}

/** A folder where it really is. */
interface Location {
  real: string;
  identity: string;
}

/**
 * Watches `root` and its place in its parent. After an error (the inotify limit, say) it stops by itself and `mode()`
 * is `poll`, which `onDegraded` tells: the listener then has to look often.
 */
export function createWatch(root: string, options: WatchOptions): Watch {
  return new FolderWatch(root, options);
}

/** Invariants: `#inner` is null while the root is not there; one rebuild at a time, with at most one more waiting. */
class FolderWatch implements Watch {
  readonly #path: string;
  readonly #options: WatchOptions;
  readonly #hints: HintQueue;
  readonly #folders: WatchedFolders;
  #listener: WatchListener = { onDirty: () => undefined };
  #mode: "inotify" | "poll";
  #outer: { identity: string; watcher: Chokidar } | null = null;
  #inner: (Location & { watcher: FSWatcher }) | null = null;
  #absent: NodeJS.Timeout | undefined;
  #running = Promise.resolve();
  #next: Promise<void> | null = null;
  #isClosed = false;
  /** Number of folders that are watched. */
  #count = 0;

  constructor(root: string, options: WatchOptions) {
    this.#path = resolve(root);
    this.#options = options;
    this.#mode = options.poll ? "poll" : "inotify";
    this.#hints = new HintQueue({
      prepare: (hints) => this.#watchHinted(hints),
      report: (name) => this.#listener.onDirty(name),
    });
    this.#folders = new WatchedFolders({
      open: (at, onEvent) => this.#open(at, onEvent),
      onChange: (name, moved) => this.#hints.add(name, moved),
    });
  }

  mode = (): "inotify" | "poll" => this.#mode;

  start = (listener: WatchListener): Promise<void> => {
    this.#listener = listener;
    this.#running = this.#rebuild(true);
    return this.#running;
  };

  /** One after another; one that waits is enough for all that ask meanwhile. */
  verify = (): Promise<void> => {
    this.#next ??= this.#running.then(() => {
      this.#next = null;
      this.#running = this.#rebuild(false);
      return this.#running;
    });
    return this.#next;
  };

  close = async (): Promise<void> => {
    this.#isClosed = true;
    this.#hints.close();
    this.#closeInner();
    await this.#closeOuter();
  };

  #degrade(error: unknown): void {
    if (this.#mode === "poll" || this.#isClosed) return;
    this.#mode = "poll";
    this.#options.log.warn("watching failed, going over to polling", { error: messageOf(error) });
    this.#closeInner();
    void this.#closeOuter();
    this.#listener.onDirty(null);
    this.#listener.onDegraded?.();
  }

  #open(at: string, onEvent: OnEvent): FSWatcher | null {
    if (this.#mode === "poll" || this.#isClosed) return null;
    try {
      if (this.#count >= maxWatches) throw new Error(`there is memory for ${maxWatches} watched folders only`);
      const watcher = watch(at, (event, file) => onEvent(event === "rename", file));
      this.#count++;
      watcher.once("close", () => {
        this.#count--;
      });
      return watcher.on("error", (error) => this.#degrade(error));
    } catch (error) {
      if (!ignoredCodes.includes(errorCode(error))) this.#degrade(error);
      return null;
    }
  }

  #closeInner(): void {
    clearTimeout(this.#absent);
    this.#hints.clear();
    this.#inner?.watcher.close();
    this.#inner = null;
    this.#folders.closeAll();
  }

  async #closeOuter(): Promise<void> {
    const outer = this.#outer;
    this.#outer = null;
    await outer?.watcher.close();
  }

  async #watchHinted(hints: Hints): Promise<void> {
    if (hints.has(null)) return this.#watchAll();
    for (const [name, moved] of hints)
      if (name !== null && moved && this.#inner !== null) await this.#watchBelow(this.#inner.real, name);
  }

  /** Watches an entry and, where it is a group, all below it; adds each name to `seen`. */
  async #watchBelow(real: string, name: string, seen?: Set<string>): Promise<void> {
    const isPassedOver = (folder: string, file: string) => this.#isPassedOver(folder, file);
    const open = [name];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      seen?.add(next);
      await yieldToEventLoop();
      if (this.#inner?.real !== real) return;
      open.push(...watchEntry(next, { folders: this.#folders, real, isPassedOver }));
    }
  }

  async #watchAll(): Promise<void> {
    const within = this.#inner;
    if (within === null) return;
    const names = new Set(this.#folders.names().filter((name) => !name.includes("/")));
    try {
      for (const entry of readdirSync(within.real, { withFileTypes: true }))
        if (!entry.isFile() && !this.#isPassedOver(within.real, entry.name)) names.add(entry.name);
    } catch {
      return; // it went: the watch of its place tells
    }
    const seen = new Set<string>();
    for (const name of names) {
      if (this.#inner !== within) return;
      await this.#watchBelow(within.real, name, seen);
    }
    for (const name of this.#folders.names()) if (!seen.has(name)) this.#folders.forget(name);
  }

  /** Returns true for what is no batch, whatever it holds. */
  #isPassedOver(folder: string, file: string): boolean {
    return /^[._]/.test(file) || join(folder, file) === this.#options.except;
  }

  async #begin(): Promise<void> {
    const found = await locate(this.#path);
    const watcher = found === null ? null : this.#watchRoot(found.real);
    if (found !== null && watcher !== null) {
      this.#inner = { ...found, watcher };
      await this.#watchAll();
    } else if (this.#mode !== "poll" && !this.#isClosed) {
      this.#absent = setTimeout(() => void this.verify(), absentMs).unref();
    }
  }

  #watchRoot(real: string): FSWatcher | null {
    const watcher = this.#open(real, (moved, file) => {
      if (moved && file === basename(real) && this.#inner?.watcher === watcher) {
        this.#inner.identity = ""; // itself
        void this.verify();
      }
      // The link behind a mounted volume: everything may lie elsewhere now.
      if (file === null || file.startsWith("..")) {
        this.#hints.add(null, true);
        return;
      }
      if (file === groupFileName || !this.#isPassedOver(real, file)) this.#hints.add(file, moved);
      for (const name of this.#folders.linkersOf(file)) this.#hints.add(name, moved);
    });
    return watcher;
  }

  /** Watches the link or folder that leads to the root: chokidar tells when another is put there. */
  async #watchPlace(): Promise<void> {
    const place = await locate(dirname(this.#path));
    if (place?.identity === this.#outer?.identity || this.#isClosed) return;
    await this.#closeOuter();
    if (place === null) return;
    const watcher = chokidarWatch(place.real, {
      ignoreInitial: true,
      followSymlinks: false,
      depth: 0,
      ignored: (at) => at !== place.real && basename(at) !== basename(this.#path),
    });
    this.#outer = { ...place, watcher };
    watcher.on("all", () => void this.verify());
    watcher.on("error", (error) => {
      if (ignoredCodes.includes(errorCode(error))) void watcher.close();
      else this.#degrade(error);
    });
    const ready = new Promise<void>((done) => void watcher.once("ready", done).once("error", () => done()));
    await Promise.race([ready, later(maxReadyMs, undefined, { ref: false })]);
  }

  /**
   * Begins anew when the root is another folder than before; watches everything again when it is not: what events
   * tell is not all.
   */
  async #rebuild(isFirst: boolean): Promise<void> {
    if (this.#mode === "poll" || this.#isClosed) return;
    await this.#watchPlace();
    const now = await locate(this.#path);
    if (now !== null && now.real === this.#inner?.real && now.identity === this.#inner.identity)
      return this.#watchAll();
    const wasThere = this.#inner !== null;
    this.#closeInner();
    await this.#begin();
    if (!isFirst && (wasThere || this.#inner !== null)) this.#listener.onDirty(null);
  }
}

async function locate(path: string): Promise<Location | null> {
  try {
    const real = await realpath(path);
    return { real, identity: identityOf(await stat(real)) };
  } catch {
    return null;
  }
}
