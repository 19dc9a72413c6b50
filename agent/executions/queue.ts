// Executions that have not started: in line for a place, held until their batch is free, or waiting out a delay.
import type { Clock } from "../async/clock.ts";
import { countdown } from "../async/countdown.ts";
import type { Execution } from "../model/execution.ts";
import type { ExecutionId, BatchName } from "../model/ids.ts";

export interface Queue {
  /** Last in line for a place. */
  push(id: ExecutionId): void;
  /** First in line, taken out; undefined when nobody waits. */
  shift(): ExecutionId | undefined;
  inLine(id: ExecutionId): boolean;
  /** Sets one aside until its batch is free; one a batch. */
  hold(execution: Execution): void;
  held(batch: BatchName): ExecutionId | undefined;
  /** Calls `then` in `ms` unless it leaves before. */
  delay(id: ExecutionId, ms: number, then: () => void): void;
  /** Out of whatever it waited in. */
  leave(execution: Execution): void;
  /** Ends all delays; those executions stay. */
  stopDelays(): void;
  size(): number;
}

export function createQueue(clock: Clock): Queue {
  const line = new Set<ExecutionId>(); // a Set keeps the order and forgets one in no time
  const aside = new Map<BatchName, ExecutionId>();
  const delayed = new Map<ExecutionId, () => void>();
  return {
    push: (id) => void line.add(id),
    shift() {
      const [first] = line;
      if (first !== undefined) line.delete(first);
      return first;
    },
    inLine: (id) => line.has(id),
    hold: ({ batch, id }) => void aside.set(batch, id),
    held: (batch) => aside.get(batch),
    delay(id, ms, then) {
      const cancel = countdown(clock, ms, () => {
        delayed.delete(id);
        then();
      });
      delayed.set(id, cancel);
    },
    leave({ batch, id }) {
      line.delete(id);
      if (aside.get(batch) === id) aside.delete(batch);
      delayed.get(id)?.();
      delayed.delete(id);
    },
    stopDelays() {
      for (const cancel of delayed.values()) cancel();
    },
    size: () => line.size + aside.size + delayed.size,
  };
}
