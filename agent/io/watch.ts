// Tells which names below the root may have changed. Only hints: chokidar loses events (paulmillr/chokidar#1471), so
// whoever listens reads the truth for itself and looks over everything now and then.
import type { Stats } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { watch as chokidarWatch, type FSWatcher } from "chokidar";
import type { Logger, Watch } from "../ports.ts";

/** What lies behind further ones is left to the resync: each takes one of the system's watches. */
const mostLinks = 10_000;
const burst = { names: 50, withinMs: 1000 };

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
  let inner: FSWatcher | null = null;
  let outer: FSWatcher | null = null;
  let verifying: Promise<void> | null = null;
  let identity = "";
  let closed = false;
  let recent = { since: 0, count: 0, name: "" };

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
    inner = outer = null;
    onDirty(null);
    options.onDegraded?.();
  }

  function changed(real: string, changedPath: string): void {
    const name = relative(real, changedPath).split(sep)[0] ?? "";
    if (/^[._](?!\.)/.test(name)) return; // no batch
    const now = performance.now();
    if (now - recent.since > burst.withinMs) recent = { since: now, count: 0, name: "" };
    if (name !== recent.name) recent.count += 1;
    recent.name = name;
    // In a burst events get lost: look over everything. The same when the link behind a mounted volume was swapped.
    if (recent.count === burst.names || name === "" || name.startsWith("..")) onDirty(null);
    else onDirty(name);
  }

  async function open(): Promise<void> {
    identity = await identify();
    if (identity === "" || closed) return; // the parent's watch, or the next look, brings it back
    const real = identity.slice(0, identity.lastIndexOf(" "));
    const links = new Set<string>();
    // One watch a folder: inotify tells of the files in it. Only what a link leads to lies elsewhere and has one of its own.
    const ignored = (p: string, stats?: Stats) => {
      if (/\/(\.\.|\.git(\/|$))/.test(p.slice(real.length))) return true;
      if (stats?.isSymbolicLink() && links.size < mostLinks) links.add(p);
      return stats?.isFile() === true && !links.has(p);
    };
    const watcher = chokidarWatch(real, { ignoreInitial: true, followSymlinks: true, depth: 4, atomic: true, ignored });
    inner = watcher;
    watcher.on("all", (_event, changedPath) => changed(real, changedPath)).on("error", degrade);
    watcher.on("raw", (_event, file, of) => changed(real, join((of as { watchedPath: string }).watchedPath, file ?? "")));
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
    inner = null;
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
    closed = true;
    await Promise.all([inner?.close(), outer?.close()]);
    inner = outer = null;
  }

  return { start, verify, close, mode: () => mode };
}
