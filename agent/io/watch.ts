// Tells which names below the root may have changed. Only hints: chokidar loses events (paulmillr/chokidar#1471), so
// whoever listens reads the truth for itself and looks over everything now and then.
import { watch as watchFolder, type FSWatcher as FolderWatcher, type Stats } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { basename, dirname, relative, resolve, sep } from "node:path";
import { watch as chokidarWatch, type FSWatcher } from "chokidar";
import type { Logger, Watch } from "../ports.ts";

const mostFiles = 1_000;
const alwaysWatched = ["batch.yaml", "batch.yml", "script.sh"];
const burst = { events: 50, withinMs: 1000 };

/**
 * Watches `root` and its parent. `onDirty(name)` for one entry, `onDirty(null)` when anything may have changed. After an
 * error (the inotify limit, say) it stops by itself and `mode()` is `poll`: the listener then has to look often.
 */
export function createWatch(
  root: string,
  options: { poll: boolean; log: Logger; onDirty: (name: string | null) => void },
): Watch {
  const { log, onDirty } = options;
  const path = resolve(root);
  let mode: "inotify" | "poll" = options.poll ? "poll" : "inotify";
  let inner: FSWatcher | null = null;
  let outer: FSWatcher | null = null;
  /** For a volume's ..data only: chokidar is told to leave it alone, and sees no more of a swap than what that deletes. */
  let volume: FolderWatcher | null = null;
  let verifying: Promise<void> | null = null;
  let identity = "";
  let recent = { since: 0, count: 0 };

  async function identify(): Promise<string> {
    try {
      const real = await realpath(path);
      const info = await stat(real);
      return `${real} ${info.dev}:${info.ino}`;
    } catch {
      return "";
    }
  }

  function degrade(error: unknown): void {
    if (mode === "poll") return;
    mode = "poll";
    log.warn("watching failed, going over to polling", { error: error instanceof Error ? error.message : String(error) });
    void inner?.close();
    void outer?.close();
    volume?.close();
    inner = outer = volume = null;
    onDirty(null);
  }

  function changed(real: string, changedPath: string): void {
    const name = relative(real, changedPath).split(sep)[0];
    const now = performance.now();
    if (now - recent.since > burst.withinMs) recent = { since: now, count: 0 };
    recent.count += 1;
    // In a burst events get lost: look over everything.
    if (recent.count === burst.events) onDirty(null);
    onDirty(name === undefined || name === "" ? null : name);
  }

  async function open(): Promise<void> {
    identity = await identify();
    if (identity === "") return; // the parent's watch, or the next look, brings it back
    const real = identity.slice(0, identity.lastIndexOf(" "));
    const watched = new Map<string, Set<string>>();
    /** Files of a batch beyond so many are left to the resync: each one watched costs memory, and one of the system's watches. */
    const isOneTooMany = (p: string, kind: Stats | undefined) => {
      const folder = dirname(p);
      if (kind?.isFile() !== true || folder === real || alwaysWatched.includes(basename(p))) return false;
      const files = watched.get(folder) ?? new Set();
      watched.set(folder, files);
      if (files.size < mostFiles) files.add(basename(p));
      return !files.has(basename(p));
    };
    const ignored = (p: string, kind?: Stats) => {
      const below = relative(real, p);
      return (below !== "" && below.split(sep).some((part) => part.startsWith("..") || part === ".git")) || isOneTooMany(p, kind);
    };
    const watcher = chokidarWatch(real, { ignoreInitial: true, followSymlinks: true, depth: 2, atomic: true, ignored });
    inner = watcher;
    volume = watchFolder(real, (_event, name) => void (name === "..data" && onDirty(null))).on("error", degrade);
    watcher.on("all", (_event, changedPath) => changed(real, changedPath)).on("error", degrade);
    watcher.on("unlink", (gone) => watched.get(dirname(gone))?.delete(basename(gone)));
    await new Promise<void>((done) => {
      watcher.once("ready", done);
      watcher.once("error", () => done());
    });
  }

  /** Builds the watcher anew when the root is another folder than before. */
  function verify(): Promise<void> {
    verifying ??= rebuild().finally(() => (verifying = null));
    return verifying;
  }

  async function rebuild(): Promise<void> {
    if (mode === "poll" || (await identify()) === identity) return;
    await inner?.close();
    volume?.close();
    inner = volume = null;
    await open();
    onDirty(null);
  }

  async function start(): Promise<void> {
    if (mode === "poll") return;
    const parent = dirname(path);
    const entry = basename(path);
    outer = chokidarWatch(parent, {
      ignoreInitial: true,
      followSymlinks: false,
      depth: 0,
      ignored: (p) => p !== parent && basename(p) !== entry,
    });
    outer.on("all", () => void verify()).on("error", degrade);
    await open();
  }

  async function close(): Promise<void> {
    await Promise.all([inner?.close(), outer?.close()]);
    volume?.close();
    inner = outer = volume = null;
  }

  return { start, verify, close, mode: () => mode };
}
