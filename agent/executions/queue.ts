// Executions that have not started: in line for a slot, parked until their batch is free, or waiting out a delay.
import type { Clock } from "../async/clock.ts";
import { countdown } from "../async/countdown.ts";
import type { Execution } from "../model/execution.ts";
import type { BatchName, ExecutionId } from "../model/ids.ts";

export interface Queue {
  /** Puts one last in line for a slot. */
  push: (id: ExecutionId) => void;
  /** Takes out the first in line; undefined when nobody waits. */
  shift: () => ExecutionId | undefined;
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
  const line = new Set<ExecutionId>(); // a Set keeps the order and forgets one in no time
  const parked = new Map<BatchName, ExecutionId>();
  const delayed = new Map<ExecutionId, () => void>();
  return {
    push: (id) => void line.add(id),
    shift() {
      const [first] = line;
      if (first !== undefined) line.delete(first);
      return first;
    },
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
      line.delete(id);
      if (parked.get(batch) === id) parked.delete(batch);
      delayed.get(id)?.();
      delayed.delete(id);
    },
    stopDelays() {
      for (const cancel of delayed.values()) cancel();
    },
    size: () => line.size + parked.size + delayed.size,
  };
}
