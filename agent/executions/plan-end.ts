// The end of an execution as one decision: its record, its next attempt or what follows it in its run, the refused
// ones and what follows those, and what people are to be told. Likewise a start that has come due. Pure, over
// snapshots, without recursion: a chain may be of any length.
import type { Graph } from "../definitions/chain-graph.ts";
import type { Change, Outline, Told } from "../history/port.ts";
import {
  isOpen,
  isWithRunner,
  type AbortedReason,
  type Cancelled,
  type Execution,
  type NotifyDue,
} from "../model/execution.ts";
import type { BatchName, EpochMs, ExecutionId, RunId } from "../model/ids.ts";
import { admit } from "./admission.ts";
import { detectAnomaly } from "./baseline.ts";
import { markedLate } from "./late.ts";
import { nextAttempt, transition } from "./execution.ts";
import { planFollowUps, type FollowUp } from "./follow-ups.ts";
import { newExecution, type Definition, type Ids } from "./new-execution.ts";

/** The world as it stands while a decision is made; nothing of it changes meanwhile. */
export interface World {
  graph: () => Pick<Graph, "followers">;
  /** null for a batch that has no definition, is gone, or has no sound place in its chain. */
  inForce: (name: string) => Definition | null;
  /** The latest execution of each batch in a run that goes on. */
  openRun: (run: RunId) => ReadonlyMap<string, Execution>;
  /** A batch's executions, newest first. */
  past: (name: string) => Iterable<Outline>;
  /** A batch's queued and running executions. */
  openOf: (name: BatchName) => readonly Execution[];
  /** Returns whether one of these waits for the others to end. */
  isParked: (name: BatchName) => boolean;
  told: (name: BatchName) => Told | undefined;
  /** Returns what people are to be told of a final execution, and the record of what they were told after it. */
  notice: (final: Execution, told: Told | undefined) => { told: Told | undefined; due: NotifyDue | null };
}

export interface Plan {
  /** To be committed as one. */
  changes: Change[];
  /** Executions that end with this, as recorded. */
  ended: Execution[];
  /** New attempts that wait out their delay. */
  retries: Execution[];
  /** New executions, to be queued: for a slot, or parked until their batch is free. */
  starts: { execution: Execution; parked: boolean }[];
  /** Running executions that make room for a newer one. */
  replaced: Execution[];
  /** Running executions that are to be ended because somebody asked for it, marked so. */
  cancelled: Execution[];
}

interface Refusal {
  reason: AbortedReason;
  message: string;
}

/** All that an end sets off. `ended`: in its final status, not recorded yet. */
export function planEnd(ended: Execution, world: World, ids: Ids, now: EpochMs): Plan {
  const planner = new Planner(world, ids, now);
  planner.end(ended);
  return planner.finish();
}

/**
 * All that a due time sets off: the row of those before it that were missed, if any, and the start that has come due,
 * if any, as `planStart` has it.
 */
export function planDue(
  missed: Execution | null,
  start: { execution: Execution; refused: Refusal | null } | null,
  world: World,
  ids: Ids,
  now: EpochMs,
): Plan {
  const planner = new Planner(world, ids, now);
  if (missed !== null) planner.miss(missed);
  if (start !== null) planner.start(start.execution, start.refused);
  return planner.finish();
}

/**
 * All that a new execution sets off: it is queued, or refused, and what follows it then. `refused`: null where
 * nothing stands against it yet.
 */
export function planStart(execution: Execution, refused: Refusal | null, world: World, ids: Ids, now: EpochMs): Plan {
  const planner = new Planner(world, ids, now);
  planner.start(execution, refused);
  return planner.finish();
}

/** All that new executions set off that are asked for together. */
export function planStarts(executions: readonly Execution[], world: World, ids: Ids, now: EpochMs): Plan {
  const planner = new Planner(world, ids, now);
  planner.startAll(executions.map((execution) => ({ execution, refused: null })));
  return planner.finish();
}

/** Cancels open executions: what is queued ends now, what runs is marked and to be ended. */
export function planCancel(
  executions: readonly Execution[],
  cancelled: Cancelled,
  world: World,
  ids: Ids,
  now: EpochMs,
): Plan {
  const planner = new Planner(world, ids, now);
  for (const execution of executions) planner.cancel({ ...execution, cancelled });
  return planner.finish();
}

class Planner {
  readonly #world: World;
  readonly #ids: Ids;
  readonly #now: EpochMs;
  readonly #plan: Plan = { changes: [], ended: [], retries: [], starts: [], replaced: [], cancelled: [] };
  /** Ends that are still to be followed. */
  readonly #ends: Execution[] = [];
  /** Holds what this plan changes of the world, over it. */
  readonly #latest = new Map<RunId, Map<string, Execution>>();
  readonly #closed = new Set<ExecutionId>();
  readonly #opened = new Map<string, Execution[]>();
  readonly #parked = new Set<string>();
  readonly #told = new Map<string, Told | undefined>();

  constructor(world: World, ids: Ids, now: EpochMs) {
    this.#world = world;
    this.#ids = ids;
    this.#now = now;
  }

  /** Records a row that nothing follows, with what people are to be told of it. */
  miss(row: Execution): void {
    const due = this.#notice(row);
    this.#put(due === null ? row : { ...row, notifyDue: due });
  }

  end(ended: Execution): void {
    this.#closed.add(ended.id);
    this.#ends.push(ended);
  }

