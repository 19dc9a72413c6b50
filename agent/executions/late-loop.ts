// Watches for batches that are late. Every due time leaves a row, and each row of a run that a schedule set off has a
// batch, and those that follow it, judged `lateAfter` after the due time. What was found is committed with what people
// are to be told of it, and up to which due time a batch was judged stands in its head: nothing is told twice.
import type { Clock } from "../async/clock.ts";
import type { Graph } from "../definitions/chain-graph.ts";
import { messageOf } from "../errors.ts";
import { runKey, type Change, type HistoryReader, type Recorder } from "../history/port.ts";
import type { Logger } from "../logger.ts";
import type { Batch } from "../model/batch.ts";
import type { Execution } from "../model/execution.ts";
import type { BatchName, EpochMs } from "../model/ids.ts";
import type { Notifier } from "../notify/port.ts";
import { createHeap } from "../schedule/heap.ts";
import { judgeLate, lateAfterOf } from "./late.ts";

/** What ended while no agent watched is on record after this. */
const firstWaitMs = 3_000;
const maxSleepMs = 60_000;
/** Due times of one batch that wait to be judged; beyond that the oldest are passed over. */
const maxPending = 1_000;
/** Rows looked at for due times that are still to be judged, once a batch comes into force. */
const maxRows = 50;

export interface Lateness {
  /** To be called when what is in force for a batch has changed; null: it is gone, or has no sound place. */
  applied: (name: BatchName, batch: Batch | null) => void;
  start: () => void;
  stop: () => Promise<void>;
}

