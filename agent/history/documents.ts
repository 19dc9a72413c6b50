// data/batches/<name>/history.json on disk: read once at start, row by row afterwards, written whole and atomically.
// Knows files and their form; what is to be written, and when, is the checkpoints' matter. Longer than other files:
// how a document is read, written and quarantined belongs together.
import { chmodSync, readdirSync, renameSync, statSync, type Dirent } from "node:fs";
import { readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { Low, type Adapter } from "lowdb";
import type { Clock } from "../async/clock.ts";
import { messageOf, StoreError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { Execution } from "../model/execution.ts";
import type { BatchName, ExecutionId } from "../model/ids.ts";
import type { Problem } from "../model/problem.ts";
import { syncFolder, writeDurably } from "../platform/durable.ts";
import { yieldToEventLoop } from "../async/yield.ts";
import { retry } from "../async/retry.ts";
import { clearTree, errorCode, isAbsent, isPassing, isShortage, readPart } from "../platform/files.ts";
import { makeFolders, type EnsureFolder } from "../platform/folders.ts";
import { documentText, isExecution, rowId, rowText, type DocumentText, type Head } from "./document.ts";
import { offsetsOf, readDocument, readDocumentText, type FoundDocument } from "./document-file.ts";

/** Begins the name of a folder that is on its way out; no batch has such a name. */
const trash = ".trash-";
/** Begins the name of a document that was quarantined. */
const corrupt = "history.json.corrupt-";
/**
 * Maximum quarantined documents of one batch that are reported, the newest; a disk that goes bad may leave one at
 * each start.
 */
const maxReported = 10;
/** Reads of a document on a disk that fails, in all about a second; then it is quarantined. */
const maxReads = 5;
const againMs = 200;
const readHint = "all of the data folder must be the agent's user's to read and write";
/** Nearly all rows are shorter; one that is not is read again with more. */
const rowBytes = 2_048;
const maxRowBytes = 4 * 1024 * 1024;

/** Describes what a document is to hold beside what it holds already. */
export interface Checkpoint {
  head: Head;
  rows: readonly Execution[];
  deleted: ReadonlySet<ExecutionId>;
  /** Nothing of what it holds counts any more. */
  isAnew: boolean;
}

export class Documents {
  readonly #home: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #problems: Problem[] = [];
  readonly #fence: () => void;
  readonly #ensure: EnsureFolder;
  /** Batches whose folder is known to be on disk. */
  readonly #placed = new Set<string>();
  /** The last work on each batch's folder: one at a time. */
  readonly #busy = new Map<string, Promise<unknown>>();

  constructor(home: string, deps: { clock: Clock; log: Logger; fence?: () => void; ensure?: EnsureFolder }) {
    const { clock, log, fence, ensure } = deps;
    this.#home = home;
    this.#fence = fence ?? (() => undefined);
    this.#ensure = ensure ?? makeFolders;
    this.#clock = clock;
    this.#log = log;
  }

  /** Makes the folder. Throws StoreError. */
  async make(): Promise<void> {
    try {
      this.#ensure(this.#home);
      // Also for what an earlier agent made in it and died before it was on disk.
      await syncFolder(this.#home);
    } catch (error) {
      throw new StoreError("make", this.#home, error, "the data folder must be writable; choose another with --data");
    }
  }

  /** Names of all batches that have a folder; finishes deletions that a crash has cut short. */
  async names(): Promise<BatchName[]> {
    const names: BatchName[] = [];
    for (const entry of readdirSync(this.#home, { withFileTypes: true })) {
      if (!this.#isFolder(entry)) continue;
      if (entry.name.startsWith(trash)) await clearTree(join(this.#home, entry.name), this.#log);
      else names.push(entry.name as BatchName);
    }
    return names;
  }

  /** Reports what was quarantined of a batch. Once, at start. */
  async reportQuarantined(name: BatchName): Promise<void> {
    await yieldToEventLoop();
    for (const file of this.#quarantined(name)) this.#report(name, file, null);
  }

  /**
   * One document, whole; null where there is none. One that cannot be read is quarantined as
   * `history.json.corrupt-<time>`, and said. Throws StoreError where descriptors or memory run out.
   */
  async read(name: BatchName): Promise<FoundDocument | null> {
    await yieldToEventLoop();
    const found = await this.#readSurely(name, readDocument);
    if (found === null) return null;
    if (typeof found === "string") {
      this.#quarantine(name, found);
      return null;
    }
    this.#placed.add(name);
    return found;
  }

  /**
   * One row of a document; undefined where it does not stand there, or not as a row stands. Throws StoreError where
   * descriptors or memory run out: it stands there all the same.
   */
  row(name: BatchName, id: ExecutionId, offset: number): Execution | undefined {
    try {
      for (let length = rowBytes; length <= maxRowBytes; length *= 8) {
        const bytes = readPart(this.#pathOf(name), offset, length);
        const end = bytes.indexOf(10);
        if (end < 0 && bytes.length === length) continue;
        const text = bytes.toString("utf8", 0, end < 0 ? bytes.length : end).replace(/,$/, "");
        const value: unknown = rowId(text) === id ? JSON.parse(text) : null;
        return isExecution(value as Execution, name) ? (value as Execution) : undefined;
      }
    } catch (error) {
      if (isShortage(error)) throw new StoreError("read", this.#pathOf(name), error);
      if (errorCode(error) !== "ENOENT")
        this.#log.warn("a row of a history cannot be read", { batch: name, id, error: messageOf(error) });
    }
    return undefined;
  }

  /**
   * Brings a document up to date; where each of its rows begins then. Durable when the promise resolves. Throws
   * StoreError.
   */
  write(name: BatchName, checkpoint: Checkpoint): Promise<Map<ExecutionId, number>> {
    return this.#alone(name, async () => {
      this.#fence();
      const adapter = this.#adapter(name);
      const db = new Low<DocumentText>(adapter, { head: checkpoint.head, rows: new Map() });
      try {
        this.#place(name);
        if (!checkpoint.isAnew) await db.read();
        const { rows } = db.data;
        db.data.head = checkpoint.head;
        for (const id of checkpoint.deleted) rows.delete(id);
        for (const row of checkpoint.rows) rows.set(row.id, rowText(row));
        await db.write();
      } catch (error) {
        const hint = "is there room in the data folder, and may the agent write there?";
        throw new StoreError("write", this.#pathOf(name), error, hint);
      }
      return offsetsOf(adapter.written);
    });
  }

  /** Deletes a batch's folder with all that is in it. Throws on I/O errors. */
  delete(name: BatchName): Promise<void> {
    return this.#alone(name, async () => {
      this.#placed.delete(name);
      // At once out of sight: a folder half deleted would be half a history after a crash.
      const gone = join(this.#home, `${trash}${name}-${this.#clock.now()}`);
      this.#ensure(this.#home);
      try {
        await rename(join(this.#home, name), gone);
      } catch (error) {
        if (errorCode(error) === "ENOENT") return;
        throw error;
      }
      await syncFolder(this.#home);
      await clearTree(gone, this.#log);
    });
  }

  /** Deletes execution folders. Never throws: what cannot be deleted is said. */
  async deleteExecutions(name: BatchName, ids: readonly ExecutionId[]): Promise<void> {
    for (const id of ids) await clearTree(join(this.#home, name, "executions", id), this.#log);
  }

  /**
   * Ids of the execution folders of a batch; none of one whose document was quarantined: somebody may want to look at
   * its logs.
   */
  async executionFolders(name: BatchName): Promise<string[]> {
    try {
      const entries = await readdir(join(this.#home, name));
      if (entries.some((entry) => entry.startsWith(corrupt))) return [];
      return await readdir(join(this.#home, name, "executions"));
    } catch {
      return []; // what cannot be listed now is none to be deleted
    }
  }

  /** Quarantined documents, as long as they lie there. */
  problems(): Problem[] {
    // A link to itself lies there as well.
    return this.#problems.filter(({ file }) => file !== null && !isAbsent(file));
  }

  /** A batch's folder may lie on another disk, behind a link. */
  #isFolder(entry: Dirent): boolean {
    if (!entry.isSymbolicLink()) return entry.isDirectory();
    try {
      return statSync(join(this.#home, entry.name)).isDirectory();
    } catch (error) {
      return isPassing(error); // a batch all the same, whose history cannot be read just now
    }
  }

  #pathOf(name: BatchName): string {
    return join(this.#home, name, "history.json");
  }

  #adapter(name: BatchName): Adapter<DocumentText> & { written: string } {
    const path = this.#pathOf(name);
    const adapter = {
      written: "",
      read: async () => {
        const found = await this.#readSurely(name, readDocumentText);
        if (typeof found !== "string") return found;
        this.#quarantine(name, found);
        return null;
      },
      write: async (data: DocumentText) => {
        const text = (adapter.written = documentText(data));
        const onObstacle = () => {
          this.#quarantine(name, "it is not a file");
          return Promise.resolve();
        };
        await Promise.all([
          writeDurably(path, text, onObstacle),
          this.#placed.has(name) ? null : syncFolder(this.#home),
        ]);
        this.#placed.add(name);
      },
    };
    return adapter;
  }

  /** Reads a document; the reason where it cannot be read, on a disk that fails only after some tries. */
  async #readSurely<T>(name: BatchName, read: (path: string, name: string) => T | string): Promise<T | string> {
    const path = this.#pathOf(name);
    const isWorthIt = (error: unknown) => !isShortage(error);
    try {
      const how = { clock: this.#clock, tries: maxReads, pauseMs: againMs, isWorthIt };
      return await retry(() => read(path, name), how);
    } catch (error) {
      if (isShortage(error)) throw new StoreError("read", path, error, readHint);
      return messageOf(error);
    }
  }

  /** Makes a batch's folder, in the place of what is none: one batch must not keep the journal from being emptied. */
  #place(name: BatchName): void {
    const folder = join(this.#home, name);
    if (this.#ensure(folder)) this.#placed.delete(name);
  }

  #alone<T>(name: string, work: () => Promise<T>): Promise<T> {
    const done = (this.#busy.get(name) ?? Promise.resolve()).then(work, work);
    this.#busy.set(name, done);
    const forget = () => {
      if (this.#busy.get(name) === done) this.#busy.delete(name);
    };
    done.then(forget, forget);
    return done;
  }

  #quarantined(name: BatchName): string[] {
    const folder = join(this.#home, name);
    try {
      const files = this.#list(folder).filter((file) => file.startsWith(corrupt));
      return files
        .sort()
        .slice(-maxReported)
        .map((file) => join(folder, file));
    } catch (error) {
      throw new StoreError("read", folder, error, readHint);
    }
  }

  /** A script may have taken its rights away. */
  #list(folder: string): string[] {
    try {
      return readdirSync(folder);
    } catch (error) {
      if (errorCode(error) !== "EACCES") throw error;
      chmodSync(folder, 0o700);
      return readdirSync(folder);
    }
  }

  #quarantine(name: BatchName, reason: string): void {
    const time = new Date(this.#clock.now()).toISOString().replaceAll(":", "-");
    const file = join(this.#home, name, `${corrupt}${time}`);
    try {
      renameSync(this.#pathOf(name), file);
    } catch (error) {
      const hint = "the data folder must be writable; choose another with --data";
      throw new StoreError("set aside", this.#pathOf(name), error, hint);
    }
    const { message, hint } = this.#report(name, file, reason);
    this.#log.error(message, { batch: name, path: file, hint });
  }

  #report(name: string, file: string, reason: string | null): Problem {
    const why = reason === null ? "could not be read" : `cannot be read (${reason})`;
    const problem: Problem = {
      batch: name,
      file,
      line: null,
      column: null,
      path: null,
      code: "history-corrupt",
      message: `the history of ${name} ${why}; it was set aside`,
      hint: "the batch goes on from now, with a new history; its logs are still there. Once looked at, delete the file",
    };
    this.#problems.push(problem);
    return problem;
  }
}
