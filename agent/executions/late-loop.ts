// Watches for batches that are late. Every due time leaves a row, and each row of a run that a schedule set off has a
// batch, and those that follow it, judged `lateAfter` after the due time. What was found is committed with what people
// are to be told of it, and up to which due time a batch was judged stands in its head: nothing is told twice.
import TinyQueue from "tinyqueue";
import type { Clock } from "../async/clock.ts";
import { prune } from "../async/prune.ts";
import type { Graph } from "../definitions/chain-graph.ts";
import { messageOf } from "../errors.ts";
import { runKey, type Change, type HistoryReader, type Recorder } from "../history/port.ts";
import type { Logger } from "../logger.ts";
import type { Batch } from "../model/batch.ts";
import type { Execution } from "../model/execution.ts";
import { iso, type BatchName, type EpochMs, type Iso } from "../model/ids.ts";
import type { Notifier } from "../notify/port.ts";
import { isSettled, classifyLate, lateAfterOf, maxOpen } from "./late.ts";

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

export interface LatenessDeps {
  clock: Clock;
  log: Logger;
  recorder: Recorder;
  reader: Pick<HistoryReader, "find">;
  graph: () => Pick<Graph, "followers">;
  inForce: (name: string) => Batch | null;
  notifier: Pick<Notifier, "decideLate" | "submitLate">;
}

export function createLateness(deps: LatenessDeps): Lateness {
  const loop = new LateLoop(deps);
  return {
    applied: (name, batch) => loop.applied(name, batch),
    start: () => loop.start(),
    stop: () => loop.stop(),
  };
}

/** A due time of a batch, and when it is to be judged. */
interface Waiting {
  at: EpochMs;
  name: BatchName;
  dueAt: EpochMs;
}

/** Invariant: a due time up to a batch's `late.judged` is never judged again, whatever came in between. */
class LateLoop {
  readonly #deps: LatenessDeps;
  /** `lateAfter` of the batches that can be late. */
  readonly #afterMs = new Map<string, number>();
  /** Due times to be judged, with the keys of the runs that they set off. */
  readonly #pending = new Map<BatchName, Map<EpochMs, Set<number>>>();
  readonly #heap = new TinyQueue<Waiting>([], (a, b) => a.at - b.at);
  #notBefore: number | null = null; // by the monotonic clock
  #cancel: () => void = () => undefined;
  #working: Promise<void> = Promise.resolve();

