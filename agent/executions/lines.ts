// Starts that wait for a place: one line a pool, and one for starts without a pool. A full pool holds up its own line
// only. Higher priority goes first, then the earlier due time, then who came first; but a start that has waited for a
// day goes before all that have not, so that nothing waits for ever.
import TinyQueue from "tinyqueue";
import { prune } from "../async/prune.ts";
import type { EpochMs, ExecutionId } from "../model/ids.ts";
import type { Pool } from "./pools.ts";

/** Wait after which a start goes before any priority. */
export const maxPassedOverMs = 86_400_000;
/** Entries of a line that may be those of starts that have left, beside as many as are in it. */
const maxStale = 64;

/** Decides when the turn of a start comes. */
export interface Rank {
  pool: Pool | null;
  priority: number;
  dueAt: EpochMs;
  /** When its wait began. */
  since: EpochMs;
}

interface Item extends Rank {
  id: ExecutionId;
  /** Counts arrivals. */
  order: number;
  /** False once it has left its line: the heaps find that out as it comes up. */
  isIn: boolean;
}

interface Line {
  pool: Pool | null;
  count: number;
  byRank: TinyQueue<Item>;
  bySince: TinyQueue<Item>;
}

/** Invariant: an item is in the one line of its pool, whose pool has the size that was given last. */
export class Lines {
  readonly #items = new Map<ExecutionId, Item>();
  readonly #lines = new Map<string, Line>();
  #arrivals = 0;

  get size(): number {
    return this.#items.size;
  }

  add(id: ExecutionId, rank: Rank): void {
    this.remove(id);
    this.#put({ ...rank, id, order: this.#arrivals++, isIn: true });
  }

  remove(id: ExecutionId): void {
    const item = this.#items.get(id);
    if (item === undefined) return;
    this.#items.delete(id);
    item.isIn = false;
    const key = keyOf(item);
    const line = this.#lines.get(key) as Line;
    line.count -= 1;
    if (line.count === 0) this.#lines.delete(key);
    else
      for (const queue of [line.byRank, line.bySince])
        if (queue.length > 2 * line.count + maxStale) prune(queue, ({ isIn }) => isIn);
  }

  /** Returns what one waits with; undefined where it is in no line. */
  of(id: ExecutionId): Readonly<Rank> | undefined {
    return this.#items.get(id);
  }

  /** Takes out the one whose turn it is. `used`: how many places of a pool, by key, are taken. */
  next(used: (pool: string) => number, now: EpochMs): ExecutionId | undefined {
    let first: Item | undefined;
    for (const line of this.#lines.values()) {
      if (line.pool !== null && used(line.pool.key) >= line.pool.size) continue;
      const head = headOf(line, now);
      if (first === undefined || compareItems(head, first, now) < 0) first = head;
    }
    if (first !== undefined) this.remove(first.id);
    return first?.id;
  }

  /** Asks for each what it waits with now; what it waits since, and its order of arrival, stay. */
  refresh(rankOf: (id: ExecutionId) => Pick<Rank, "pool" | "priority">): void {
    for (const item of [...this.#items.values()]) {
      const { pool, priority } = rankOf(item.id);
      if (pool?.key === item.pool?.key && pool?.size === item.pool?.size && priority === item.priority) continue;
      this.remove(item.id);
      this.#put({ ...item, pool, priority, isIn: true });
    }
  }

  /** Counts by the pool's key. */
  waiting(pool: string): number {
    return this.#lines.get(pool)?.count ?? 0;
  }

  #put(item: Item): void {
    this.#items.set(item.id, item);
    const key = keyOf(item);
    const line = this.#lines.get(key) ?? newLine();
    this.#lines.set(key, line);
    line.pool = item.pool;
    line.count += 1;
    line.byRank.push(item);
    line.bySince.push(item);
  }
}

function newLine(): Line {
  return {
    pool: null,
    count: 0,
    byRank: new TinyQueue<Item>([], compareRanks),
    bySince: new TinyQueue<Item>([], compareWaits),
  };
}

/** No pool's key is empty. */
function keyOf({ pool }: Pick<Rank, "pool">): string {
  return pool?.key ?? "";
}

/** Returns the first of a line, which is never empty. */
function headOf({ byRank, bySince }: Line, now: EpochMs): Item {
  const oldest = firstIn(bySince);
  return isPassedOver(oldest, now) ? oldest : firstIn(byRank);
}

function firstIn(heap: TinyQueue<Item>): Item {
  while (heap.peek()?.isIn === false) heap.pop();
  return heap.peek() as Item;
}

function compareItems(a: Item, b: Item, now: EpochMs): number {
  const [oldA, oldB] = [isPassedOver(a, now), isPassedOver(b, now)];
  if (oldA !== oldB) return oldA ? -1 : 1;
  return oldA ? compareWaits(a, b) : compareRanks(a, b);
}

function isPassedOver({ since }: Rank, now: EpochMs): boolean {
  return now - since >= maxPassedOverMs;
}

function compareRanks(a: Item, b: Item): number {
  return b.priority - a.priority || a.dueAt - b.dueAt || a.order - b.order;
}

function compareWaits(a: Item, b: Item): number {
  return a.since - b.since || a.order - b.order;
}
