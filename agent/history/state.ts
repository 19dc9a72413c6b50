// The record as it was last decided, in memory: all heads, and of executions those that are open, those of runs that
// go on, and those that wait to be written to their document. Pure.  Invariants: every open execution is held; a run
// is known from the commit that brings its first open execution to the one that leaves none open, and until then its
// latest execution of each batch is known.
import { isOpen, type Execution } from "../model/execution.ts";
import type { BatchName, ExecutionId, Iso, RunId } from "../model/ids.ts";
import type { Change } from "./change.ts";
import { newHead, type Head } from "./document.ts";

interface OpenRun {
  open: number;
  latest: Map<string, Execution>;
  ids: Set<ExecutionId>;
}

export class State {
  readonly heads = new Map<BatchName, Head>();
  readonly inMemory = new Map<ExecutionId, Execution>();
  readonly #open = new Set<ExecutionId>();
  readonly #runs = new Map<RunId, OpenRun>();

  /** Executions that are queued or running, oldest first. */
  open(): Execution[] {
    return [...this.#open].sort().flatMap((id) => this.inMemory.get(id) ?? []);
  }

  openRun(run: RunId): ReadonlyMap<string, Execution> {
    return this.#runs.get(run)?.latest ?? new Map<string, Execution>();
  }

  /** Returns whether an execution must stay in memory whatever stands on disk. */
  isNeeded(execution: Execution): boolean {
    return isOpen(execution) || this.#runs.has(execution.run);
  }

  /**
   * Takes in a whole commit; executions of runs that have ended with it. `now`: when a batch that is new was first
   * seen.
   */
  apply(changes: readonly Change[], now: Iso): ExecutionId[] {
    const runs = new Set<RunId>();
    for (const change of changes) {
      if (change.kind === "put") {
        this.#headOf(change.execution.batch, change.execution.createdAt);
        this.keepInMemory(change.execution);
        runs.add(change.execution.run);
      } else if (change.kind === "head") {
        const head = this.#headOf(change.batch, now);
        this.heads.set(change.batch, { ...head, ...change.fields });
      } else if (change.kind === "delete") for (const id of change.ids) this.#drop(id);
      else if (change.kind === "forget") this.#forget(change.batch);
    }
    const ended: ExecutionId[] = [];
    for (const run of runs) {
      const known = this.#runs.get(run);
      if (known === undefined || known.open > 0) continue;
      this.#runs.delete(run);
      ended.push(...known.ids);
    }
    return ended;
  }

  /** Holds an execution, and its run with it. */
  keepInMemory(execution: Execution): void {
    const { id, batch } = execution;
    const before = this.inMemory.get(id);
    this.inMemory.set(id, execution);
    const run = this.#runs.get(execution.run) ?? { open: 0, latest: new Map<string, Execution>(), ids: new Set() };
    this.#runs.set(execution.run, run);
    run.open += Number(isOpen(execution)) - Number(before !== undefined && run.ids.has(id) && isOpen(before));
    run.ids.add(id);
    const latest = run.latest.get(batch);
    if (latest === undefined || latest.id <= id) run.latest.set(batch, execution);
    if (isOpen(execution)) this.#open.add(id);
    else this.#open.delete(id);
  }

  #headOf(batch: BatchName, firstSeenAt: Iso): Head {
    let head = this.heads.get(batch);
    if (head === undefined) this.heads.set(batch, (head = newHead(batch, firstSeenAt)));
    return head;
  }

  #drop(id: ExecutionId): void {
    const execution = this.inMemory.get(id);
    if (execution === undefined) return;
    this.inMemory.delete(id);
    this.#open.delete(id);
    const run = this.#runs.get(execution.run);
    if (run === undefined) return;
    run.ids.delete(id);
    run.open -= Number(isOpen(execution));
    if (run.latest.get(execution.batch)?.id === id) run.latest.delete(execution.batch);
    if (run.open === 0) this.#runs.delete(execution.run);
  }

  #forget(batch: BatchName): void {
    this.heads.delete(batch);
    for (const [id, execution] of this.inMemory) if (execution.batch === batch) this.#drop(id);
  }
}