export function createLateness(deps: {
  clock: Clock;
  log: Logger;
  recorder: Recorder;
  reader: Pick<HistoryReader, "find">;
  graph: () => Pick<Graph, "followers">;
  inForce: (name: string) => Batch | null;
  notifier: Pick<Notifier, "decideLate" | "takeLate">;
}): Lateness {
  const { clock, log, recorder, reader } = deps;
  /** `lateAfter` of the batches that can be late. */
  const afterMs = new Map<string, number>();
  /** Due times to be judged, with the keys of the runs that they set off. */
  const pending = new Map<BatchName, Map<EpochMs, Set<number>>>();
  const heap = createHeap<{ at: EpochMs; name: BatchName; dueAt: EpochMs }>((a, b) => a.at - b.at);
  let notBefore: EpochMs | null = null;
  let cancel: () => void = () => undefined;
  let working: Promise<void> = Promise.resolve();

  recorder.subscribe((_seq, change, before) => {
    if (change.kind !== "put" || afterMs.size === 0) return;
    const { execution } = change;
    if (execution.status === "succeeded") succeeded(execution);
    if (before?.trigger.dueAt !== execution.trigger.dueAt) consider(execution);
  });

  function applied(name: BatchName, batch: Batch | null): void {
    const ms = lateAfterOf(batch);
    const head = recorder.head(name);
    if (ms === null || batch === null) {
      afterMs.delete(name);
      pending.delete(name);
      if (head?.late != null) void recorder.commit([{ kind: "head", batch: name, fields: { late: null } }]);
      return;
    }
    const isKnown = afterMs.get(name) === ms;
    afterMs.set(name, ms);
    // Nothing is owed for what would have been late before anybody asked.
    if (head?.late?.afterMs !== ms) {
      const judged = iso(Math.max(clock.now() - ms, Date.parse(head?.late?.judged ?? iso(0))));
      const late = { afterMs: ms, judged, isLate: head?.late?.isLate ?? false };
      void recorder.commit([{ kind: "head", batch: name, fields: { late } }]);
    }
    if (isKnown) return;
    for (const dueAt of pending.get(name)?.keys() ?? []) heap.push({ at: dueAt + ms, name, dueAt });
    arm();
    track(seed(name, batch));
  }

  /** Takes up due times that came before the batch was in force here, or before a restart. */
  async function seed(name: BatchName, batch: Batch): Promise<void> {
    const since = recorder.head(name)?.late?.judged ?? iso(clock.now());
    for (const source of new Set([name, ...rootsOf(batch)])) {
      const ids: string[] = [];
      for (const outline of recorder.recent(source)) {
        if (outline.createdAt <= since || ids.length === maxRows) break;
        ids.push(outline.id);
      }
      for (const id of ids.reverse()) {
        const row = recorder.current(id) ?? (await reader.find(id));
        if (row?.scheduled === true && (source === name || row.trigger.kind === "cron")) add(name, row);
      }
    }
  }

  /** Batches whose due times set off the runs that a batch follows in. */
  function rootsOf(batch: Batch): BatchName[] {
    const roots: BatchName[] = [];
    const seen = new Set<string>([batch.name]);
    const open = [batch];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (next.schedule !== null) roots.push(next.name);
      else
        for (const name of next.after) {
          const previous = seen.has(name) ? null : deps.inForce(name);
          seen.add(name);
          if (previous !== null) open.push(previous);
        }
    }
    return roots;
  }

  /** A row that is new, or stands for another due time: its batch is to be judged, of a root all that follow too. */
  function consider(execution: Execution): void {
    if (execution.scheduled !== true) return;
    add(execution.batch, execution);
    if (execution.trigger.kind !== "cron") return;
    const { followers } = deps.graph();
    const seen = new Set<string>([execution.batch]);
    const open: string[] = [execution.batch];
    for (let name = open.pop(); name !== undefined; name = open.pop())
      for (const follower of followers.get(name) ?? []) {
        if (seen.has(follower)) continue;
        seen.add(follower);
        open.push(follower);
        add(follower, execution);
      }
  }

  function add(name: BatchName, { run, trigger }: Execution): void {
    const ms = afterMs.get(name);
    const dueAt = Date.parse(trigger.dueAt);
    if (ms === undefined || dueAt <= Date.parse(recorder.head(name)?.late?.judged ?? "")) return;
    const ofBatch = pending.get(name) ?? new Map<EpochMs, Set<number>>();
    pending.set(name, ofBatch);
    const runs = ofBatch.get(dueAt);
    ofBatch.set(dueAt, (runs ?? new Set()).add(runKey(run)));
    if (runs !== undefined) return;
    if (ofBatch.size > maxPending) ofBatch.delete(Math.min(...ofBatch.keys()));
    heap.push({ at: dueAt + ms, name, dueAt });
    arm();
  }

  function succeeded({ batch, trigger, finishedAt, run }: Execution): void {
    const late = recorder.head(batch)?.late;
    const ms = afterMs.get(batch);
    if (late == null || ms === undefined) return;
    const dueAt = Date.parse(trigger.dueAt);
    if (late.isLate && trigger.dueAt >= late.judged)
      void recorder.commit([{ kind: "head", batch, fields: { late: { ...late, isLate: false } } }]);
    const ofBatch = pending.get(batch);
    if (ofBatch?.get(dueAt)?.has(runKey(run)) !== true || Date.parse(finishedAt ?? "") > dueAt + ms) return;
    ofBatch.delete(dueAt);
    // Judged with that; it need not be written for its own sake, as the same would be found again.
    if (trigger.dueAt > late.judged && [...ofBatch.keys()].every((other) => other > dueAt))
      recorder.note([{ kind: "head", batch, fields: { late: { ...late, judged: trigger.dueAt, isLate: false } } }]);
  }

  function arm(): void {
    if (notBefore === null) return;
    cancel();
    const live = [...pending.values()].reduce((sum, ofBatch) => sum + ofBatch.size, 0);
    if (heap.size() > 2 * live + 1_000) heap.keep(({ name, dueAt }) => pending.get(name)?.has(dueAt) === true);
    const first = heap.peek();
    if (first === undefined) return;
    const waitMs = Math.max(first.at, notBefore) - clock.now();
    cancel = clock.after(Math.min(Math.max(waitMs, 0), maxSleepMs), tick);
  }

  function tick(): void {
    const now = clock.now();
    for (let first = heap.peek(); first !== undefined && first.at <= now; first = heap.peek()) {
      heap.pop();
      const { name, dueAt } = first;
      track(judge(name, dueAt));
    }
    arm();
  }

  /** One after the other. */
  function track(work: Promise<void>): void {
    working = Promise.all([working, work]).then(
      () => undefined,
      (error: unknown) => log.error("cannot tell whether a batch is late", { error: messageOf(error) }),
    );
  }

  async function judge(name: BatchName, dueAt: EpochMs): Promise<void> {
    const ms = afterMs.get(name);
    const runs = pending.get(name)?.get(dueAt);
    if (ms === undefined || runs === undefined) return;
    if (dueAt + ms > clock.now()) {
      heap.push({ at: dueAt + ms, name, dueAt });
      return;
    }
    pending.get(name)?.delete(dueAt);
    const { isLate, latest } = judgeLate(recorder.recent(name), runs, dueAt, ms);
    if (!isLate) return;
    const read = latest === null ? undefined : (recorder.current(latest.id) ?? (await reader.find(latest.id)));
    const isThere = read !== undefined && recorder.runKeyOf(read.id) !== undefined;
    record(name, dueAt, ms, isThere ? (recorder.current(read.id) ?? read) : null);
  }

  /** Nothing is awaited between what it reads and the commit. */
  function record(name: BatchName, dueAt: EpochMs, ms: number, execution: Execution | null): void {
    const head = recorder.head(name);
    const at = iso(dueAt);
    if (head === undefined || at <= (head.late?.judged ?? "")) return;
    const { told, due } = deps.notifier.decideLate(name, head.told);
    const isLate = execution?.status !== "succeeded";
    const changes: Change[] = [
      {
        kind: "head",
        batch: name,
        fields: {
          late: { afterMs: ms, judged: at, isLate },
          ...(told === undefined ? {} : { told }),
          ...(due === null
            ? {}
            : {
                lateDue: [
                  ...(head.lateDue ?? []),
                  { dueAt: at, execution: execution?.id ?? null, count: due.count, since: due.since },
                ],
              }),
        },
      },
    ];
    if (execution !== null && execution.late !== true)
      changes.push({ kind: "put", execution: { ...execution, late: true } });
    log.warn("batch late", { batch: name, dueAt: at, ...(execution === null ? {} : { id: execution.id }) });
    const take = () => deps.notifier.takeLate(name);
    recorder.commit(changes).then(take, () => void recorder.durable().then(take));
  }

  return {
    applied,
    start() {
      notBefore = clock.now() + firstWaitMs;
      arm();
    },
    async stop() {
      notBefore = null;
      cancel();
      await working;
    },
  };
}

function iso(at: EpochMs): string {
  return new Date(at).toISOString();
}