  start(execution: Execution, refused: Refusal | null): void {
    const { batch } = execution;
    const open = this.#openOf(batch);
    const isParked = this.#world.isParked(batch) || this.#parked.has(batch);
    const verdict =
      refused === null
        ? admit(this.#world.inForce(batch)?.batch ?? null, open.length, isParked)
        : ({ kind: "abort", ...refused } as const);
    if (verdict.kind === "abort") return this.#abort(execution, verdict.reason, verdict.message);
    if (verdict.kind === "replace") {
      for (const other of open) {
        if (isWithRunner(other)) this.#plan.replaced.push(other);
        else this.#abort(other, "replaced", "a newer start took its place");
      }
    }
    const parked = verdict.kind !== "start" && this.#openOf(batch).length > 0;
    if (parked) this.#parked.add(batch);
    const queued = parked ? { ...execution, waitingFor: "an earlier execution" } : execution;
    this.#open(queued);
    this.#plan.starts.push({ execution: queued, parked });
  }

  /** All are seen before the first moves on: a chain that joins again must not take a branch for missing. */
  startAll(starts: readonly { execution: Execution; refused: Refusal | null }[]): void {
    for (const { execution } of starts) this.#see(execution);
    for (const { execution, refused } of starts) this.start(execution, refused);
  }

  /** `marked`: open, with who cancelled it. */
  cancel(marked: Execution): void {
    if (!isWithRunner(marked)) return this.#abort(marked, "cancelled", marked.cancelled?.message ?? "");
    this.#put(marked);
    this.#plan.cancelled.push(marked);
  }

  /** Follows every end to its end. */
  finish(): Plan {
    for (let next = this.#ends[0], at = 0; next !== undefined; next = this.#ends[++at]) this.#follow(next);
    for (const [name, told] of this.#told)
      if (told !== undefined && told !== this.#world.told(name as BatchName))
        this.#plan.changes.push({ kind: "head", batch: name as BatchName, fields: { told } });
    return this.#plan;
  }

  #follow(ended: Execution): void {
    const unusual = detectAnomaly(ended, this.#world.past(ended.batch));
    const execution: Execution = { ...ended, unusual };
    const batch = this.#world.inForce(ended.batch)?.batch;
    const retry = batch?.enabled === true ? batch.retry : null;
    const isFailed = retry !== null && execution.status === "failed";
    const attempt = isFailed ? nextAttempt(execution, retry, { id: this.#newId(), now: this.#now }) : null;
    const next = attempt === null ? null : markedLate(attempt, batch ?? null, this.#now);
    const due = next === null ? this.#notice(execution) : null;
    const final: Execution = due === null ? execution : { ...execution, notifyDue: due };
    this.#put(final);
    this.#plan.ended.push(final);
    if (next !== null) {
      this.#open(next);
      this.#plan.retries.push(next);
    } else this.#followUp(final);
  }

  #followUp(final: Execution): void {
    const enabled = (name: string) => {
      const batch = this.#world.inForce(name)?.batch;
      return batch?.enabled === true ? batch : null;
    };
    const { run, given } = final;
    const rows = {
      latest: (name: string) => this.#latestOf(run, name),
      all: () => new Map([...this.#world.openRun(run), ...(this.#latest.get(run) ?? [])]).values(),
    };
    const plans = planFollowUps(final, rows, this.#world.graph(), enabled);
    this.startAll(
      plans.map((plan) => {
        const of = {
          definition: this.#world.inForce(plan.batch),
          run,
          scheduled: final.scheduled === true,
          ...(given === undefined ? {} : { given }),
        };
        const trigger = { kind: plan.kind, dueAt: Date.parse(final.trigger.dueAt), by: final.id };
        const execution = newExecution(plan.batch, trigger, of, this.#ids, this.#now);
        return { execution: { ...execution, ...followed(plan, rows.latest(plan.batch)) }, refused: plan.refused };
      }),
    );
  }

  #notice(final: Execution): NotifyDue | null {
    const known = this.#told.has(final.batch) ? this.#told.get(final.batch) : this.#world.told(final.batch);
    const { told, due } = this.#world.notice(final, known);
    this.#told.set(final.batch, told);
    return due;
  }

  #abort(execution: Execution, reason: AbortedReason, message: string): void {
    this.end(transition(execution, { kind: "abort", at: this.#now, reason, message }));
  }

  #open(execution: Execution): void {
    this.#opened.set(execution.batch, [...(this.#opened.get(execution.batch) ?? []), execution]);
    this.#put(execution);
  }

  #newId(): ExecutionId {
    return this.#ids.newId(this.#now) as ExecutionId;
  }

  #put(execution: Execution): void {
    this.#see(execution);
    this.#plan.changes.push({ kind: "put", execution });
  }

  #see(execution: Execution): void {
    const ofRun = this.#latest.get(execution.run) ?? new Map<string, Execution>();
    this.#latest.set(execution.run, ofRun.set(execution.batch, execution));
  }

  #latestOf(run: RunId, name: string): Execution | undefined {
    return this.#latest.get(run)?.get(name) ?? this.#world.openRun(run).get(name);
  }

  #openOf(name: BatchName): Execution[] {
    const open = [...this.#world.openOf(name), ...(this.#opened.get(name) ?? [])];
    return open.filter((execution) => isOpen(execution) && !this.#closed.has(execution.id));
  }
}

/**
 * Returns what one that follows has of what it follows. `before`: its batch's execution in an earlier pass of the
 * run.
 */
function followed({ previous, pass, cancelled }: FollowUp, before: Execution | undefined): Partial<Execution> {
  return {
    previous,
    ...(pass === 0 ? {} : { pass }),
    ...(cancelled === null ? {} : { cancelled }),
    ...(before === undefined ? {} : { attempt: before.attempt + 1, attemptsBefore: before.attempt }),
  };
}
