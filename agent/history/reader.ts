// The record as it is shown: what is durable, found by the index and read from memory or from one row of a document.
import { idPattern, type Execution, type ExecutionStatus } from "../model/execution.ts";
import type { EpochMs, ExecutionId } from "../model/ids.ts";
import { yieldToEventLoop } from "../async/yield.ts";
import type { Documents } from "./documents.ts";
import type { ExecutionQuery, HistoryReader } from "./port.ts";
import { runKey, type RowIndex } from "./row-index.ts";
import type { Store } from "./store.ts";

/** Rows at hand that were read from documents: those that are asked for again and again. */
const rowsAtHand = 2_000;
/** Fewer batches than this are looked through one by one, more by a look at all there is. */
const fewBatches = 50;
const isOpenStatus = (status: ExecutionStatus) => status === "queued" || status === "running";

export function createReader(store: Store, index: RowIndex, documents: Documents): HistoryReader {
  const atHand = new Map<ExecutionId, Execution>();

  async function find(id: string): Promise<Execution | undefined> {
    if (!idPattern.test(id)) return undefined;
    const known = store.shown(id as ExecutionId);
    if (known !== undefined) return known ?? undefined;
    const slot = index.slotOf(id);
    const offset = slot < 0 ? null : index.offsetOf(slot);
    if (offset === null) return undefined;
    const remembered = atHand.get(id as ExecutionId);
    if (remembered !== undefined) return remembered;
    await yieldToEventLoop();
    const row = documents.row(index.batchOf(slot), id as ExecutionId, offset);
    if (row === undefined || index.slotOf(id) < 0) return undefined;
    if (atHand.size >= rowsAtHand) atHand.clear();
    atHand.set(row.id, row);
    return row;
  }

  async function findAll(ids: readonly ExecutionId[]): Promise<Execution[]> {
    const rows: Execution[] = [];
    for (const id of ids) {
      const row = await find(id);
      if (row !== undefined) rows.push(row);
    }
    return rows;
  }

  /** The newest slots that are as asked for, newest first: found by what narrows the search most. */
  function slotsOf(query: ExecutionQuery, limit: number): number[] {
    const { run, batch, batches, statuses } = query;
    if (run !== undefined) return matching(index.ofRun(runKey(run)).reverse(), query);
    if (statuses?.every(isOpenStatus) === true) return matching(openSlots(), query).slice(0, limit);
    if (batch !== undefined) return matching(index.ofBatch(batch), query, limit);
    if (batches !== undefined && batches.size < fewBatches)
      return matching(newestFirst([...batches].flatMap((name) => [...index.ofBatch(name)])), query, limit);
    return index.search(query, limit);
  }

  function openSlots(): number[] {
    return newestFirst([...store.mayBeOpen()].map((id) => index.slotOf(id)).filter((slot) => slot >= 0));
  }

  function newestFirst(slots: readonly number[]): number[] {
    const ids = new Map(slots.map((slot) => [slot, index.idOf(slot)]));
    return [...slots].sort((a, b) => ((ids.get(a) ?? "") < (ids.get(b) ?? "") ? 1 : -1));
  }

  function matching(slots: Iterable<number>, query: ExecutionQuery, limit = Infinity): number[] {
    const { batch, batches, statuses, reasons, since, until, before } = query;
    const found: number[] = [];
    for (const slot of slots) {
      if (found.length >= limit) break;
      const isWanted =
        (statuses === undefined || statuses.includes(index.statusOf(slot))) &&
        (batch === undefined || index.batchOf(slot) === batch) &&
        (batches === undefined || batches.has(index.batchOf(slot))) &&
        (since === undefined || index.createdAt(slot) >= since) &&
        (until === undefined || index.createdAt(slot) <= until) &&
        (reasons === undefined || reasons.some((reason) => reason === index.reasonOf(slot))) &&
        (before === undefined || index.idOf(slot) < before);
      if (isWanted) found.push(slot);
    }
    return found;
  }

  async function page(query: ExecutionQuery): Promise<{ items: Execution[]; more: boolean }> {
    const { limit, run } = query;
    // Only ids that are new come in at the newest end, so that pages neither skip nor repeat.
    const ids = slotsOf(query, limit + 1).map((slot) => index.idOf(slot));
    if (run === undefined) return { items: await findAll(ids.slice(0, limit)), more: ids.length > limit };
    const rows = (await findAll(ids)).filter((row) => row.run === run);
    return { items: rows.slice(0, limit), more: rows.length > limit };
  }

  return {
    head: (name) => store.head(name),
    find,
    isOpen(id) {
      const known = store.shown(id as ExecutionId);
      if (known !== undefined) return known !== null && isOpenStatus(known.status);
      const slot = index.slotOf(id);
      return slot >= 0 && isOpenStatus(index.statusOf(slot));
    },
    async run(run) {
      if (!idPattern.test(run)) return [];
      const rows = await findAll(index.ofRun(runKey(run)).map((slot) => index.idOf(slot)));
      return rows.filter((row) => row.run === run);
    },
    page,
    async document(name) {
      return findAll([...index.ofBatch(name)].map((slot) => index.idOf(slot)).reverse());
    },
    *outlines(name) {
      for (const slot of index.ofBatch(name)) yield index.outline(slot);
    },
    *spansSince(since: EpochMs) {
      for (const slot of index.all()) {
        const span = index.spanSince(slot, since);
        if (span !== null) yield span;
      }
    },
    counts: (name) => index.counts(name),
    notifyDue: () => index.notifyDue().map((slot) => index.idOf(slot)),
    events: { newest: () => store.ring.newest, since: (id) => store.ring.since(id) },
  };
}
