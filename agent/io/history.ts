// The durable record: one lowdb document a batch, written whole, atomically, and an index over all of them in memory.
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Low } from "lowdb";
import type { BatchDocument, BatchName, Execution, ExecutionId, RunId } from "../core/model.ts";
import { StoreError } from "../errors.ts";
import type { Clock, ExecutionQuery, History, Logger } from "../ports.ts";
import { errorCode, mapLimit, writeDurably } from "./files.ts";

const retryMs = 1_000;

interface Keeper {
  db: Low<BatchDocument>;
  writing: Promise<void> | null;
  next: Promise<void> | null;
  failed: boolean;
}

/** What the composition root needs beyond the port. */
export interface OpenHistory extends History {
  /** Why documents cannot be written right now; null when all is well. */
  trouble(): string | null;
  /** The largest id there is. */
  newestId(): string | null;
  /** Resolves when nothing waits to be written any more; rejects with the trouble if that cannot be. */
  flush(): Promise<void>;
}

/** Opens data/batches. A document that cannot be read is set aside as `history.json.corrupt-<time>`, and said. */
export async function openHistory(dataDir: string, deps: { clock: Clock; log: Logger }): Promise<OpenHistory> {
  const { clock, log } = deps;
  const home = join(dataDir, "batches");
  const keepers = new Map<string, Keeper>();
  const byId = new Map<string, Execution>();
  const byRun = new Map<string, Set<string>>();
  /** Ids in ascending order; some may be gone from byId. */
  let order: string[] = [];
  let trouble: string | null = null;

  await mkdir(home, { recursive: true }).catch((error: unknown) => {
    throw new StoreError("make", home, error, "the data folder must be writable; choose another with --data");
  });
  const names = (await readdir(home, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  await mapLimit(names, 16, async ({ name }) => {
    const document = await readDocument(join(home, name, "history.json"), name as BatchName);
    if (document !== null) keepers.set(name, keep(document));
  });
  for (const { db } of keepers.values()) for (const execution of db.data.executions) index(execution);
  order.sort();

  async function readDocument(path: string, name: BatchName): Promise<BatchDocument | null> {
    let text: string;
    try {
      text = await readFile(path, "utf8");
    } catch (error) {
      if (errorCode(error) === "ENOENT") return null;
      throw new StoreError("read", path, error);
    }
    try {
      const value: unknown = JSON.parse(text);
      if (isDocument(value, name)) return value;
    } catch {
      // falls through: not JSON, or not ours
    }
    const aside = `${path}.corrupt-${new Date(clock.now()).toISOString().replaceAll(":", "-")}`;
    await rename(path, aside);
    log.error("history set aside, it cannot be read", { batch: name, path: aside });
    return null;
  }

  function keep(document: BatchDocument): Keeper {
    const folder = join(home, document.name);
    const path = join(folder, "history.json");
    const adapter = {
      read: () => Promise.resolve(document),
      async write(data: BatchDocument) {
        const text = serialize(data);
        await writeDurably(path, text).catch(async (error: unknown) => {
          if (errorCode(error) !== "ENOENT") throw error;
          await mkdir(folder, { recursive: true });
          await writeDurably(path, text);
        });
      },
    };
    return { db: new Low(adapter, document), writing: null, next: null, failed: false };
  }

  function index(execution: Execution): void {
    byId.set(execution.id, execution);
    let run = byRun.get(execution.run);
    if (run === undefined) byRun.set(execution.run, (run = new Set()));
    run.add(execution.id);
    order.push(execution.id);
  }

  function unindex(id: string): void {
    const execution = byId.get(id);
    if (execution === undefined) return;
    byId.delete(id);
    const run = byRun.get(execution.run);
    run?.delete(id);
    if (run?.size === 0) byRun.delete(execution.run);
    if (order.length > 2 * byId.size + 1000) order = order.filter((other) => byId.has(other));
  }

  /** At most one write under way and one waiting a document; who asks while one waits shares it. */
  function write(keeper: Keeper): Promise<void> {
    if (keeper.next !== null) return keeper.next;
    if (keeper.writing === null) return (keeper.writing = writeNow(keeper));
    keeper.next = keeper.writing
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
      if (keeper.failed) log.info("history is written again", { batch: keeper.db.data.name });
      keeper.failed = false;
      if (![...keepers.values()].some((other) => other.failed)) trouble = null;
    } catch (error) {
      const wrapped = new StoreError("write", join(home, keeper.db.data.name, "history.json"), error);
      if (!keeper.failed) log.error(wrapped.message, { batch: keeper.db.data.name });
      keeper.failed = true;
      trouble = wrapped.message;
      clock.after(retryMs, () => {
        if (keeper.failed && keeper.next === null && keeper.writing === null) write(keeper).catch(() => undefined);
      });
      throw wrapped;
    } finally {
      keeper.writing = null;
    }
  }

  function keeperOf(name: BatchName, now: number): Keeper {
    let keeper = keepers.get(name);
    if (keeper === undefined) {
      const firstSeenAt = new Date(now).toISOString();
      keeper = keep({ name, firstSeenAt, removedAt: null, revision: null, commit: null, schedule: null, executions: [] });
      keepers.set(name, keeper);
    }
    return keeper;
  }

  function place(execution: Execution): Keeper {
    const keeper = keeperOf(execution.batch, clock.now());
    const list = keeper.db.data.executions;
    const at = list.findLastIndex((other) => other.id === execution.id);
    if (at >= 0) list[at] = execution;
    else list.push(execution);
    if (byId.has(execution.id)) byId.set(execution.id, execution);
    else index(execution); // ids only grow, so the order stays sorted
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
    ids.forEach(unindex);
    await write(keeper);
    for (const id of ids) {
      const folder = join(home, document.name, "executions", id);
      await rm(folder, { recursive: true, force: true }).catch((error: unknown) => {
        log.warn("logs cannot be deleted", { path: folder, error: String(error) });
      });
    }
  }

  return {
    names: () => [...keepers.keys()] as BatchName[],
    document: (name) => keepers.get(name)?.db.data,
    find: (id) => byId.get(id),
    run: (run: RunId | string) =>
      [...(byRun.get(run) ?? [])].sort().flatMap((id) => byId.get(id) ?? []),
    page: (query) => page(order, byId, keepers.get(query.batch ?? "")?.db.data, query),
    save,
    cover(name, until) {
      const schedule = keepers.get(name)?.db.data.schedule;
      if (schedule != null) schedule.coveredUntil = until;
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
    async forget(name) {
      const keeper = keepers.get(name);
      if (keeper === undefined) return;
      await keeper.writing?.catch(() => undefined);
      for (const { id } of keeper.db.data.executions) unindex(id);
      keepers.delete(name);
      await rm(join(home, name), { recursive: true, force: true });
    },
    trouble: () => trouble,
    newestId: () => order.at(-1) ?? null,
    async flush() {
      const pending = [...keepers.values()].flatMap((keeper) => keeper.next ?? keeper.writing ?? (keeper.failed ? write(keeper) : []));
      await Promise.all(pending);
    },
  };
}

/** Newest first, from a snapshot of ids; ids only ever leave it or join at the new end, so pages neither skip nor repeat. */
function page(
  order: readonly string[],
  byId: ReadonlyMap<string, Execution>,
  document: BatchDocument | undefined,
  query: ExecutionQuery,
): { items: Execution[]; more: boolean } {
  const items: Execution[] = [];
  const since = query.since === undefined ? null : new Date(query.since).toISOString();
  const ids = query.batch === undefined ? order : (document?.executions ?? []).map((execution) => execution.id);
  for (let i = firstAtOrAfter(ids, query.before) - 1; i >= 0; i--) {
    const execution = byId.get(ids[i] as string);
    if (execution === undefined) continue;
    if (query.statuses !== undefined && !query.statuses.includes(execution.status)) continue;
    if (query.run !== undefined && execution.run !== query.run) continue;
    if (since !== null && execution.createdAt < since) continue;
    if (items.length === query.limit) return { items, more: true };
    items.push(execution);
  }
  return { items, more: false };
}

/** Index of the first id that is not below `before`; all of them without one. */
function firstAtOrAfter(ids: readonly string[], before: string | undefined): number {
  if (before === undefined) return ids.length;
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ids[middle] as string) < before) low = middle + 1;
    else high = middle;
  }
  return low;
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
    document.executions.every((row) => typeof row === "object" && row !== null && typeof row.id === "string" && row.batch === name)
  );
}