  constructor(deps: LatenessDeps) {
    this.#deps = deps;
    deps.recorder.subscribe((_seq, change, before) => {
      if (change.kind !== "put" || this.#afterMs.size === 0) return;
      const { execution } = change;
      if (execution.status === "succeeded") this.#succeeded(execution);
      if (before?.trigger.dueAt !== execution.trigger.dueAt) this.#consider(execution);
    });
  }

  start(): void {
    this.#notBefore = this.#deps.clock.monotonic() + firstWaitMs;
    this.#arm();
  }

  async stop(): Promise<void> {
    this.#notBefore = null;
    this.#cancel();
    await this.#working;
  }

  applied(name: BatchName, batch: Batch | null): void {
    const ms = lateAfterOf(batch);
    const head = this.#deps.recorder.head(name);
    if (ms === null || batch === null) {
      this.#afterMs.delete(name);
      this.#pending.delete(name);
      if (head?.late != null) void this.#deps.recorder.commit([{ kind: "head", batch: name, fields: { late: null } }]);
      return;
    }
    const isKnown = this.#afterMs.get(name) === ms;
    this.#afterMs.set(name, ms);
    // Nothing is owed for what would have been late before anybody asked.
    if (head?.late?.afterMs !== ms) {
      const judged = iso(Math.max(this.#deps.clock.now() - ms, Date.parse(head?.late?.judged ?? iso(0))));
      const late = { afterMs: ms, judged, isLate: head?.late?.isLate ?? false };
      void this.#deps.recorder.commit([{ kind: "head", batch: name, fields: { late } }]);
    }
    if (isKnown) return;
    for (const dueAt of this.#pending.get(name)?.keys() ?? []) this.#heap.push({ at: dueAt + ms, name, dueAt });
    this.#arm();
    this.#track(this.#seed(name, batch));
  }

  /** Takes up due times that came before the batch was in force here, or before a restart. */
  async #seed(name: BatchName, batch: Batch): Promise<void> {
    const since = this.#deps.recorder.head(name)?.late?.judged ?? iso(this.#deps.clock.now());
    for (const source of new Set([name, ...this.#rootsOf(batch)])) {
      const ids: string[] = [];
      for (const outline of this.#deps.recorder.recent(source)) {
        if (outline.createdAt <= since || ids.length === maxRows) break;
        ids.push(outline.id);
      }
      for (const id of ids.reverse()) {
        const row = this.#deps.recorder.current(id) ?? (await this.#deps.reader.find(id));
        if (row?.scheduled === true && (source === name || row.trigger.kind === "cron")) this.#add(name, row);
      }
    }
    // What was open when its rows were deleted.
    for (const dueAt of this.#deps.recorder.head(name)?.late?.open ?? []) this.#await(name, dueAt, null);
  }

  /** Batches whose due times set off the runs that a batch follows in. */
  #rootsOf(batch: Batch): BatchName[] {
    const roots: BatchName[] = [];
    const seen = new Set<string>([batch.name]);
    const open = [batch];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (next.schedule !== null) roots.push(next.name);
      else
        for (const name of next.after) {
          const previous = seen.has(name) ? null : this.#deps.inForce(name);
          seen.add(name);
          if (previous !== null) open.push(previous);
        }
    }
    return roots;
  }

  /** A row that is new, or stands for another due time: its batch is to be judged, of a root all that follow too. */
  #consider(execution: Execution): void {
    if (execution.scheduled !== true) return;
    this.#add(execution.batch, execution);
    if (execution.trigger.kind !== "cron") return;
    const { followers } = this.#deps.graph();
    const seen = new Set<string>([execution.batch]);
    const open: string[] = [execution.batch];
    for (let name = open.pop(); name !== undefined; name = open.pop())
      for (const follower of followers.get(name) ?? []) {
        if (seen.has(follower)) continue;
        seen.add(follower);
        open.push(follower);
        this.#add(follower, execution);
      }
  }

  #add(name: BatchName, { run, trigger }: Execution): void {
    this.#await(name, trigger.dueAt, runKey(run));
  }

  /** Has a due time judged once it is time. `run`: one that it set off; null where none is on record. */
  #await(name: BatchName, at: Iso, run: number | null): void {
    const ms = this.#afterMs.get(name);
    const dueAt = Date.parse(at);
    const late = this.#deps.recorder.head(name)?.late;
    if (ms === undefined || (late != null && isSettled(late, at))) return;
    const ofBatch = this.#pending.get(name) ?? new Map<EpochMs, Set<number>>();
    this.#pending.set(name, ofBatch);
    const runs = ofBatch.get(dueAt);
    const all = runs ?? new Set();
    if (run !== null) all.add(run);
    ofBatch.set(dueAt, all);
    if (runs !== undefined) return;
    // The newest of a batch has its row.
    if (ofBatch.size > 1) this.#noteOpen(name, at);
    if (ofBatch.size > maxPending) ofBatch.delete(Math.min(...ofBatch.keys()));
    this.#heap.push({ at: dueAt + ms, name, dueAt });
    this.#arm();
  }

  #succeeded({ batch, trigger, finishedAt, run }: Execution): void {
    const late = this.#deps.recorder.head(batch)?.late;
    const ms = this.#afterMs.get(batch);
    if (late == null || ms === undefined) return;
    const dueAt = Date.parse(trigger.dueAt);
    if (late.isLate && trigger.dueAt >= late.judged)
      void this.#deps.recorder.commit([{ kind: "head", batch, fields: { late: { ...late, isLate: false } } }]);
    const ofBatch = this.#pending.get(batch);
    if (ofBatch?.get(dueAt)?.has(runKey(run)) !== true || Date.parse(finishedAt ?? "") > dueAt + ms) return;
    ofBatch.delete(dueAt);
    const isOldest = [...ofBatch.keys()].every((other) => other > dueAt);
    if (!isOldest) this.#noteOpen(batch, trigger.dueAt);
    // Judged with that; it need not be written for its own sake, as the same would be found again.
    else if (trigger.dueAt > late.judged)
      this.#deps.recorder.note([
        { kind: "head", batch, fields: { late: { ...late, judged: trigger.dueAt, isLate: false } } },
      ]);
  }

  /** Has the record say which due times are without a success. */
  #noteOpen(name: BatchName, at: Iso): void {
    const late = this.#deps.recorder.head(name)?.late;
    if (late == null) return;
    const times = [...(this.#pending.get(name)?.keys() ?? [])].sort((a, b) => a - b).map(iso);
    const upTo = [late.upTo ?? "", at, times.at(-1) ?? ""].sort().at(-1) as Iso;
    const fields = { late: { ...late, open: times.slice(-maxOpen), upTo } };
    this.#deps.recorder.note([{ kind: "head", batch: name, fields }]);
  }

  #arm(): void {
    if (this.#notBefore === null) return;
    this.#cancel();
    const live = [...this.#pending.values()].reduce((sum, ofBatch) => sum + ofBatch.size, 0);
    if (this.#heap.length > 2 * live + 1_000)
      prune(this.#heap, ({ name, dueAt }) => this.#pending.get(name)?.has(dueAt) === true);
    const first = this.#heap.peek();
    if (first === undefined) return;
    const { after, monotonic, now } = this.#deps.clock;
    const waitMs = Math.max(first.at - now(), this.#notBefore - monotonic(), 0);
    this.#cancel = after(Math.min(waitMs, maxSleepMs), () => this.#tick());
  }

  #tick(): void {
    const now = this.#deps.clock.now();
    for (let first = this.#heap.peek(); first !== undefined && first.at <= now; first = this.#heap.peek()) {
      this.#heap.pop();
      const { name, dueAt } = first;
      this.#track(this.#check(name, dueAt));
    }
    this.#arm();
  }

  /** One after the other. */
  #track(work: Promise<void>): void {
    this.#working = Promise.all([this.#working, work]).then(
      () => undefined,
      (error: unknown) => this.#deps.log.error("cannot tell whether a batch is late", { error: messageOf(error) }),
    );
  }

  async #check(name: BatchName, dueAt: EpochMs): Promise<void> {
    const ms = this.#afterMs.get(name);
    const runs = this.#pending.get(name)?.get(dueAt);
    if (ms === undefined || runs === undefined) return;
    if (dueAt + ms > this.#deps.clock.now()) {
      this.#heap.push({ at: dueAt + ms, name, dueAt });
      return;
    }
    this.#pending.get(name)?.delete(dueAt);
    const { isLate, latest } = classifyLate(this.#deps.recorder.recent(name), runs, dueAt, ms);
    if (!isLate) return;
    const read =
      latest === null
        ? undefined
        : (this.#deps.recorder.current(latest.id) ?? (await this.#deps.reader.find(latest.id)));
    const isThere = read !== undefined && this.#deps.recorder.runKeyOf(read.id) !== undefined;
    this.#record(name, dueAt, ms, isThere ? (this.#deps.recorder.current(read.id) ?? read) : null);
  }

  /** Nothing is awaited between what it reads and the commit. */
  #record(name: BatchName, dueAt: EpochMs, ms: number, execution: Execution | null): void {
    const head = this.#deps.recorder.head(name);
    const at = iso(dueAt);
    if (head === undefined || at <= (head.late?.judged ?? "")) return;
    const { told, due } = this.#deps.notifier.decideLate(name, head.told);
    const isLate = execution?.status !== "succeeded";
    const changes: Change[] = [
      {
        kind: "head",
        batch: name,
        fields: {
          late: { ...head.late, afterMs: ms, judged: at, isLate },
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
    this.#deps.log.warn("batch late", { batch: name, dueAt: at, ...(execution === null ? {} : { id: execution.id }) });
    const submit = () => this.#deps.notifier.submitLate(name);
    this.#deps.recorder.commit(changes).then(submit, () => void this.#deps.recorder.durable().then(submit));
  }
}
