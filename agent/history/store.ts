// The durable record: one lowdb document a batch, written whole, atomically, and an index over all of them in memory.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { mkdir, readdir, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Low } from "lowdb";
import type { Clock } from "../async/clock.ts";
import { StoreError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { idPattern, statuses, type Execution } from "../model/execution.ts";
import type { RunId, ExecutionId, BatchName } from "../model/ids.ts";
import type { Problem } from "../model/problem.ts";
import { syncFolder, writeDurably } from "../platform/durable.ts";
import { breathe, clearTree, errorCode } from "../platform/files.ts";
import type { BatchDocument } from "./document.ts";
import { createLedger } from "./ledger.ts";
import type { History } from "./port.ts";

/** Begins the name of a folder that is on its way out; no batch has such a name. */
const trash = ".trash-";
/** Begins the name of a document that was set aside. */
const corrupt = "history.json.corrupt-";
/** So many of one batch are told, the newest; a disk that goes bad may leave one at each start. */
const mostAside = 10;
const retryMs = 1_000;
/** Trouble of the whole disk, not of one file: trying the next document is no use. */
const ofTheDisk = ["ENOSPC", "EROFS", "EDQUOT", "EIO"];

interface Keeper {
  db: Low<BatchDocument>;
  writing: Promise<void> | null;
  next: Promise<void> | null;
  /** Why it could not be written; null when it is as it should be. */
  failure: StoreError | null;
  /** Called when it is written again. */
  waiters: (() => void)[];
}

/** What the composition root needs beyond the port. */
export interface OpenHistory extends History {
  /** Why documents cannot be written right now; null when all is well. */
  trouble(): StoreError | null;
  /** Documents that were set aside, as long as they lie there. */
  problems(): Problem[];
  /** The largest id there is. */
  newestId(): string | null;
  /** Resolves when nothing waits to be written any more; rejects with the trouble if that cannot be. */
  flush(): Promise<void>;
}

/** Opens data/batches. A document that cannot be read is set aside as `history.json.corrupt-<time>`, and said. */
export async function openHistory(
  dataDir: string,
  deps: {
    clock: Clock;
    log: Logger;
    /** Hears of each execution that is new or another than before, once it can be seen here; it may not be on disk yet. */
    onChange?: (execution: Execution, before: Execution | undefined) => void;
  },
): Promise<OpenHistory> {
  const { clock, log, onChange } = deps;
  const home = join(dataDir, "batches");
  const keepers = new Map<string, Keeper>();
  const ledger = createLedger();
  const aside: Problem[] = [];
  let retrying = false;
  let lastTried: Keeper | null = null;

  try {
    await mkdir(home, { recursive: true });
    // Also for what an earlier agent made in them and died before it was on disk.
    await Promise.all([dataDir, home].map(syncFolder));
  } catch (error) {
    throw new StoreError("make", home, error, "the data folder must be writable; choose another with --data");
  }
  for (const entry of readdirSync(home, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const { name } = entry;
    if (name.startsWith(trash)) {
      await clearTree(join(home, name), log);
      continue;
    }
    await breathe();
    for (const file of asideIn(join(home, name))) tellAside(name, file, null);
    const document = readDocument(join(home, name, "history.json"), name as BatchName);
    if (document !== null) keepers.set(name, keep(document, true));
  }
  ledger.fill([...keepers.values()].flatMap(({ db }) => db.data.executions));

  function readDocument(path: string, name: BatchName): BatchDocument | null {
    let reason = "it does not hold what a history holds";
    try {
      const value: unknown = JSON.parse(readFileSync(path, "utf8"));
      if (isDocument(value, name)) return share(value);
    } catch (error) {
      if (errorCode(error) === "ENOENT") return null;
      reason = error instanceof Error ? error.message : String(error);
    }
    setAside(path, name, reason);
    return null;
  }

  function asideIn(folder: string): string[] {
    try {
      const files = readdirSync(folder).filter((file) => file.startsWith(corrupt));
      return files
        .sort()
        .slice(-mostAside)
        .map((file) => join(folder, file));
    } catch (error) {
      throw new StoreError(
        "read",
        folder,
        error,
        "all of the data folder must be the agent's user's to read and write",
      );
    }
  }

  function setAside(path: string, name: BatchName, reason: string): void {
    const file = `${join(dirname(path), corrupt)}${new Date(clock.now()).toISOString().replaceAll(":", "-")}`;
    try {
      renameSync(path, file);
    } catch (error) {
      throw new StoreError("set aside", path, error, "the data folder must be writable; choose another with --data");
    }
    const { message, hint } = tellAside(name, file, reason);
    log.error(message, { batch: name, path: file, hint });
  }

  function tellAside(name: string, file: string, reason: string | null): Problem {
    const message = `the history of ${name} ${reason === null ? "could not be read" : `cannot be read (${reason})`}; it was set aside`;
    const hint =
      "the batch goes on from now, with a new history; its logs are still there. Once looked at, delete the file";
    const problem: Problem = {
      batch: name,
      file,
      line: null,
      column: null,
      path: null,
      code: "history-corrupt",
      message,
      hint,
    };
    aside.push(problem);
    return problem;
  }

  /** @param known  whether it is on disk, its folder with it */
  function keep(document: BatchDocument, known: boolean): Keeper {
    const folder = join(home, document.name);
    const path = join(folder, "history.json");
    let placed = known;
    const adapter = {
      read: () => Promise.resolve(document),
      async write(data: BatchDocument) {
        const text = serialize(data);
        if (mkdirSync(folder, { recursive: true }) !== undefined) placed = false;
        await Promise.all([writeDurably(path, text), placed ? null : syncFolder(home)]);
        placed = true;
      },
    };
    return { db: new Low(adapter, document), writing: null, next: null, failure: null, waiters: [] };
  }

  /**
   * At most one write under way and one waiting a document; who asks while one waits shares it. It begins once this turn is
   * over: whatever changes together is written together, so that no crash comes between a mark and its rows.
   */
  function write(keeper: Keeper): Promise<void> {
    keeper.next ??= (keeper.writing ?? Promise.resolve())
      .catch(() => undefined)
      .then(() => {
        keeper.next = null;
        return (keeper.writing = writeNow(keeper));
      });
    return keeper.next;
  }

  async function writeNow(keeper: Keeper): Promise<void> {
    try {
      await keeper.db.write();
      if (keeper.failure !== null) log.info("history is written again", { batch: keeper.db.data.name });
      keeper.failure = null;
      for (const tell of keeper.waiters.splice(0)) tell();
    } catch (error) {
      const wrapped = new StoreError(
        "write",
        join(home, keeper.db.data.name, "history.json"),
        error,
        "is there room in the data folder, and may the agent write there?",
      );
      if (keeper.failure === null) log.error(wrapped.message, { batch: keeper.db.data.name });
      keeper.failure = wrapped;
      if (!retrying) clock.after(retryMs, () => void retry());
      retrying = true;
      throw wrapped;
    } finally {
      keeper.writing = null;
    }
  }

  /** Again and again, until all that failed is written. Each in turn: one that is too large for what room is left holds up no other. */
  async function retry(): Promise<void> {
    const failed = () => [...keepers.values()].filter((keeper) => keeper.failure !== null);
    const all = failed();
    const next = all.findIndex((keeper) => keeper === lastTried) + 1;
    for (const keeper of [...all.slice(next), ...all.slice(0, next)]) {
      lastTried = keeper;
      const error = await write(keeper).then(
        () => null,
        (reason: unknown) => reason as StoreError,
      );
      if (error !== null && ofTheDisk.includes(errorCode(error.cause))) break;
    }
    retrying = failed().length > 0;
    if (retrying) clock.after(retryMs, () => void retry());
  }

  function keeperOf(name: BatchName, now: number): Keeper {
    let keeper = keepers.get(name);
    if (keeper === undefined) {
      const firstSeenAt = new Date(now).toISOString();
      keeper = keep(
        { name, firstSeenAt, removedAt: null, revision: null, commit: null, schedule: null, executions: [] },
        false,
      );
      keepers.set(name, keeper);
    }
    return keeper;
  }

  function place(execution: Execution): Keeper {
    const keeper = keeperOf(execution.batch, clock.now());
    const list = keeper.db.data.executions;
    const before = ledger.find(execution.id);
    const at = list.findLastIndex((other) => other.id === execution.id);
    if (at >= 0) list[at] = execution;
    else list.push(execution);
    ledger.put(execution);
    if (before !== execution) onChange?.(execution, before);
    return keeper;
  }

  async function save(execution: Execution, drop: readonly ExecutionId[] = []): Promise<void> {
    const keeper = place(execution);
    await remove(keeper, drop);
  }

  /** One write, with whatever else of the document has changed; then the folders go. */
  async function remove(keeper: Keeper, ids: readonly ExecutionId[]): Promise<void> {
    const document = keeper.db.data;
    if (ids.length > 0) document.executions = document.executions.filter((other) => !ids.includes(other.id));
    ids.forEach(ledger.remove);
    try {
      await write(keeper);
    } catch (error) {
      if (ids.length > 0) keeper.waiters.push(() => void removeFolders(document.name, ids));
      throw error;
    }
    await removeFolders(document.name, ids);
  }

  async function removeFolders(name: BatchName, ids: readonly ExecutionId[]): Promise<void> {
    for (const id of ids) {
      await clearTree(join(home, name, "executions", id), log);
    }
  }

  return {
    names: () => [...keepers.keys()] as BatchName[],
    document: (name) => keepers.get(name)?.db.data,
    find: ledger.find,
    run: ledger.run,
    page: (query) => ledger.page(query, keepers.get(query.batch ?? "")?.db.data.executions ?? []),
    save,
    cover(name, until, due) {
      const document = keepers.get(name)?.db.data;
      if (document?.schedule != null) document.schedule.coveredUntil = until;
      if (document !== undefined && due !== undefined) document.lastDueAt = due;
    },
    tell(name, told) {
      const document = keepers.get(name)?.db.data;
      if (document !== undefined) document.told = told;
    },
    async written(name) {
      const keeper = keepers.get(name);
      if (keeper !== undefined && keeper.failure !== null) await new Promise<void>((done) => keeper.waiters.push(done));
    },
    show: (execution) => void place(execution),
    async amend(name, fields, now) {
      const keeper = keeperOf(name, now);
      Object.assign(keeper.db.data, fields);
      await write(keeper);
    },
    async drop(name, ids) {
      const keeper = keepers.get(name);
      if (keeper !== undefined) await remove(keeper, ids);
    },
    async dropStrays(name) {
      const folder = join(home, name);
      const inFolder = await readdir(folder).catch(() => []);
      if (inFolder.some((entry) => entry.startsWith(corrupt))) return 0; // somebody may want to look at its logs
      const strays = (await readdir(join(folder, "executions")).catch(() => [])).filter(
        (id) => ledger.find(id) === undefined,
      );
      for (const id of strays) await clearTree(join(folder, "executions", id), log);
      return strays.length;
    },
    async forget(name) {
      const keeper = keepers.get(name);
      if (keeper === undefined) return;
      await (keeper.next ?? keeper.writing)?.catch(() => undefined);
      for (const { id } of keeper.db.data.executions) ledger.remove(id);
      keepers.delete(name);
      // At once out of sight: a folder half deleted would be half a history after a crash.
      const gone = join(home, `${trash}${name}-${clock.now()}`);
      await rename(join(home, name), gone).catch((error: unknown) => {
        if (errorCode(error) !== "ENOENT") throw error;
      });
      await clearTree(gone, log);
    },
    trouble: () => [...keepers.values()].find((keeper) => keeper.failure !== null)?.failure ?? null,
    problems: () => aside.filter(({ file }) => file !== null && existsSync(file)),
    newestId: ledger.newestId,
    async flush() {
      const pending = [...keepers.values()].flatMap(
        (keeper) => keeper.next ?? keeper.writing ?? (keeper.failure !== null ? write(keeper) : []),
      );
      await Promise.all(pending);
    },
  };
}

/** JSON with a line for each execution: good for jq and for grep. */
function serialize({ executions, ...head }: BatchDocument): string {
  const rows = executions.map((execution) => `\n${JSON.stringify(execution)}`).join(",");
  return `${JSON.stringify(head).slice(0, -1)},"executions":[${rows}\n]}\n`;
}

function isDocument(value: unknown, name: string): value is BatchDocument {
  if (typeof value !== "object" || value === null) return false;
  const document = value as Partial<BatchDocument>;
  return (
    document.name === name &&
    typeof document.firstSeenAt === "string" &&
    Array.isArray(document.executions) &&
    (document.schedule === null || isTime(document.schedule?.coveredUntil)) &&
    (document.lastDueAt === undefined || isTime(document.lastDueAt)) &&
    (document.told === undefined || isTold(document.told)) &&
    document.executions.every((row) => isExecution(row, name))
  );
}

/** JSON.parse makes each text anew. What is the same in a row, and from row to row, is held once: a third of what a row takes. */
function share(document: BatchDocument): BatchDocument {
  let before: Execution | undefined;
  for (const row of document.executions) {
    row.batch = document.name;
    if ((row.run as string) === row.id) row.run = row.id as string as RunId;
    if (row.createdAt === row.trigger.dueAt) row.createdAt = row.trigger.dueAt;
    if (row.revision === before?.revision) row.revision = before.revision;
    if (row.commit === before?.commit) row.commit = before.commit;
    if (before?.boot !== undefined && row.boot === before.boot) row.boot = before.boot;
    before = row;
  }
  return document;
}

function isTold(told: Partial<BatchDocument["told"]> | null): boolean {
  if (typeof told !== "object" || told === null) return false;
  const { failures, streaks, last } = told;
  return typeof failures === "number" && Array.isArray(streaks) && typeof last === "object" && last !== null;
}

function isExecution(row: Partial<Execution> | null, name: string): boolean {
  if (typeof row !== "object" || row === null) return false;
  const { id, run, batch, status, trigger, createdAt } = row;
  if (!idPattern.test(String(id)) || typeof run !== "string" || !statuses.includes(String(status))) return false;
  return (
    batch === name && isTime(createdAt) && typeof trigger === "object" && trigger !== null && isTime(trigger.dueAt)
  );
}

function isTime(value: unknown): boolean {
  return typeof value === "string" && !Number.isNaN(Date.parse(value));
}
