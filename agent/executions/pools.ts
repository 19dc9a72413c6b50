// Places of pools that are taken. A running execution holds a place of the pool that it was started in, which its
// record names, and of the one that its batch names now: an edit in mid-run never lets more run than a pool allows.
import type { Batch } from "../model/batch.ts";
import type { GroupName } from "../model/group.ts";
import type { ExecutionId } from "../model/ids.ts";

/** A pool as a batch sees it. */
export interface Pool {
  /** Tells pools of one name in different groups apart. */
  key: string;
  name: string;
  size: number;
}

export interface DeclaredPool {
  group: GroupName;
  size: number;
}

export function poolKey(group: GroupName, name: string): string {
  return `${group}:${name}`;
}

/**
 * Returns the pool of a batch in force; null where it names none. One that is declared no longer, so that the batch
 * has a problem and its last valid definition stays, is as it was for that.
 */
export function poolOf(
  batch: Pick<Batch, "group" | "pool" | "poolWhenRead"> | null,
  declared: (group: GroupName, name: string) => DeclaredPool | undefined,
): Pool | null {
  if (batch?.pool == null) return null;
  const { group, size } = declared(batch.group, batch.pool) ?? batch.poolWhenRead ?? { group: batch.group, size: 1 };
  return { key: poolKey(group, batch.pool), name: batch.pool, size };
}

/** Invariant: `used` counts each holder once for each pool that it holds a place of. */
export class Pools {
  readonly #occupied = new Map<ExecutionId, readonly string[]>();
  readonly #used = new Map<string, number>();

  /** @param keys  pools that it holds a place of from now on, instead of those before */
  occupy(id: ExecutionId, keys: readonly (string | undefined)[]): void {
    this.release(id);
    const pools = [...new Set(keys)].filter((key) => key !== undefined);
    if (pools.length === 0) return;
    this.#occupied.set(id, pools);
    for (const key of pools) this.#used.set(key, this.used(key) + 1);
  }

  release(id: ExecutionId): void {
    for (const key of this.#occupied.get(id) ?? []) {
      const others = this.used(key) - 1;
      if (others > 0) this.#used.set(key, others);
      else this.#used.delete(key);
    }
    this.#occupied.delete(id);
  }

  used(key: string): number {
    return this.#used.get(key) ?? 0;
  }
}
