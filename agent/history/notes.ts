// Describes what the next commit about a batch carries: executions and fields of its head that were changed in memory
// only.
import type { Execution } from "../model/execution.ts";
import type { BatchName, ExecutionId } from "../model/ids.ts";
import { batchOf, type Change } from "./change.ts";
import type { Head } from "./document.ts";

interface NotedRow {
  execution: Execution;
  /** As the journal has it; null where it does not. */
  journaled: Execution | null;
}

export class Notes {
  readonly #rows = new Map<BatchName, Map<ExecutionId, NotedRow>>();
  readonly #heads = new Map<BatchName, Partial<Head>>();

  row(name: BatchName, id: ExecutionId): NotedRow | undefined {
    return this.#rows.get(name)?.get(id);
  }

  hasHead(name: string): boolean {
    return this.#heads.has(name as BatchName);
  }

  addRow(execution: Execution, journaled: Execution | null): void {
    const { id, batch } = execution;
    const ofBatch = this.#rows.get(batch) ?? new Map<ExecutionId, NotedRow>();
    this.#rows.set(batch, ofBatch.set(id, { execution, journaled: ofBatch.get(id)?.journaled ?? journaled }));
  }

  addHead(name: BatchName, fields: Partial<Head>): void {
    this.#heads.set(name, { ...this.#heads.get(name), ...fields });
  }

  /** Puts what was noted about their batches before these changes, which count for more. */
  before(changes: readonly Change[]): readonly Change[] {
    if (this.#rows.size === 0 && this.#heads.size === 0) return changes;
    return [...[...new Set(changes.map(batchOf))].flatMap((name) => this.#drain(name as BatchName)), ...changes];
  }

  drain(): Change[] {
    return [...new Set([...this.#rows.keys(), ...this.#heads.keys()])].flatMap((name) => this.#drain(name));
  }

  #drain(name: BatchName): Change[] {
    const rows = [...(this.#rows.get(name)?.values() ?? [])];
    const fields = this.#heads.get(name);
    this.#rows.delete(name);
    this.#heads.delete(name);
    return [
      ...(fields === undefined ? [] : [{ kind: "head", batch: name, fields } as const]),
      ...rows.map(({ execution }): Change => ({ kind: "put", execution })),
    ];
  }
}
