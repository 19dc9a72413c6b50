// Describes what readers and documents go on seeing until a change is durable. In memory only.  Invariant: an
// execution or a head stands here from the commit (or note) that changes it to the moment its latest change is
// durable, as it is on disk; null for what is not there at all.
import type { Execution } from "../model/execution.ts";
import type { BatchName, ExecutionId } from "../model/ids.ts";
import type { Head } from "./document.ts";

export class DurableView {
  readonly #rows = new Map<ExecutionId, Execution | null>();
  readonly #heads = new Map<string, Head | null>();
  readonly #ofBatch = new Map<BatchName, Set<ExecutionId>>();
  /** Executions whose deletion is not durable yet: nobody sees them any more. */
  readonly #deleted = new Set<ExecutionId>();

  has(id: ExecutionId): boolean {
    return this.#rows.has(id);
  }

  isDeleted(id: ExecutionId): boolean {
    return this.#deleted.has(id);
  }

  /** Undefined for one that is durable as it stands. */
  row(id: ExecutionId): Execution | null | undefined {
    return this.#deleted.has(id) ? null : this.#rows.get(id);
  }

  /** Undefined for one that is durable as it stands. */
  head(name: string): Head | null | undefined {
    return this.#heads.get(name);
  }

  ids(): Iterable<ExecutionId> {
    return this.#rows.keys();
  }

  /** Executions of a batch with changes that are not durable, oldest first. */
  idsOf(name: string): ExecutionId[] {
    return [...(this.#ofBatch.get(name as BatchName) ?? [])].sort();
  }

  /** Keeps an execution as it is on disk, unless an earlier one is kept. */
  keepRow({ id, batch }: Execution, onDisk: () => Execution | null): void {
    if (!this.#rows.has(id)) this.#rows.set(id, onDisk());
    this.#ofBatch.set(batch, (this.#ofBatch.get(batch) ?? new Set()).add(id));
  }

  keepHead(name: string, onDisk: Head | null): void {
    if (!this.#heads.has(name)) this.#heads.set(name, onDisk);
  }

  keepDeleted(ids: readonly ExecutionId[]): void {
    for (const id of ids) this.#deleted.add(id);
  }

  /** A change is durable, and a later one is not. */
  moveRow(execution: Execution): void {
    this.#rows.set(execution.id, execution);
  }

  moveHead(name: string, head: Head): void {
    this.#heads.set(name, head);
  }

  /** It is durable as it stands, or gone. */
  dropRow({ id, batch }: Pick<Execution, "id" | "batch">): void {
    this.#rows.delete(id);
    const ofBatch = this.#ofBatch.get(batch);
    ofBatch?.delete(id);
    if (ofBatch?.size === 0) this.#ofBatch.delete(batch);
  }

  dropHead(name: string): void {
    this.#heads.delete(name);
  }

  dropDeleted(ids: readonly ExecutionId[]): void {
    for (const id of ids) this.#deleted.delete(id);
  }
}
