// The record of batches and executions, as everything outside this room sees it.
import type { Execution } from "../model/execution.ts";
import type { Iso, EpochMs, RunId, ExecutionId, BatchName } from "../model/ids.ts";
import type { Told, BatchDocument } from "./document.ts";
import type { ExecutionQuery } from "./ledger.ts";

/** Durable record of batches and executions. Reads are answered from memory. */
export interface History {
  names(): BatchName[];
  document(name: string): Readonly<BatchDocument> | undefined;
  find(id: string): Execution | undefined;
  /** Executions of a run, oldest first. */
  run(run: RunId | string): Execution[];
  /** Newest first. */
  page(query: ExecutionQuery): { items: Execution[]; more: boolean };
  /**
   * Adds or replaces one execution (by id) and takes out those in `drop`, whose folders are deleted afterwards. Seen at
   * once; durable when the promise resolves. Rejects with StoreError; it is then written again until that succeeds.
   */
  save(execution: Execution, drop?: readonly ExecutionId[]): Promise<void>;
  /** Moves the time up to which a batch's due times are accounted for. `due`: its latest due time, if one has come. In memory only, the next write carries it. */
  cover(name: BatchName, until: Iso, due?: Iso): void;
  /** Puts down what was told of a batch; in memory only, the next write carries it. */
  tell(name: BatchName, told: Told): void;
  /** Resolves once a batch's document is on disk as it stands, however long its disk is full or its folder locked. */
  written(name: BatchName): Promise<void>;
  /** Replaces one execution in memory only, for what the next write may carry (its pid). */
  show(execution: Execution): void;
  /** Changes all but the executions of a document, made if it is new. Durable when the promise resolves. */
  amend(name: BatchName, fields: Partial<Omit<BatchDocument, "name" | "executions">>, now: EpochMs): Promise<void>;
  /** Takes executions out of the record, then deletes their folders. */
  drop(name: BatchName, ids: readonly ExecutionId[]): Promise<void>;
  /** Deletes execution folders that no record names any more: what a crash left between the two. How many. */
  dropStrays(name: BatchName): Promise<number>;
  /** Deletes a batch's document, state and executions. */
  forget(name: BatchName): Promise<void>;
}
