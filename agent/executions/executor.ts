// Takes starts from due to done: record, wait for a place, run, record the end, keep the history within bounds.
import type { NewId, Clock } from "../async/clock.ts";
import type { Graph } from "../definitions/chain-graph.ts";
import { InvariantError } from "../errors.ts";
import type { History } from "../history/port.ts";
import { mostKept, selectExpired } from "../history/retention.ts";
import type { Logger } from "../logger.ts";
import type { Batch } from "../model/batch.ts";
import { isOpen, type Execution, type TriggerKind, type AbortedReason } from "../model/execution.ts";
import type { EpochMs, Revision, RunId, ExecutionId, BatchName } from "../model/ids.ts";
import type { Notifier } from "../notify/port.ts";
import type { Runner, Running } from "../runners/port.ts";
import type { DueDecision } from "../schedule/catchup.ts";
import { admit, admitQueued, standsIn } from "./admission.ts";
import { createAttempt, type Attempt } from "./attempt.ts";
import { judgeUnusual } from "./baseline.ts";
import { createExecution, nextAttempt, transition } from "./execution.ts";
import { createFollowUps } from "./follow-up-loop.ts";
import { permitOwnTime } from "./follow-ups.ts";
import { buildOrder } from "./order.ts";
import type { TriggerAnswer } from "./port.ts";
import { createQueue } from "./queue.ts";

/** Between a group's SIGTERM and its SIGKILL at shutdown; with the grace of 25 s it fits Kubernetes' 30 s. */
const killAtShutdownMs = 4_000;
const lastWaitMs = 2_000;

/** What is in force for a batch when one of its executions starts. */
interface Definition {
  batch: Batch;
  revision: Revision;
  commit: string | null;
}

export interface ExecutorDeps {
  clock: Clock;
  newId: NewId;
  history: History;
  runner: Runner;
  log: Logger;
  maxParallel: number;
  /** What is in force for a batch; null when it has none, is gone, or has no sound place in its chain. */
  definition(name: BatchName): Definition | null;
  graph(): Graph;
  /** Checks before a start that a revision is what it was, and puts it right; why it cannot be run, or null. Never rejects. */
  checkRevision?(name: BatchName, revision: Revision): Promise<string | null>;
  /** Tells people of ends; without one nobody is told. */
  notifier?: Notifier;
}

export interface Executor {
  /** Records what the scheduler decided and sees to the start. */
  due(batch: Batch, decision: DueDecision): void;
  /** Starts a batch because someone asks for it, as the root of a run of its own; the execution's id once it is recorded. */
  manual(name: string): Promise<TriggerAnswer>;
  /** Takes over what an earlier agent left queued or running. Call once, before the scheduler starts. */
  resume(): void;
  counts(): { running: number; queued: number };
  /** Whether something that is queued or running, or follows it, may still read what this run has put out. */
  isRunOpen(run: RunId): boolean;
  /** Revisions that something running or queued needs. */
  revisionsInUse(): Set<Revision>;
  /** No new starts; running ones get `graceMs`, then SIGTERM, then SIGKILL. Resolves when all are recorded. */
  stop(graceMs: number): Promise<void>;
}

