// Describes what waits to be written to the journal: of each execution and each head only the latest, but for starts.
// Pure.
import type { Execution } from "../model/execution.ts";
import type { ExecutionId } from "../model/ids.ts";
import { batchOf, type Change } from "./change.ts";

export class Pending {
  #changes = new Map<string, Change>();

  get isEmpty(): boolean {
    return this.#changes.size === 0;
  }

  hasHead(batch: string): boolean {
    return this.#changes.has(`head ${batch}`) || this.#changes.has(`forget ${batch}`);
  }

  hasPut(id: ExecutionId): boolean {
    return this.#changes.has(`put ${id}`);
  }

  add(changes: readonly Change[]): void {
    for (const change of changes) this.#add(change);
  }

  drain(): Change[] {
    const changes = [...this.#changes.values()];
    this.#changes = new Map();
    return changes;
  }

  /** Returns what could not be written comes before what has been added since. */
  putBack(changes: readonly Change[]): void {
    const since = this.drain();
    this.add(changes);
    this.add(since);
  }

  #add(change: Change): void {
    switch (change.kind) {
      case "put":
        return this.#put(change.execution, change.silent);
      case "head": {
        const known = this.#changes.get(`head ${change.batch}`);
        const fields = known?.kind === "head" ? { ...known.fields, ...change.fields } : change.fields;
        return this.#last(`head ${change.batch}`, { ...change, fields });
      }
      case "delete": {
        const known = this.#changes.get(`delete ${change.batch}`);
        for (const id of change.ids) for (const key of [`queued ${id}`, `put ${id}`]) this.#changes.delete(key);
        const ids = known?.kind === "delete" ? [...new Set([...known.ids, ...change.ids])] : change.ids;
        return this.#last(`delete ${change.batch}`, { ...change, ids });
      }
      case "forget":
        for (const [key, other] of this.#changes) if (batchOf(other) === change.batch) this.#changes.delete(key);
        return this.#last(`forget ${change.batch}`, change);
      case "touch":
        return this.#last(`touch ${change.batch}`, change);
      default:
        return change satisfies never;
    }
  }

  #put(execution: Execution, silent: true | undefined): void {
    const { id, status } = execution;
    const known = this.#changes.get(`put ${id}`);
    const before = known?.kind === "put" ? known : undefined;
    // Readers are told of both; one that is queued again after its start could not be recorded has never been running.
    if (before?.execution.status === "queued" && status === "running") this.#last(`queued ${id}`, before);
    else if (status === "queued") this.#changes.delete(`queued ${id}`);
    const isSilent =
      silent === true && (before === undefined || before.silent === true || before.execution.status !== status);
    this.#last(`put ${id}`, { kind: "put", execution, ...(isSilent ? { silent: true } : {}) });
  }

  #last(key: string, change: Change): void {
    this.#changes.delete(key);
    this.#changes.set(key, change);
  }
}
