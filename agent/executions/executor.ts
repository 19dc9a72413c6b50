// Takes starts from due to done: decide, record, wait for a slot, run, record the end, keep the history within
// bounds. The one concurrency rule: nothing is awaited between reading the state that a decision rests on and having
// the decision in memory (`recorder.commit`, the queue, what is open). Every method up to its first `await` is such a
// step, and all of them change the same queue, slots and open executions: that is why this file is longer than others.
import type { NewId } from "../async/clock.ts";
import type { Graph } from "../definitions/chain-graph.ts";
import { maxKeep, selectExpired, type Change } from "../history/port.ts";
import type { Batch } from "../model/batch.ts";
import { isWithRunner, type AbortedReason, type Execution } from "../model/execution.ts";
import type { GroupName } from "../model/group.ts";
import { iso, type BatchName, type ExecutionId, type Revision } from "../model/ids.ts";
import type { Notifier } from "../notify/port.ts";
import type { DueDecision } from "../schedule/catchup.ts";
import { admitQueued } from "./admission.ts";
import { DueStarts } from "./due-starts.ts";
import { transition } from "./execution.ts";
import { Operations, type ActedOn, type AskedStart } from "./operations.ts";
import { OpenExecutions } from "./open-executions.ts";
import { valuesInForce } from "./params.ts";
import type { Definition } from "./new-execution.ts";
import { planEnd, type Plan, type World } from "./plan-end.ts";
import type { AskedBy, TriggerAnswer } from "./port.ts";
import type { Rank } from "./lines.ts";
import { poolKey, poolOf, Pools, type DeclaredPool, type Pool } from "./pools.ts";
import { createQueue, type Queue } from "./queue.ts";
import { asRecorded, RunningExecutions, type RunningDeps, type RunningEvents } from "./running.ts";

/** Between a group's SIGTERM and its SIGKILL at shutdown; with the grace of 25 s it fits Kubernetes' 30 s. */
const killAtShutdownMs = 4_000;
const lastWaitMs = 2_000;

export interface ExecutorDeps extends RunningDeps {
  newId: NewId;
  maxParallel: number;
  /** Returns what is in force for a batch; null when it has none, is gone, or has no sound place in its chain. */
  definition: (name: BatchName) => Definition | null;
  /** Names that are in the folder, and have problems; for words to people. */
  invalidNames?: () => readonly string[];
  graph: () => Graph;
  /** Returns where the pool that a batch of `group` names is declared, and its size; undefined where it is not. */
  pool: (group: GroupName, name: string) => DeclaredPool | undefined;
  /** Tells people of ends; without one nobody is told. */
  notifier?: Notifier;
}

export interface Executor {
  /** Records what the scheduler decided and sees to the start. */
  due: (batch: Batch, decision: DueDecision) => void;
  /**
   * Starts a batch because someone asks for it, as the root of a run of its own; the execution's id once it is
   * recorded.
   */
  manual: (name: string, asked?: AskedStart, by?: AskedBy) => Promise<TriggerAnswer>;
  /** Ends an execution, all of a run with what is still to follow in it, or all open executions of a batch. */
  cancel: (target: string, by: AskedBy) => Promise<ActedOn>;
  /** Does an execution, or what failed of a run, again in the same run. */
  rerun: (target: string, by: AskedBy) => Promise<ActedOn>;
  /** Takes over what an earlier agent left queued or running. Call once, before the scheduler starts. */
  resume: () => void;
  counts: () => { running: number; queued: number };
  /** To be called after what is in force has changed: sizes of pools and priorities count at once. */
  refresh: () => void;
  /** Returns in words what one that is in line or parked waits for; undefined for any other. */
  waitingFor: (id: ExecutionId) => string | undefined;
  /** Counts executions that hold a place of a pool, and those in line for one. */
  poolUse: (group: GroupName, name: string) => { running: number; waiting: number };
  /**
   * Returns whether something that is queued or running, or follows it, may still read what a run has put out, by the
   * run's key.
   */
  isRunRead: (runKey: number) => boolean;
  /** Revisions that something running needs. */
  revisionsInUse: () => Set<Revision>;
  /** Starts nothing more. What runs goes on. */
  drain: () => void;
  /**
   * Drains; running ones get `graceMs` from the first call on, then SIGTERM, then SIGKILL. Resolves when all are
   * recorded.
   */
  stop: (graceMs: number) => Promise<void>;
}

