// What the pages read of the history. The one place that knows how it is kept.
import type { History } from "../../history/port.ts";
import type { Execution, ExecutionStatus } from "../../model/execution.ts";
import type { EpochMs } from "../../model/ids.ts";

/** What lists and drawings show of an execution. */
export type Outline = Pick<
  Execution,
  "id" | "batch" | "status" | "reason" | "unusual" | "createdAt" | "startedAt" | "finishedAt" | "durationMs"
>;

type HistoryQuery = Parameters<History["page"]>[0];

export interface PastQuery extends HistoryQuery {
  /** Several batches, such as those of a group. */
  batches?: ReadonlySet<string>;
  reasons?: readonly string[];
  /** Created before or at. */
  until?: EpochMs;
}

export interface Past {
  find(id: string): Promise<Execution | undefined>;
  /** Executions of a run, oldest first. */
  run(run: string): Promise<Execution[]>;
  /** Newest first. */
  page(query: PastQuery): Promise<{ items: Execution[]; more: boolean }>;
  /** Executions of a batch, newest first. Nothing may be awaited while they are read. */
  outlines(name: string): Iterable<Outline>;
  /** Executions of all batches that were created since, or that had not ended then; in no order. */
  outlinesSince(since: EpochMs): Outline[];
  counts(name: string): Record<ExecutionStatus, number>;
}

/** Maximum of executions that are looked at for one page, so that a filter that matches nothing stays cheap. */
const maxScanned = 50_000;
const scanStep = 500;

export function createPast(history: History): Past {
  const executionsOf = (name: string) => history.document(name)?.executions ?? [];
  return {
    find: (id) => Promise.resolve(history.find(id)),
    run: (run) => Promise.resolve(history.run(run)),
    page: (query) => Promise.resolve(scan(history, query)),
    outlines: (name) => executionsOf(name).toReversed(),
    outlinesSince(since) {
      const from = new Date(since).toISOString();
      return history
        .names()
        .flatMap((name) =>
          executionsOf(name).filter((one) => one.createdAt >= from || (one.finishedAt ?? "9") >= from),
        );
    },
    counts(name) {
      const counts: Record<ExecutionStatus, number> = { queued: 0, running: 0, succeeded: 0, failed: 0, aborted: 0 };
      for (const { status } of executionsOf(name)) counts[status] += 1;
      return counts;
    },
  };
}

/** A page by filters that the history does not know: what it gives is filtered once more. */
function scan(history: History, query: PastQuery): { items: Execution[]; more: boolean } {
  const { batches, reasons, until, ...rest } = query;
  const untilIso = until === undefined ? "~" : new Date(until).toISOString();
  const items: Execution[] = [];
  let before = rest.before;
  for (let scanned = 0; scanned < maxScanned; scanned += scanStep) {
    const step = history.page({ ...rest, limit: scanStep, ...(before === undefined ? {} : { before }) });
    for (const item of step.items) {
      if (batches?.has(item.batch) === false || item.createdAt > untilIso) continue;
      if (reasons !== undefined && (item.reason === null || !reasons.includes(item.reason))) continue;
      if (items.length === query.limit) return { items, more: true };
      items.push(item);
    }
    before = step.items.at(-1)?.id;
    if (!step.more || before === undefined) break;
  }
  return { items, more: false };
}

/** The newest of a batch's executions, oldest first. */
export function newest(past: Iterable<Outline>, limit: number): Outline[] {
  const found: Outline[] = [];
  for (const outline of past) {
    if (found.length >= limit) break;
    found.push(outline);
  }
  return found.reverse();
}

export function openCount(past: Past, name: string): number {
  const { queued, running } = past.counts(name);
  return queued + running;
}

/** The executions of the batch before and after this one. */
export function neighboursOf(
  id: string,
  outlines: Iterable<Outline>,
): { earlier: string | null; later: string | null } {
  let later: string | null = null;
  for (const outline of outlines) {
    if (outline.id < id) return { earlier: outline.id, later };
    if (outline.id > id) later = outline.id;
  }
  return { earlier: null, later };
}
