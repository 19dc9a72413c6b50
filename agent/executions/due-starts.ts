// Decides on due times: a start, a row of what was missed, or an earlier start that stands for the new one. Each
// method is one step: nothing is awaited between reading the state and having the decision in memory.
import type { Clock, NewId } from "../async/clock.ts";
import type { Change, Recorder } from "../history/port.ts";
import type { Batch } from "../model/batch.ts";
import type { Execution } from "../model/execution.ts";
import { iso, type BatchName, type EpochMs, type ExecutionId } from "../model/ids.ts";
import type { DueDecision } from "../schedule/catchup.ts";
import { standsIn } from "./admission.ts";
import { transition } from "./execution.ts";
import { permitOwnTime, standingOf, type FollowUp } from "./follow-ups.ts";
import { newExecution, type Definition } from "./new-execution.ts";
import { planDue, type Plan, type World } from "./plan-end.ts";

export interface DueStartsDeps {
  clock: Clock;
  newId: NewId;
  recorder: Recorder;
  /** Returns what is in force for a batch; null when it has none, is gone, or has no sound place in its chain. */
  definition: (name: BatchName) => Definition | null;
}

/** The part of the executor that due times act on. */
export interface DueIn {
  world: World;
  /** Ids of a batch's open executions, in the order they came. */
  openOf: (name: BatchName) => readonly ExecutionId[];
  /** Commits a decision and does what it asks for; resolves when it is durable. */
  carryOut: (plan: Plan, before?: readonly Change[]) => Promise<void>;
}

/** Invariant: what a start missed while it waited for a slot has a row here until it waits no longer. */
export class DueStarts {
  readonly #deps: DueStartsDeps;
  readonly #in: DueIn;
  /** The row of the due times that a start missed while it waited for a slot. */
  readonly #coalesced = new Map<ExecutionId, Execution>();

  constructor(deps: DueStartsDeps, within: DueIn) {
    this.#deps = deps;
    this.#in = within;
  }

  /** Records what the scheduler decided and sees to the start. */
  due(batch: Batch, decision: DueDecision): void {
    const { recorder, clock } = this.#deps;
    const { name } = batch;
    const head = recorder.head(name);
    const since = decision.before === null ? (head?.lastDueAt ?? "") : iso(decision.before);
    const watermark = this.#watermark(name, decision.coveredUntil);
    const waiting = decision.start === null ? null : this.#waitingFor(batch);
    if (waiting !== null && decision.start !== null)
      return this.#coalesce(waiting, decision.start, decision.missed?.count ?? 1, watermark);
    const row = decision.missed === null ? null : this.#missedRow(name, decision.missed);
    // The only one of a gap that is started after all is late, not lost.
    const isCaughtUp = decision.start !== null && decision.missed?.count === 1;
    const missed = isCaughtUp ? null : row;
    const before: Change[] = row === null || !isCaughtUp ? [watermark] : [watermark, { kind: "put", execution: row }];
    const dueAt = decision.start === null ? null : iso(decision.start);
    // It has been only after the clock was set back.
    if (decision.start === null || dueAt === null || recorder.hasStarted(name, dueAt))
      return this.#record(planDue(missed, null, this.#in.world, this.#deps, clock.now()), before);
    const execution = this.#newExecution(name, decision.start);
    const known = since === "" || since > dueAt ? (head?.firstSeenAt ?? "") : since;
    const { refused, previous } = this.#permission(batch, known);
    const asked = { execution: batch.after.length === 0 ? execution : { ...execution, previous }, refused };
    // The mark and its rows are in one commit: no crash comes between the two.
    this.#record(planDue(missed, asked, this.#in.world, this.#deps, clock.now()), before);
  }

  /**
   * Called once an execution waits no longer: what it missed while it waited is complete, and people may hear of it.
   */
  closeGap(id: ExecutionId): void {
    const gap = this.#coalesced.get(id);
    if (!this.#coalesced.delete(id) || gap === undefined) return;
    this.#record(planDue(gap, null, this.#in.world, this.#deps, this.#deps.clock.now()));
  }

  /** The history itself tries again when it cannot write, and says so. */
  #record(plan: Plan, before?: readonly Change[]): void {
    this.#in.carryOut(plan, before).catch(() => undefined);
  }

  /** An earlier start of the batch that has found no slot yet and may stand for a newer one. */
  #waitingFor(batch: Batch): Execution | null {
    const [id, ...others] = this.#in.openOf(batch.name);
    const execution = id === undefined || others.length > 0 ? undefined : this.#deps.recorder.current(id);
    return execution !== undefined && standsIn(batch, execution) ? execution : null;
  }

  /**
   * The one that waits stands for the latest due time from now on; one row tells of all that it missed. None of it is
   * written for its own sake: what is on disk is the one that waits and its due time, from where the next agent would
   * count the same again. Where thousands wait, writing all of them at each of their due times left no time to start
   * any.
   */
  #coalesce(waiting: Execution, start: EpochMs, count: number, watermark: Change & { kind: "head" }): void {
    const earlier = this.#coalesced.get(waiting.id);
    const from = Date.parse(earlier?.missed?.from ?? waiting.trigger.dueAt);
    const row = this.#missedRow(waiting.batch, { from, to: start, count: (earlier?.missed?.count ?? 1) + count });
    const gap =
      earlier === undefined ? row : { ...row, id: earlier.id, run: earlier.run, createdAt: earlier.createdAt };
    this.#coalesced.set(waiting.id, gap);
    const { notBefore: _past, ...rest } = waiting;
    const execution = { ...rest, trigger: { ...waiting.trigger, dueAt: iso(start) } };
    this.#deps.recorder.note([watermark, { kind: "put", execution }, { kind: "put", execution: gap }]);
  }

  #watermark(name: BatchName, until: EpochMs): Change & { kind: "head" } {
    const schedule = this.#deps.recorder.head(name)?.schedule;
    const coveredUntil = iso(until);
    const fields = {
      lastDueAt: coveredUntil,
      ...(schedule == null ? {} : { schedule: { ...schedule, coveredUntil } }),
    };
    return { kind: "head", batch: name, fields };
  }

  #permission(batch: Batch, since: string): Pick<FollowUp, "refused" | "previous"> {
    if (batch.after.length === 0) return { refused: null, previous: [] };
    return permitOwnTime(batch, since, (name) =>
      standingOf(this.#deps.recorder.recent(name), this.#in.openOf(name as BatchName).length > 0),
    );
  }

  #newExecution(name: BatchName, dueAt: EpochMs): Execution {
    const definition = this.#deps.definition(name);
    const trigger = { kind: "cron", dueAt, by: null } as const;
    return newExecution(name, trigger, { definition }, this.#deps, this.#deps.clock.now());
  }

  #missedRow(name: BatchName, missed: NonNullable<DueDecision["missed"]>): Execution {
    const [from, to] = [iso(missed.from), iso(missed.to)];
    const times = missed.count === 1 ? `1 due time: ${from}` : `${missed.count} due times from ${from} to ${to}`;
    const row = this.#newExecution(name, missed.to);
    const at = this.#deps.clock.now();
    const aborted = transition(row, { kind: "abort", at, reason: "missed", message: `missed ${times}` });
    return { ...aborted, missed: { from, to, count: missed.count } };
  }
}
