// Executions that are queued or running, by batch, and the runs whose logs they or what follows them may still read.
import { runKey } from "../history/port.ts";
import type { Execution } from "../model/execution.ts";
import type { BatchName, ExecutionId } from "../model/ids.ts";

/**
 * Invariant: a run counts as read from the moment an execution that reads it is tracked until the last one that does
 * is not.
 */
export class OpenExecutions {
  readonly #ofBatch = new Map<BatchName, Set<ExecutionId>>();
  /** Keys of the runs that each reads: its own, and those of what it comes after. */
  readonly #reads = new Map<ExecutionId, readonly number[]>();
  readonly #readers = new Map<number, number>();

  /** @param previousRuns  keys of the runs of the executions it comes after */
  track({ batch, id, run }: Execution, previousRuns: readonly number[]): void {
    if (this.#reads.has(id)) return;
    this.#ofBatch.set(batch, (this.#ofBatch.get(batch) ?? new Set()).add(id));
    const keys = [runKey(run), ...previousRuns];
    this.#reads.set(id, keys);
    for (const key of keys) this.pin(key);
  }

  /** Counts a run as read until it is unpinned as often. */
  pin(key: number): void {
    this.#readers.set(key, (this.#readers.get(key) ?? 0) + 1);
  }

  unpin(key: number): void {
    const others = (this.#readers.get(key) ?? 1) - 1;
    if (others > 0) this.#readers.set(key, others);
    else this.#readers.delete(key);
  }

  untrack({ batch, id }: Execution): void {
    const ofBatch = this.#ofBatch.get(batch);
    ofBatch?.delete(id);
    if (ofBatch?.size === 0) this.#ofBatch.delete(batch);
    for (const key of this.#reads.get(id) ?? []) this.unpin(key);
    this.#reads.delete(id);
  }

  /** Ids of a batch's open executions, in the order they came. */
  of(batch: BatchName): readonly ExecutionId[] {
    return [...(this.#ofBatch.get(batch) ?? [])];
  }

  /** Returns whether something that is open, or follows it, may still read what a run has put out. */
  isRead(key: number): boolean {
    return this.#readers.has(key);
  }
}
