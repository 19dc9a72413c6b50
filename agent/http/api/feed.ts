// The last changes of batches and executions, for readers of /api/events. Holds what changed, not how it is shown.
import type { Clock } from "../../async/clock.ts";
import type { Execution } from "../../model/execution.ts";
import { looksSame } from "../../views.ts";

const kept = 1_000;
/** Changes of one batch within this are one. */
const gatherMs = 50;
const room = 1_000_000;

export type Change = { id: number } & ({ kind: "execution"; execution: Execution } | { kind: "batch"; name: string });

export interface Feed {
  /** An execution is new or another than before. */
  execution(execution: Execution, before: Execution | undefined): void;
  /** Something of a batch is other than before. */
  batch(name: string): void;
  /** The newest id; one that no change has while there was none. */
  newest(): number;
  /** The changes after `id`; null when some of them are no longer held, or `id` is not of this agent's life. */
  since(id: number): readonly Change[] | null;
  /** Calls `wake` once, at the next change; returns what takes it back. */
  onNext(wake: () => void): () => void;
}

/** Ids only grow, over restarts too: they begin at the second of the agent's start, times a million. */
export function createFeed(clock: Clock): Feed {
  const first = Math.floor(clock.now() / 1000) * room;
  let newest = first;
  const changes: Change[] = [];
  const wakers = new Set<() => void>();
  const stirred = new Set<string>();

  function add(change: { kind: "execution"; execution: Execution } | { kind: "batch"; name: string }): void {
    changes.push({ id: ++newest, ...change });
    if (changes.length > kept) changes.shift();
    const waiting = [...wakers];
    wakers.clear();
    for (const wake of waiting) wake();
  }

  function batch(name: string): void {
    if (stirred.size === 0) {
      clock.after(gatherMs, () => {
        const names = [...stirred];
        stirred.clear();
        for (const each of names) add({ kind: "batch", name: each });
      });
    }
    stirred.add(name);
  }

  return {
    execution(execution, before) {
      if (before !== undefined && looksSame(execution, before)) return;
      add({ kind: "execution", execution });
      if (before?.status !== execution.status) batch(execution.batch); // its last execution and its figures
    },
    batch,
    newest: () => newest,
    since(id) {
      const oldest = (changes[0]?.id ?? newest + 1) - 1;
      if (id < oldest || id > newest) return null;
      return changes.slice(id - oldest);
    },
    onNext(wake) {
      wakers.add(wake);
      return () => wakers.delete(wake);
    },
  };
}