export function createExecutor(deps: ExecutorDeps): Executor {
  const { clock, newId, history, runner, log } = deps;
  const queue = createQueue(clock);
  const running = new Map<ExecutionId, Attempt>();
  /** Work that ends with an end on record. */
  const unfinished = new Set<Promise<void>>();
  /** All that is queued or running, by batch. */
  const openOf = new Map<BatchName, Set<ExecutionId>>();
  /** Of each of them the runs whose logs it, or what follows it, may read: its own, and those that it comes after. */
  const reads = new Map<ExecutionId, readonly RunId[]>();
  /** How many read a run. */
  const readers = new Map<RunId, number>();
  /** Of a start that waits for a place: the row of the due times that it missed meanwhile. */
  const gaps = new Map<ExecutionId, Execution>();
  let stopping = false;
  const batchOf = (name: BatchName) => deps.definition(name)?.batch ?? null;
  const refuse = (execution: Execution, reason: AbortedReason, message: string) =>
    finish(abort(execution, reason, message));
  const followUps = createFollowUps({ history, graph: deps.graph, batchOf, fresh, take, refuse });

  function due(batch: Batch, decision: DueDecision): void {
    if (stopping) return;
    const { name } = batch;
    const document = history.document(name);
    const since = decision.before === null ? (document?.lastDueAt ?? "") : new Date(decision.before).toISOString();
    const coveredUntil = new Date(decision.coveredUntil).toISOString();
    // No await before all rows are in place: every write of the document from here on holds the mark and its rows.
    history.cover(name, coveredUntil, coveredUntil);
    const waiting = decision.start === null ? null : waitingFor(batch);
    if (waiting !== null && decision.start !== null) return merge(waiting, decision.start, decision.missed?.count ?? 1);
    if (decision.missed !== null) record(missedRow(name, decision.missed));
    if (decision.start === null) return;
    const dueAt = new Date(decision.start).toISOString();
    // Only after the clock was set back by more than a day: it has been started already.
    if (
      document?.executions.some(
        (row) => row.trigger.kind === "cron" && row.trigger.dueAt === dueAt && row.missed === undefined,
      )
    )
      return;
    const execution = fresh(name, { kind: "cron", dueAt: decision.start, by: null });
    if (batch.after.length === 0) return take(execution);
    const known = since === "" || since > dueAt ? (document?.firstSeenAt ?? "") : since;
    const { refused, previous } = permitOwnTime(batch, known, (other) => history.document(other)?.executions ?? []);
    if (refused === null) take({ ...execution, previous });
    else void refuse(execution, refused.reason, refused.message);
  }

  /** An earlier start of the batch that has found no place yet and may stand for a newer one. */
  function waitingFor(batch: Batch): Execution | null {
    const [id, ...others] = openOf.get(batch.name) ?? [];
    const execution = id === undefined || others.length > 0 ? undefined : history.find(id);
    return execution !== undefined && standsIn(batch, execution) ? execution : null;
  }

  /**
   * The one that waits stands for the latest due time from now on; one row tells of all that it missed. Neither is written for its own
   * sake: what is on disk is the one that waits and its due time, from where the next agent would count the same again. Where thousands
   * wait, writing all of them at each of their due times left no time to start any.
   */
  function merge(waiting: Execution, start: EpochMs, count: number): void {
    const earlier = gaps.get(waiting.id);
    const from = Date.parse(earlier?.missed?.from ?? waiting.trigger.dueAt);
    const row = missedRow(waiting.batch, { from, to: start, count: (earlier?.missed?.count ?? 1) + count });
    const told =
      earlier === undefined ? row : { ...row, id: earlier.id, run: earlier.run, createdAt: earlier.createdAt };
    gaps.set(waiting.id, told);
    const { notBefore: _past, ...rest } = waiting;
    history.show({ ...rest, trigger: { ...waiting.trigger, dueAt: new Date(start).toISOString() } });
    history.show(told);
  }

  async function manual(name: string): Promise<TriggerAnswer> {
    const definition = deps.definition(name as BatchName);
    if (stopping) return { error: "the agent is being stopped" };
    if (definition === null) return { error: `there is no batch ${name}, or it has problems` };
    if (!definition.batch.enabled) return { error: `${name} is disabled` };
    const execution = fresh(definition.batch.name, { kind: "manual", dueAt: clock.now(), by: null });
    take(execution);
    await history.save(history.find(execution.id) ?? execution).catch(() => undefined);
    const note = aloneNote(definition.batch);
    return { id: execution.id, ...(note === null ? {} : { note }) };
  }

  /** A new execution, on its way as far as it may go now. */
  function take(execution: Execution): void {
    const { batch, id } = execution;
    const open = [...(openOf.get(batch) ?? [])];
    const verdict = admit(batchOf(batch), open.length, queue.held(batch) !== undefined);
    if (verdict.kind === "abort") return void refuse(execution, verdict.reason, verdict.message);
    if (verdict.kind === "replace") open.forEach(replace);
    enter(execution);
    history.show(execution);
    if (verdict.kind === "start" || openOf.get(batch)?.size === 1) enqueue(id);
    else queue.hold(execution);
    // One that started, or was refused, at once is recorded by that; a waiting one must not be lost with the agent.
    if (history.find(id) === execution) record(execution);
  }

  function replace(id: ExecutionId): void {
    const attempt = running.get(id);
    if (attempt !== undefined) return attempt.stop("replaced");
    const waiting = history.find(id);
    if (waiting?.status === "queued") void refuse(waiting, "replaced", "a newer start took its place");
  }

  function fresh(
    name: BatchName,
    trigger: { kind: TriggerKind; dueAt: EpochMs; by: ExecutionId | null },
    run?: RunId,
  ): Execution {
    const now = clock.now();
    const definition = deps.definition(name);
    const [revision, commit] = [definition?.revision ?? null, definition?.commit ?? null];
    return createExecution({
      id: newId(now) as ExecutionId,
      batch: name,
      revision,
      commit,
      trigger,
      now,
      ...(run === undefined ? {} : { run }),
    });
  }

  function missedRow(name: BatchName, missed: NonNullable<DueDecision["missed"]>): Execution {
    const [from, to] = [new Date(missed.from).toISOString(), new Date(missed.to).toISOString()];
    const times = missed.count === 1 ? `1 due time: ${from}` : `${missed.count} due times from ${from} to ${to}`;
    return {
      ...abort(fresh(name, { kind: "cron", dueAt: missed.to, by: null }), "missed", `missed ${times}`),
      missed: { from, to, count: missed.count },
    };
  }

  function abort(execution: Execution, reason: AbortedReason, message: string): Execution {
    return transition(execution, { kind: "abort", at: clock.now(), reason, message });
  }

  /** Writes in the background; the history itself tries again and says so when it cannot. */
  function record(execution: Execution): void {
    history.save(execution, expired(execution)).catch(() => undefined);
  }

  function expired(execution: Execution): ExecutionId[] {
    const document = history.document(execution.batch);
    const keep = batchOf(execution.batch)?.keep ?? mostKept;
    if (document === undefined || (document.executions.length <= keep.executions && keep.ageMs === null)) return [];
    return selectExpired(document, keep, isRunOpen, clock.now()).filter((id) => id !== execution.id);
  }

  function isRunOpen(run: RunId): boolean {
    return readers.has(run);
  }

  function enter({ batch, id, run, previous = [] }: Execution): void {
    openOf.set(batch, (openOf.get(batch) ?? new Set()).add(id));
    const runs = [run, ...previous.flatMap((before) => history.find(before)?.run ?? [])];
    reads.set(id, runs);
    for (const one of runs) readers.set(one, (readers.get(one) ?? 0) + 1);
  }

  /** Out of whatever it waited in; what waited for it may go on. */
  function leave(execution: Execution): void {
    const { batch, id } = execution;
    const open = openOf.get(batch);
    open?.delete(id);
    if (open?.size === 0) openOf.delete(batch);
    for (const run of reads.get(id) ?? []) {
      const others = (readers.get(run) ?? 1) - 1;
      if (others > 0) readers.set(run, others);
      else readers.delete(run);
    }
    reads.delete(id);
    queue.leave(execution);
    gaps.delete(id);
    const next = history.find(queue.held(batch) ?? "");
    if (next === undefined || open?.size !== 1) return;
    queue.leave(next);
    // It was asked to wait: how late it is counts from now.
    history.show({ ...next, notBefore: new Date(clock.now()).toISOString() });
    enqueue(next.id);
  }

  /** A final execution: recorded, followed by its next attempt if it has one, else by what comes after it in its run. */
  async function finish(ended: Execution): Promise<void> {
    const now = clock.now();
    const execution = { ...ended, unusual: judgeUnusual(ended, history.document(ended.batch)?.executions ?? []) };
    const batch = batchOf(execution.batch);
    const retry = batch?.enabled === true ? batch.retry : null;
    const next = nextAttempt(execution, retry, { id: newId(now) as ExecutionId, now });
    const followed = next === null && followUps.isDue(execution);
    const notifyDue = next === null ? (deps.notifier?.decide(execution) ?? null) : null;
    const final: Execution = {
      ...execution,
      ...(followed ? { followUpsDue: true } : {}),
      ...(notifyDue === null ? {} : { notifyDue }),
    };
    // Whatever writes the document from here on writes the end and the next attempt: no crash comes between the two.
    history.show(final);
    if (next !== null) {
      enter(next);
      history.show(next);
      if (!stopping) delay(next);
    }
    leave(execution);
    log[execution.status === "failed" ? "warn" : "info"](`execution ${execution.status}`, {
      batch: execution.batch,
      id: execution.id,
      ...(execution.reason === null ? {} : { reason: execution.reason, detail: execution.message }),
      durationMs: execution.durationMs,
    });
    const recorded = history.save(final, expired(final));
    const saved = recorded.catch(() => undefined);
    if (notifyDue !== null)
      void recorded.catch(() => history.written(final.batch)).then(() => deps.notifier?.take(final));
    // In the same breath, so that nobody sees a run that looks over and is not. Should the agent die before either is on
    // disk, this one is still `running` there, and is taken over, or its follow-ups are due.
    if (followed && !stopping) await followUps.carryOut(final);
    await saved;
  }

  function delay({ id, batch, notBefore }: Execution): void {
    // More than its retry may wait was left by a clock that stood wrong.
    const leftMs = Math.min(Date.parse(notBefore ?? "") - clock.now(), batchOf(batch)?.retry?.maxDelayMs ?? 0);
    if (leftMs > 0) queue.delay(id, leftMs, () => enqueue(id));
    else enqueue(id);
  }

  function enqueue(id: ExecutionId): void {
    queue.push(id);
    pump();
  }

  function pump(): void {
    while (!stopping && running.size < deps.maxParallel) {
      const id = queue.shift();
      if (id === undefined) return;
      const execution = history.find(id);
      if (execution?.status === "queued") begin(execution);
    }
  }

  function begin(queued: Execution): void {
    const now = clock.now();
    const definition = deps.definition(queued.batch);
    const dueAt = Date.parse(queued.trigger.dueAt) + (definition?.batch.schedule?.jitterMs ?? 0);
    // Only a due time can be missed: what follows another execution comes when it comes.
    const startsAt =
      queued.trigger.kind !== "cron" ? now : queued.notBefore === undefined ? dueAt : Date.parse(queued.notBefore);
    const verdict = admitQueued(definition?.batch ?? null, startsAt, now);
    if (definition === null || verdict.kind === "abort") {
      const [reason, message] =
        verdict.kind === "abort" ? [verdict.reason, verdict.message] : (["disabled", ""] as const);
      void refuse(queued, reason, message);
      return;
    }
    const { revision, commit, batch } = definition;
    const execution = {
      ...transition(queued, { kind: "start", at: now, revision, commit, boot: runner.boot }),
      timeoutMs: batch.timeoutMs,
    };
    // Recorded before the process exists: whatever happens now, this due time is never started again.
    let fault: string | null = null;
    const recorded = history.save(execution).then(async () => {
      fault = (await deps.checkRevision?.(batch.name, revision)) ?? null;
    });
    const previous = () => (execution.previous ?? []).flatMap((id) => history.find(id) ?? []);
    follow(execution, {
      recorded,
      launch: () => runner.start(buildOrder(execution, batch, previous(), fault)),
      timeoutMs: batch.timeoutMs,
      onUnrecorded: () => backOff(queued),
    });
  }

  function follow(
    execution: Execution,
    how: { recorded: Promise<void> | null; launch(): Promise<Running>; timeoutMs: number | null; onUnrecorded(): void },
  ): void {
    const { recorded, launch, timeoutMs } = how;
    let unrecorded = false;
    void recorded?.catch(() => (unrecorded = true));
    const attempt = createAttempt(execution, {
      clock,
      log,
      recorded,
      launch,
      timeoutMs,
      onSeen: history.show,
    });
    running.set(execution.id, attempt);
    // The next in line has its place as soon as the process is gone, while the end is being written.
    const giveUpPlace = () => {
      running.delete(execution.id);
      pump();
    };
    const finished = attempt.ended
      .then(
        (ended) => {
          const recorded = finish(ended);
          giveUpPlace();
          return recorded;
        },
        (error: unknown) => {
          if (unrecorded) how.onUnrecorded();
          giveUpPlace();
          // Whatever else went wrong, it may have been started: it stays on record as running, and is never started again.
          if (!unrecorded) throw error;
        },
      )
      .catch((error: unknown) =>
        log.error("an execution could not be ended in order", {
          batch: execution.batch,
          id: execution.id,
          error: String(error),
        }),
      )
      .finally(() => unfinished.delete(finished));
    unfinished.add(finished);
  }

  /** It could not be recorded, so it must not run: it waits until its history can be written. Others go on. */
  function backOff(queued: Execution): void {
    history.show(queued);
    void history.written(queued.batch).then(() => {
      if (history.find(queued.id)?.status === "queued") enqueue(queued.id);
    });
  }

  function resume(): void {
    const open = history.names().flatMap((name) => (history.document(name)?.executions ?? []).filter(isOpen));
    open.forEach(enter);
    const left = open.filter(({ status }) => status === "running");
    const adopted = runner.adopt(left);
    for (const execution of left) {
      log.info("taking over an execution", { batch: execution.batch, id: execution.id });
      const { timeoutMs = batchOf(execution.batch)?.timeoutMs ?? null } = execution; // what it was started with, whatever the batch is by now
      const ranMs = Math.max(0, clock.now() - Date.parse(execution.startedAt ?? ""));
      const launch = async () => (await adopted).get(execution.id) ?? unadopted(execution.id);
      follow(execution, {
        recorded: null,
        launch,
        timeoutMs: timeoutMs === null ? null : timeoutMs - ranMs,
        onUnrecorded: () => undefined,
      });
    }
    const queued = open.filter(({ status }) => status === "queued").sort((a, b) => (a.id < b.id ? -1 : 1));
    for (const execution of queued) {
      const concurrency = batchOf(execution.batch)?.concurrency;
      const alone = openOf.get(execution.batch)?.size === 1;
      if (execution.notBefore !== undefined) delay(execution);
      else if (alone || concurrency === "allow" || queue.held(execution.batch) !== undefined) enqueue(execution.id);
      else {
        queue.hold(execution);
        // Said again, to what has not ended meanwhile: who was told to make room has not heard it if the agent died in between.
        const earlier = [...(openOf.get(execution.batch) ?? [])].filter((id) => running.has(id));
        if (concurrency === "replace") clock.after(0, () => earlier.forEach((id) => running.get(id)?.stop("replaced")));
      }
    }
    pump();
    // What an earlier agent did not get round to: the run goes on from there.
    for (const name of history.names()) {
      for (const execution of history.document(name)?.executions ?? [])
        if (execution.followUpsDue === true) void followUps.carryOut(execution);
    }
  }

  function unadopted(id: ExecutionId): never {
    throw new InvariantError(`the runner has not taken over execution ${id}`);
  }

  async function stop(graceMs: number): Promise<void> {
    stopping = true;
    queue.stopDelays();
    const all = () => Promise.all(unfinished);
    if (await within(all(), graceMs)) return;
    for (const attempt of running.values()) attempt.stop("shutdown", killAtShutdownMs);
    // A process that not even SIGKILL ends (it hangs in the kernel) is left to the next agent.
    await within(all(), killAtShutdownMs + lastWaitMs);
  }

  function within(work: Promise<unknown>, ms: number): Promise<boolean> {
    return new Promise((done) => {
      const cancel = clock.after(ms, () => done(false));
      void work.finally(() => {
        cancel();
        done(true);
      });
    });
  }

  return {
    due,
    manual,
    resume,
    counts: () => ({ running: running.size, queued: queue.size() }),
    isRunOpen,
    revisionsInUse: () => new Set([...running.values()].flatMap((attempt) => attempt.execution().revision ?? [])),
    stop,
  };
}

/** What to know of a start by hand of a batch that otherwise follows others; null where there is nothing. */
function aloneNote({ name, after, schedule, input }: Batch): string | null {
  if (after.length === 0 || (schedule !== null && input === "none")) return null;
  const missing =
    input === "previous" ? "its stdin is empty and no BATCH_PREVIOUS_* is set" : "no BATCH_PREVIOUS_* is set";
  return `${name} runs after ${after.join(", ")}: started by itself, ${missing}`;
}
