// Executions that have not started: in line for a slot, parked until their batch is free, or waiting out a delay.
import type { Clock } from "../async/clock.ts";
import { countdown } from "../async/countdown.ts";
import type { Execution } from "../model/execution.ts";
import type { BatchName, EpochMs, ExecutionId } from "../model/ids.ts";
import { Lines, type Rank } from "./lines.ts";

export interface Queue {
  /** Puts one in line for a slot. */
  push: (id: ExecutionId, rank: Rank) => void;
  /**
   * Takes out the one whose turn it is; undefined when nobody waits, but for places of pools that are taken. `used`:
   * how many of a pool, by key, are.
   */
  next: (used: (pool: string) => number, now: EpochMs) => ExecutionId | undefined;
  /** Returns what one in line waits with. */
  inLine: (id: ExecutionId) => Readonly<Rank> | undefined;
  /** Asks anew for the pool and the priority of all in line. */
  refresh: (rankOf: (id: ExecutionId) => Pick<Rank, "pool" | "priority">) => void;
  /** Counts those in line for a place of a pool, by its key. */
  waitingForPool: (pool: string) => number;
  /** Parks one until its batch is free; one a batch. */
  park: (execution: Execution) => void;
  parked: (batch: BatchName) => ExecutionId | undefined;
  /** Calls `then` in `ms` unless it leaves before. */
  delay: (id: ExecutionId, ms: number, then: () => void) => void;
  /** Takes one out of whatever it waits in. */
  leave: (execution: Execution) => void;
  /** Ends all delays; those executions stay. */
  stopDelays: () => void;
  size: () => number;
}

export function createQueue(clock: Clock): Queue {
  const lines = new Lines();
  const parked = new Map<BatchName, ExecutionId>();
  const delayed = new Map<ExecutionId, () => void>();
  return {
    push: (id, rank) => lines.add(id, rank),
    next: (used, now) => lines.next(used, now),
    inLine: (id) => lines.of(id),
    refresh: (rankOf) => lines.refresh(rankOf),
    waitingForPool: (pool) => lines.waiting(pool),
    park: ({ batch, id }) => void parked.set(batch, id),
    parked: (batch) => parked.get(batch),
    delay(id, ms, then) {
      const cancel = countdown(clock, ms, () => {
        delayed.delete(id);
        then();
      });
      delayed.set(id, cancel);
    },
    leave({ batch, id }) {
      lines.remove(id);
      if (parked.get(batch) === id) parked.delete(batch);
      delayed.get(id)?.();
      delayed.delete(id);
    },
    stopDelays() {
      for (const cancel of delayed.values()) cancel();
    },
    size: () => lines.size + parked.size + delayed.size,
  };
}