export function createExecutor(deps: ExecutorDeps): Executor {
  const loop = new ExecutorLoop(deps);
  return {
    due: (batch, decision) => loop.due(batch, decision),
    manual: (name, asked, by) => loop.operations.manual(name, asked, by),
    cancel: (target, by) => loop.operations.cancel(target, by),
    rerun: (target, by) => loop.operations.rerun(target, by),
    resume: () => loop.resume(),
    counts: () => loop.counts(),
    refresh: () => loop.refresh(),
    waitingFor: (id) => loop.waitingFor(id),
    poolUse: (group, name) => loop.poolUse(group, name),
    isRunRead: (runKey) => loop.isRunRead(runKey),
    revisionsInUse: () => loop.revisionsInUse(),
    drain: () => loop.drain(),
    stop: (graceMs) => loop.stop(graceMs),
  };
}

class ExecutorLoop implements Omit<Executor, "manual" | "cancel" | "rerun"> {
  readonly #deps: ExecutorDeps;
  readonly #queue: Queue;
  readonly #open = new OpenExecutions();
  readonly #running: RunningExecutions;
  readonly #pools = new Pools();
  readonly #world: World;
  readonly operations: Operations;
  readonly #due: DueStarts;
  #stopping = false;
  #isPumpDue = false;
  #ended: Promise<void> | null = null;

