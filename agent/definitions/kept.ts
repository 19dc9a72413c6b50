// Calendars and pools that no group declares any longer, or not as they were, and that batches in force still use: a
// batch whose file has problems stays in force with the days and the places it had, over restarts too. Pure.
import type { Batch } from "../model/batch.ts";
import type { Calendar } from "../model/calendar.ts";
import type { Group, GroupName } from "../model/group.ts";
import { createCalendar } from "../schedule/calendar.ts";
import type { StoredDeclarations } from "../sources/port.ts";
import { isWithinGroup } from "./inherit.ts";

interface Pool {
  group: GroupName;
  name: string;
  size: number;
}

/** Invariant: what a batch in force used before its group changed is here or declared, until `retain`. */
export class KeptDeclarations {
  /** By key. */
  readonly #calendars = new Map<string, Calendar>();
  readonly #pools = new Map<string, Pool>();

  get isEmpty(): boolean {
    return this.#calendars.size + this.#pools.size === 0;
  }

  /** Keeps what a group declared and does not declare so any longer. */
  add(before: Group, after: Group | null): void {
    for (const [name, calendar] of before.calendars)
      if (after?.calendars.get(name)?.key !== calendar.key) this.#calendars.set(calendar.key, calendar);
    for (const [name, size] of Object.entries(before.pools))
      if (after?.pools[name] === undefined)
        this.#pools.set(poolKey(before.name, name), { group: before.name, name, size });
  }

  /** Drops what is declared again, and what none of `batches` uses; returns whether that was anything. */
  retain(batches: Iterable<Batch>, declared: ReadonlyMap<GroupName, Group>): boolean {
    const used = new Set<string>();
    for (const { days, pool, poolWhenRead } of batches) {
      for (const { key } of [...(days?.skip ?? []), ...(days?.only ?? [])]) used.add(key);
      if (pool !== null && poolWhenRead !== undefined) used.add(poolKey(poolWhenRead.group, pool));
    }
    const before = this.#calendars.size + this.#pools.size;
    const there = new Set(
      [...declared.values()].flatMap(({ calendars }) => [...calendars.values()].map(({ key }) => key)),
    );
    for (const key of this.#calendars.keys()) if (!used.has(key) || there.has(key)) this.#calendars.delete(key);
    for (const [key, { group, name }] of this.#pools)
      if (!used.has(key) || declared.get(group)?.pools[name] !== undefined) this.#pools.delete(key);
    return this.#calendars.size + this.#pools.size < before;
  }

  calendar(key: string): Calendar | undefined {
    return this.#calendars.get(key);
  }

  /** Pools that reached the batches of a group, by name, the nearest of each. */
  poolsOf(group: GroupName): Map<string, { group: GroupName; size: number }> {
    const reached = [...this.#pools.values()].filter((pool) => isWithinGroup(group, pool.group));
    reached.sort((a, b) => a.group.length - b.group.length);
    return new Map(reached.map(({ name, group: outer, size }) => [name, { group: outer, size }]));
  }

  /** Brings back what `stored` gave. */
  restore({ calendars, pools }: StoredDeclarations): void {
    for (const { name, parts } of calendars) {
      const calendar = createCalendar(name, parts);
      this.#calendars.set(calendar.key, calendar);
    }
    for (const pool of pools) this.#pools.set(poolKey(pool.group, pool.name), pool);
  }

  stored(): StoredDeclarations {
    return {
      calendars: [...this.#calendars.values()].map(({ name, parts }) => ({ name, parts })),
      pools: [...this.#pools.values()],
    };
  }
}

function poolKey(group: GroupName, name: string): string {
  return `${group}:${name}`;
}
