// All executions by id, by run and by status, and pages of them, newest first. What a page of a status, run
// or batch costs does not depend on how many there are: rows are found from sorted ids.
import type { Execution, ExecutionStatus } from "../model/execution.ts";
import type { EpochMs } from "../model/ids.ts";

export interface ExecutionQuery {
  batch?: string;
  statuses?: readonly ExecutionStatus[];
  run?: string;
  /** Created at or after. */
  since?: EpochMs;
  limit: number;
  /** Only executions with a smaller id. */
  before?: string;
}

export interface Ledger {
  find(id: string): Execution | undefined;
  /** Adds or replaces. */
  put(execution: Execution): void;
  /** Many at once, in any order, before anything else. */
  fill(executions: readonly Execution[]): void;
  remove(id: string): void;
  /** Executions of a run, oldest first. */
  run(run: string): Execution[];
  /** Newest first. `ofBatch`: all executions of `query.batch`, oldest first. Ids only ever leave or join at the new end, so pages neither skip nor repeat. */
  page(query: ExecutionQuery, ofBatch: readonly Execution[]): { items: Execution[]; more: boolean };
  /** The largest id there has been. */
  newestId(): string | null;
}

/** Ids that are gone, or stand elsewhere by now, are passed over and taken out once there are so many more of them. */
const spareIds = 500;

export function createLedger(): Ledger {
  const byId = new Map<string, Execution>();
  /** What joined a run that another execution began, whose id is the run's name. Most runs are of one execution: they take no room here. */
  const joined = new Map<string, string[]>();
  const all: Ids = { ids: [], live: 0 };
  const byStatus: Record<ExecutionStatus, Ids> = {
    queued: { ids: [], live: 0 },
    running: { ids: [], live: 0 },
    succeeded: { ids: [], live: 0 },
    failed: { ids: [], live: 0 },
    aborted: { ids: [], live: 0 },
  };
  const idsOf = ({ status }: Execution) => byStatus[status];

  function put(execution: Execution): void {
    const before = byId.get(execution.id);
    byId.set(execution.id, execution);
    if (before === undefined) {
      add(all, execution.id);
      join(execution);
    } else if (before.status === execution.status) return;
    else leave(idsOf(before), (id) => byId.get(id)?.status === before.status);
    add(idsOf(execution), execution.id);
  }

  function fill(executions: readonly Execution[]): void {
    for (const execution of executions) byId.set(execution.id, execution);
    for (const id of [...byId.keys()].sort()) {
      const execution = byId.get(id) as Execution;
      join(execution);
      add(all, id);
      add(idsOf(execution), id);
    }
  }

  function join({ id, run }: Execution): void {
    if ((run as string) === id) return;
    const others = joined.get(run);
    if (others === undefined) joined.set(run, [id]);
    else others.push(id);
  }

  function remove(id: string): void {
    const execution = byId.get(id);
    if (execution === undefined) return;
    byId.delete(id);
    const others = (joined.get(execution.run) ?? []).filter((other) => other !== id);
    if (others.length > 0) joined.set(execution.run, others);
    else joined.delete(execution.run);
    leave(all, (other) => byId.has(other));
    leave(idsOf(execution), (other) => byId.get(other)?.status === execution.status);
  }

  function run(name: string): Execution[] {
    return [name, ...(joined.get(name) ?? [])]
      .sort()
      .flatMap((id) => byId.get(id) ?? [])
      .filter((execution) => (execution.run as string) === name);
  }

  /** The shortest sorted lists in which everything that is asked for stands. */
  function sourcesOf(query: ExecutionQuery, ofBatch: readonly Execution[]): Sorted[] {
    if (query.run !== undefined) return [ofExecutions(run(query.run))];
    if (query.batch !== undefined) return [ofExecutions(ofBatch)];
    return query.statuses === undefined
      ? [ofIds(all.ids)]
      : [...new Set(query.statuses)].map((status) => ofIds(byStatus[status].ids));
  }

  function page(query: ExecutionQuery, ofBatch: readonly Execution[]): { items: Execution[]; more: boolean } {
    const { batch, statuses, run: ofRun, since, before, limit } = query;
    const createdFrom = since === undefined ? "" : new Date(since).toISOString();
    const lists = sourcesOf(query, ofBatch).map((list) => ({ ...list, at: firstAtOrAfter(list, before) - 1 }));
    const items: Execution[] = [];
    for (let last = ""; ;) {
      let newest: (typeof lists)[number] | null = null;
      for (const list of lists) if (list.at >= 0 && (newest === null || current(list) > current(newest))) newest = list;
      if (newest === null) return { items, more: false };
      const id = current(newest);
      newest.at -= 1;
      const execution = id === last ? undefined : byId.get(id);
      last = id;
      if (execution === undefined || execution.createdAt < createdFrom) continue;
      if (batch !== undefined && execution.batch !== batch) continue;
      if (statuses !== undefined && !statuses.includes(execution.status)) continue;
      if (ofRun !== undefined && execution.run !== ofRun) continue;
      if (items.length === limit) return { items, more: true };
      items.push(execution);
    }
  }

  return {
    find: (id) => byId.get(id),
    put,
    fill,
    remove,
    run,
    page,
    newestId: () => all.ids.at(-1) ?? null,
  };
}

/** Ids in ascending order; `live` of them are as they should be. */
interface Ids {
  ids: string[];
  live: number;
}

function add(list: Ids, id: string): void {
  const { ids } = list;
  list.live += 1;
  let at = ids.length;
  while (at > 0 && (ids[at - 1] as string) > id) at -= 1; // what ends now began a short time ago
  if (ids[at - 1] !== id) ids.splice(at, 0, id);
}

function leave(list: Ids, stays: (id: string) => boolean): void {
  list.live -= 1;
  if (list.ids.length > 2 * list.live + spareIds) list.ids = list.ids.filter(stays);
}

/** A list in ascending order of ids, read without a copy of it. */
interface Sorted {
  length: number;
  idAt(index: number): string;
}

function ofIds(ids: readonly string[]): Sorted {
  return { length: ids.length, idAt: (index) => ids[index] as string };
}

function ofExecutions(executions: readonly Execution[]): Sorted {
  return { length: executions.length, idAt: (index) => (executions[index] as Execution).id };
}

function current({ at, idAt }: Sorted & { at: number }): string {
  return idAt(at);
}

/** Index of the first id that is not below `before`; all of them without one. */
function firstAtOrAfter({ length, idAt }: Sorted, before: string | undefined): number {
  if (before === undefined) return length;
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (idAt(middle) < before) low = middle + 1;
    else high = middle;
  }
  return low;
}