  constructor(deps: ExecutorDeps) {
    this.#deps = deps;
    const { recorder, notifier } = deps;
    this.#queue = createQueue(deps.clock);
    this.#running = new RunningExecutions(deps);
    // What an earlier agent left running counts before anything can be started.
    for (const execution of recorder.open())
      if (isWithRunner(execution)) this.#pools.occupy(execution.id, [execution.pool]);
    this.#world = {
      graph: () => deps.graph(),
      inForce: (name) => deps.definition(name as BatchName),
      openRun: (run) => recorder.openRun(run),
      past: (name) => recorder.recent(name),
      openOf: (name) => this.#openOf(name),
      isParked: (name) => this.#queue.parked(name) !== undefined,
      told: (name) => recorder.head(name)?.told,
      notice: (final, told) => notifier?.decide(final, told) ?? { told, due: null },
    };
    const carryOut = (plan: Plan, before?: readonly Change[]) => this.#carryOut(plan, before);
    this.#due = new DueStarts(deps, { world: this.#world, openOf: (name) => this.#open.of(name), carryOut });
    this.operations = new Operations(deps, {
      world: this.#world,
      carryOut,
      isStopping: () => this.#stopping,
      isOver: (id) => this.#running.get(id)?.isOver() === true,
      pin: (key) => this.#open.pin(key),
      unpin: (key) => this.#open.unpin(key),
    });
  }

  due(batch: Batch, decision: DueDecision): void {
    if (!this.#stopping) this.#due.due(batch, decision);
  }

  resume(): void {
    const { recorder, clock } = this.#deps;
    const open = recorder.open();
    for (const execution of open) this.#trackOpen(execution);
    // The timeout is what it was started with, whatever the batch is by now.
    const termsOf = ({ batch, timeoutMs = this.#batchOf(batch)?.timeoutMs ?? null }: Execution) => ({
      timeoutMs,
      successCodes: this.#batchOf(batch)?.successCodes ?? [0],
    });
    const running = open.filter(isWithRunner);
    this.#running.adopt(running, termsOf, (execution) =>
      this.#events(execution, () => this.#backOff(unasked(execution))),
    );
    this.#occupyPlaces();
    for (const { id, cancelled } of running) if (cancelled !== undefined) this.#running.get(id)?.cancel(cancelled);
    for (const execution of open.filter((one) => !isWithRunner(one))) {
      const { batch } = execution;
      const concurrency = this.#batchOf(batch)?.concurrency;
      const isAlone = this.#open.of(batch).length === 1;
      if (execution.notBefore !== undefined) this.#delay(execution);
      else if (isAlone || concurrency === "allow" || this.#queue.parked(batch) !== undefined) this.#join(execution);
      else {
        this.#queue.park(execution);
        // Said again, to what has not ended meanwhile: who was told to make room has not heard it if the agent died
        // in between.
        const earlier = this.#open.of(batch).filter((other) => this.#running.get(other) !== undefined);
        if (concurrency === "replace")
          clock.after(0, () => earlier.forEach((other) => this.#running.get(other)?.stop("replaced")));
      }
    }
    this.#pump();
  }

  counts(): { running: number; queued: number } {
    return { running: this.#running.size, queued: this.#queue.size() };
  }

  refresh(): void {
    this.#occupyPlaces();
    this.#queue.refresh((id) => this.#standing(this.#deps.recorder.current(id)?.batch));
    this.#pump();
  }

  waitingFor(id: ExecutionId): string | undefined {
    const inLine = this.#queue.inLine(id);
    if (inLine === undefined) {
      const batch = this.#deps.recorder.current(id)?.batch;
      return batch !== undefined && this.#queue.parked(batch) === id ? "an earlier execution" : undefined;
    }
    const { pool } = inLine;
    return pool !== null && this.#pools.used(pool.key) >= pool.size ? `pool ${pool.name}` : "a free place";
  }

  poolUse(group: GroupName, name: string): { running: number; waiting: number } {
    const key = poolKey(group, name);
    return { running: this.#pools.used(key), waiting: this.#queue.waitingForPool(key) };
  }

  isRunRead(runKey: number): boolean {
    return this.#open.isRead(runKey);
  }

  revisionsInUse(): Set<Revision> {
    return new Set(this.#running.attempts().flatMap((attempt) => attempt.execution().revision ?? []));
  }

  drain(): void {
    this.#stopping = true;
    this.#queue.stopDelays();
  }

  stop(graceMs: number): Promise<void> {
    this.drain();
    this.#ended ??= this.#endAll(graceMs);
    return this.#ended;
  }

  async #endAll(graceMs: number): Promise<void> {
    // What runs elsewhere goes on; the next agent adopts it.
    if (this.#deps.runner.isRemote === true) return this.#deps.runner.close();
    if (await this.#within(this.#running.settled(), graceMs)) return;
    for (const attempt of this.#running.attempts()) attempt.stop("shutdown", killAtShutdownMs);
    // A process that not even SIGKILL ends (it hangs in the kernel) is left to the next agent.
    await this.#within(this.#running.settled(), killAtShutdownMs + lastWaitMs);
  }

  /** Commits a decision and does what it asks for; resolves when it is durable. Nothing is awaited before that. */
  async #carryOut(plan: Plan, before: readonly Change[] = []): Promise<void> {
    const { recorder, notifier } = this.#deps;
    const batches = new Set(
      [...before, ...plan.changes].flatMap((change) => (change.kind === "put" ? change.execution.batch : [])),
    );
    const recorded = recorder.commit([...before, ...plan.changes]);
    for (const { execution } of plan.starts) this.#trackOpen(execution);
    for (const execution of plan.retries) this.#trackOpen(execution);
    for (const execution of plan.ended) this.#untrackOpen(execution);
    // After the rows that are new: what goes is counted with them.
    const expired = [...batches].flatMap((name) => this.#expired(name));
    const deleted = recorder.commit(expired);
    for (const { id } of plan.replaced) this.#running.get(id)?.stop("replaced");
    for (const { id, cancelled } of plan.cancelled)
      if (cancelled !== undefined) this.#running.get(id)?.cancel(cancelled);
    for (const { execution, parked } of plan.starts) {
      if (recorder.current(execution.id)?.status !== "queued") continue;
      if (parked && this.#open.of(execution.batch).length > 1) this.#queue.park(execution);
      else this.#enqueue(execution.id);
    }
    if (!this.#stopping) plan.retries.forEach((execution) => this.#delay(execution));
    for (const execution of plan.ended) this.#logEnd(execution);
    // Nobody hears of what is not durable.
    const durable = () => recorded.catch(() => recorder.durable());
    for (const change of plan.changes)
      if (change.kind === "put" && (change.execution.notifyDue ?? change.execution.pingDue) !== undefined) {
        const { execution } = change;
        void durable().then(() => notifier?.submit(execution));
      }
    await Promise.all([recorded, deleted]);
  }

  #expired(name: BatchName): Change[] {
    const { recorder, clock } = this.#deps;
    const keep = this.#batchOf(name)?.keep ?? maxKeep;
    if (recorder.count(name) <= keep.executions && keep.ageMs === null) return [];
    const isRunRead = (key: number) => this.isRunRead(key);
    const ids = selectExpired(recorder.recent(name), keep, isRunRead, clock.now());
    return ids.length === 0 ? [] : [{ kind: "delete", batch: name, ids }];
  }

  #batchOf(name: BatchName): Batch | null {
    return this.#deps.definition(name)?.batch ?? null;
  }

  #openOf(name: BatchName): Execution[] {
    return this.#open.of(name).flatMap((id) => this.#deps.recorder.current(id) ?? []);
  }

  #trackOpen(execution: Execution): void {
    const { recorder } = this.#deps;
    const runs = (execution.previous ?? []).flatMap((id) => recorder.runKeyOf(id) ?? []);
    this.#open.track(execution, runs);
  }

  /** Takes one out of whatever it waited in; what waited for it may go on. */
  #untrackOpen(execution: Execution): void {
    const { recorder, clock } = this.#deps;
    const { batch, id } = execution;
    this.#open.untrack(execution);
    this.#queue.leave(execution);
    this.#due.closeGap(id);
    const next = recorder.current(this.#queue.parked(batch) ?? "");
    if (next === undefined || this.#open.of(batch).length !== 1) return;
    this.#queue.leave(next);
    // It was asked to wait: how late it is counts from now.
    void recorder.commit([{ kind: "put", execution: { ...next, notBefore: iso(clock.now()) }, silent: true }]);
    this.#enqueue(next.id);
  }

  /** Called with a final execution; resolves when it is durable with all that it sets off. */
  async #finish(ended: Execution): Promise<void> {
    const cancelled = ended.cancelled ?? this.#deps.recorder.current(ended.id)?.cancelled;
    const recorded = asRecorded(cancelled === undefined ? ended : { ...ended, cancelled }, this.#deps.recorder);
    const isPinged = ended.startedAt !== null && this.#deps.notifier?.pings(ended.batch) === true;
    const final: Execution = isPinged ? { ...recorded, pingDue: [...(recorded.pingDue ?? []), "stop"] } : recorded;
    const plan = planEnd(final, this.#world, this.#deps, this.#deps.clock.now());
    // The history itself tries again and says so when it cannot write.
    await this.#carryOut(plan).catch(() => undefined);
  }

  #logEnd({ batch, id, run, status, reason, message, durationMs, exitCode, signal }: Execution): void {
    this.#deps.log[status === "failed" ? "warn" : "info"](`execution ${status}`, {
      batch,
      id,
      run,
      ...(reason === null ? {} : { reason, detail: message }),
      ...(exitCode === null ? {} : { exitCode }),
      ...(signal === null ? {} : { signal }),
      durationMs,
    });
  }

  #delay({ id, batch, notBefore }: Execution): void {
    // More than its retry may wait was left by a clock that stood wrong.
    const maxMs = this.#batchOf(batch)?.retry?.maxDelayMs ?? 0;
    const leftMs = Math.min(Date.parse(notBefore ?? "") - this.#deps.clock.now(), maxMs);
    if (leftMs > 0) this.#queue.delay(id, leftMs, () => this.#enqueue(id));
    else this.#enqueue(id);
  }

  #enqueue(id: ExecutionId): void {
    const execution = this.#deps.recorder.current(id);
    if (execution !== undefined) this.#join(execution);
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    // All that comes due together is in line before the first of it starts.
    queueMicrotask(() => {
      this.#isPumpDue = false;
      this.#pump();
    });
  }

  #join({ id, batch, trigger, notBefore, createdAt }: Execution): void {
    const [dueAt, since] = [Date.parse(trigger.dueAt), Date.parse(notBefore ?? createdAt)];
    this.#queue.push(id, { ...this.#standing(batch), dueAt, since });
  }

  /** Returns how a batch's starts stand in line by what is in force now. */
  #standing(name: BatchName | undefined): Pick<Rank, "pool" | "priority"> {
    const batch = name === undefined ? null : this.#batchOf(name);
    return { pool: this.#poolOf(batch), priority: batch?.priority ?? 0 };
  }

  #poolOf(batch: Batch | null): Pool | null {
    return poolOf(batch, (group, name) => this.#deps.pool(group, name));
  }

  /** Lets each running execution hold its places: in the pool it was started in, and in its batch's of now. */
  #occupyPlaces(): void {
    for (const attempt of this.#running.attempts()) {
      const { id, pool, batch } = attempt.execution();
      this.#pools.occupy(id, [pool, this.#poolOf(this.#batchOf(batch))?.key]);
    }
  }

  #pump(): void {
    while (!this.#stopping && this.#running.size < this.#deps.maxParallel) {
      const id = this.#queue.next((key) => this.#pools.used(key), this.#deps.clock.now());
      if (id === undefined) return;
      const execution = this.#deps.recorder.current(id);
      if (execution?.status === "queued" && !isWithRunner(execution)) this.#begin(execution);
    }
  }

  #begin(queued: Execution): void {
    const { clock, runner, definition: definitionOf } = this.#deps;
    const now = clock.now();
    const definition = definitionOf(queued.batch);
    const dueAt = Date.parse(queued.trigger.dueAt) + (definition?.batch.schedule?.jitterMs ?? 0);
    // Only a due time can be missed: what follows another execution comes when it comes.
    const asked = queued.notBefore === undefined ? dueAt : Date.parse(queued.notBefore);
    const verdict = admitQueued(definition?.batch ?? null, queued.trigger.kind === "cron" ? asked : now, now);
    if (verdict.kind === "abort") return this.#refuse(queued, verdict.reason, verdict.message);
    if (definition === null) return this.#refuse(queued, "disabled", "");
    const { revision, commit, batch } = definition;
    const pool = this.#poolOf(batch);
    // What is in force may be changing just now.
    if (pool !== null && this.#pools.used(pool.key) >= pool.size) return this.#join(queued);
    const isPinged = this.#deps.notifier?.pings(queued.batch) === true;
    const started: Execution =
      runner.isRemote === true
        ? transition(queued, { kind: "ask", at: now, revision, commit })
        : {
            ...transition(queued, { kind: "start", at: now, revision, commit, boot: runner.boot }),
            ...(isPinged ? { pingDue: ["start"] } : {}),
          };
    // A definition may have changed while it waited; what is done again has the values of then.
    const kept = queued.trigger.kind === "rerun" || queued.trigger.kind === "retry" ? (queued.params ?? {}) : {};
    const params = valuesInForce(batch, kept, queued.given);
    this.#due.closeGap(queued.id);
    this.#pools.occupy(queued.id, [pool?.key]);
    this.#running.start(
      {
        ...started,
        timeoutMs: batch.timeoutMs,
        ...(params === undefined ? {} : { params }),
        ...(pool === null ? {} : { pool: pool.key }),
      },
      batch,
      this.#events(started, () => this.#backOff(queued)),
    );
  }

  #refuse(queued: Execution, reason: AbortedReason, message: string): void {
    void this.#finish(transition(queued, { kind: "abort", at: this.#deps.clock.now(), reason, message }));
  }

  #events(execution: Execution, onUnrecorded: () => void): RunningEvents {
    const { notifier } = this.#deps;
    const onLaunch = (launched: Execution) => {
      if (launched.pingDue !== undefined) notifier?.submit(launched);
    };
    const asStarted = (started: Execution): Execution =>
      notifier?.pings(started.batch) === true ? { ...started, pingDue: ["start"] } : started;
    const onFree = () => {
      this.#pools.release(execution.id);
      this.#pump();
    };
    return { onLaunch, asStarted, onEnded: (ended) => this.#finish(ended), onUnrecorded, onFree };
  }

  /** It could not be recorded, so it must not run: it waits until the history can be written. */
  #backOff(queued: Execution): void {
    const { recorder } = this.#deps;
    void recorder.commit([{ kind: "put", execution: queued }]);
    void recorder.durable().then(() => {
      if (recorder.current(queued.id)?.status === "queued") this.#enqueue(queued.id);
    });
  }

  #within(work: Promise<unknown>, ms: number): Promise<boolean> {
    return new Promise((done) => {
      const cancel = this.#deps.clock.after(ms, () => done(false));
      void work.finally(() => {
        cancel();
        done(true);
      });
    });
  }
}

/** The same execution before a runner was asked to start it. */
function unasked({ askedAt: _asked, ...queued }: Execution): Execution {
  return queued;
}
