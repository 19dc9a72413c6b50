// Keeps the folders of the data folder folders. Scripts are the agent's own user: one may remove a folder, or put a
// file, a FIFO or a link in its place, while the agent runs. What can be put right is put right at once and told, what
// cannot is told as long as it lasts.
import { accessSync, chmodSync, constants, lstatSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { StoreError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { agentProblem, type Problem } from "../model/problem.ts";
import { isAbsent, quarantineMark, quarantineSync } from "./files.ts";

/**
 * Makes sure that a path below the data folder is a folder that can be used; true where it had to be made. Throws
 * StoreError where it cannot be.
 */
export type EnsureFolder = (path: string) => boolean;

/** Makes folders, and mends nothing: for folders that nobody else can reach. */
export const makeFolders: EnsureFolder = (path) => mkdirSync(path, { recursive: true }) !== undefined;

/** Describes what was done to one folder; `aside`: where what lay in its place was moved to, null where nothing did. */
export interface Mended {
  path: string;
  quarantined: string | null;
}

/** Maximum number of mended folders that are told, the newest: a script may go on replacing them for ever. */
const maxReported = 100;
const { R_OK, W_OK, X_OK } = constants;

/**
 * Makes sure that `path`, below `base` or `base` itself, is a folder: what else lies there is moved aside, rights are
 * given back. A link to a folder counts as one. Returns what was done, topmost first. Throws the file system's errors.
 */
export function ensureFolder(base: string, path: string, now: number): Mended[] {
  if (isUsable(path)) return [];
  const done = path === base || dirname(path) === path ? [] : ensureFolder(base, dirname(path), now);
  const info = lstatSync(path, { throwIfNoEntry: false });
  if (info?.isDirectory() === true && givesRights(path)) return done;
  // The rights of the folder above may have been all that was missing, or somebody else has made it meanwhile.
  if (isUsable(path)) return done;
  const quarantined = info === undefined ? null : quarantineSync(path, now);
  mkdirSync(path, { recursive: path === base, mode: path === base ? 0o700 : 0o777 });
  return [...done, { path, quarantined }];
}

function givesRights(path: string): boolean {
  try {
    chmodSync(path, 0o700);
    return isUsable(path);
  } catch {
    return false;
  }
}

function isUsable(path: string): boolean {
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return false;
    accessSync(path, R_OK | W_OK | X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Invariants: what was mended is told while what was moved aside lies there, or for good where a folder was gone; what
 * could not be mended is told until it could.
 */
export class Folders {
  readonly #base: string;
  readonly #now: () => number;
  readonly #log: Logger;
  /** Folders that are looked at without being asked for, and which folder each of them is. */
  readonly #fixed = new Map<string, Identity | null>();
  readonly #reported = new Map<string, Problem>();
  readonly #failed = new Map<string, StoreError>();

  constructor(dataDir: string, { now, log }: { now: () => number; log: Logger }) {
    this.#base = dataDir;
    this.#now = now;
    this.#log = log;
  }

  /** Makes the folders that are always there, and tells what an earlier agent moved aside. Throws StoreError. */
  open(names: readonly string[]): void {
    for (const entry of readdirSync(this.#base)) {
      const [name = ""] = entry.split(quarantineMark);
      if (entry !== name && names.includes(name))
        this.#reportProblem({ path: join(this.#base, name), quarantined: join(this.#base, entry) });
    }
    for (const name of names) this.#ensure(join(this.#base, name), false);
    for (const path of [this.#base, ...names.map((name) => join(this.#base, name))])
      this.#fixed.set(path, identity(path));
  }

  readonly ensure: EnsureFolder = (path) => this.#ensure(path, true);

  /** Looks at the folders that are always there, and again at what could not be mended. Never throws. */
  check(): void {
    for (const path of [...this.#fixed.keys(), ...this.#failed.keys()]) {
      try {
        this.ensure(path);
        this.#checkIdentity(path);
      } catch {
        // It is among those that failed.
      }
    }
  }

  /** Why a folder that everything needs cannot be used; null while all can. */
  trouble(): StoreError | null {
    for (const path of this.#fixed.keys()) {
      const failed = this.#failed.get(path);
      if (failed !== undefined) return failed;
    }
    return null;
  }

  problems(): Problem[] {
    for (const [path, { file }] of this.#reported)
      if (file !== path && (file === null || isAbsent(file))) this.#reported.delete(path);
    const failed = [...this.#failed].filter(([path]) => !this.#fixed.has(path));
    return [
      ...this.#reported.values(),
      ...failed.map(([path, { message, hint }]) => ({
        ...agentProblem("data-folder-replaced", message, hint, path),
        batch: this.#batchOf(path),
      })),
    ];
  }

  #ensure(path: string, isLate: boolean): boolean {
    try {
      const mended = ensureFolder(this.#base, path, this.#now());
      if (this.#failed.size > 0) this.#failed.delete(path);
      for (const one of mended)
        if (one.quarantined !== null || (isLate && this.#fixed.has(one.path))) this.#report(one);
      return mended.length > 0;
    } catch (error) {
      const hint =
        "something else lies in its place and cannot be moved away: remove it, or restart with another --data";
      const failure = new StoreError("use the folder", path, error, hint);
      if (this.#failed.get(path)?.message !== failure.message) this.#log.error(failure.message, { hint });
      this.#failed.set(path, failure);
      throw failure;
    }
  }

  #report(mended: Mended): void {
    const { path, quarantined } = mended;
    if (this.#fixed.has(path)) this.#fixed.set(path, identity(path));
    const { message, hint } = this.#reportProblem(mended);
    this.#log.error(message, { path: quarantined ?? path, hint });
  }

  #checkIdentity(path: string): void {
    const known = this.#fixed.get(path);
    const now = identity(path);
    if (known == null || now === null) return;
    if (!isAnother(known, now)) {
      known.bornMs ??= now.bornMs;
      return;
    }
    this.#fixed.set(path, now);
    const problem = this.#problem(path, path, `${this.#nameOf(path)} is not the folder that it was`);
    this.#log.error(problem.message, { path, hint: problem.hint });
  }

  #reportProblem({ path, quarantined }: Mended): Problem {
    const what =
      quarantined === null
        ? `${this.#nameOf(path)} was gone; it was made anew`
        : `something else lay in the place of ${this.#nameOf(path)}; it was set aside`;
    return this.#problem(path, quarantined ?? path, what);
  }

  #problem(path: string, file: string, message: string): Problem {
    const hint =
      file === path
        ? "what it held is missing: put it back while the agent is stopped. A restart ends this notice"
        : "the agent goes on with a new folder. Once looked at, delete what was set aside";
    const problem = { ...agentProblem("data-folder-replaced", message, hint, file), batch: this.#batchOf(path) };
    this.#reported.delete(path);
    this.#reported.set(path, problem);
    for (const oldest of this.#reported.keys()) if (this.#reported.size > maxReported) this.#reported.delete(oldest);
    return problem;
  }

  #nameOf(path: string): string {
    return path === this.#base ? `the data folder ${path}` : `the folder ${relative(this.#base, path)}`;
  }

  #batchOf(path: string): string {
    const [top, batch = ""] = relative(this.#base, path).split(sep);
    return top === "batches" ? batch : "";
  }
}

/** Tells one folder from another of the same name; null where there is none. */
interface Identity {
  inode: string;
  /** A number of a folder that is gone is given again. Null where the system does not tell, or not yet. */
  bornMs: number | null;
}

function identity(path: string): Identity | null {
  try {
    const { dev, ino, birthtimeMs, ctimeMs } = statSync(path);
    // Where the file system has no such time, Node gives the last change.
    return { inode: `${dev}:${ino}`, bornMs: birthtimeMs > 0 && birthtimeMs < ctimeMs ? birthtimeMs : null };
  } catch {
    return null;
  }
}

function isAnother(known: Identity, now: Identity): boolean {
  if (known.inode !== now.inode) return true;
  return known.bornMs !== null && now.bornMs !== null && known.bornMs !== now.bornMs;
}
