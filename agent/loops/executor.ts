// Takes starts from due to done: record, wait for a place, run, record the end, keep the history within bounds.
import { admit, admitQueued } from "../core/admit.ts";
import { permitOwnTime, planFollowUps } from "../core/chain.ts";
import type { DueDecision } from "../core/catchup.ts";
import { batchEnvironment } from "../core/environment.ts";
import { createExecution, isOpen, nextAttempt, transition } from "../core/execution.ts";
import type { Graph } from "../core/graph.ts";
import type { AbortedReason, Batch, BatchName, EpochMs, Execution, ExecutionId, Revision, RunId, TriggerKind } from "../core/model.ts";
import { selectExpired } from "../core/retention.ts";
import type { Clock, History, Logger, NewId, Process, Runner, TriggerAnswer } from "../ports.ts";
import { createAttempt, type Attempt } from "./attempt.ts";

const defaultKeep = { executions: 100, ageMs: null };
/** Between a group's SIGTERM and its SIGKILL. */
const killAfterMs = 10_000;
/** The same at shutdown; with the grace of 25 s it fits Kubernetes' 30 s. */
const killAtShutdownMs = 4_000;
const lastWaitMs = 2_000;
const pauseMs = 1_000;

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
  /** Absolute paths of a batch's own places. */
  paths: { revision(revision: Revision): string; state(name: BatchName): string; execution(name: BatchName, id: ExecutionId): string };
  /** The agent's share of a script's environment. */
  baseEnv: Readonly<Record<string, string>>;
}

export interface Executor {
  /** Records what the scheduler decided and sees to the start. */
  due(batch: Batch, decision: DueDecision): void;
  /** Starts a batch because someone asks for it, as the root of a run of its own; the execution's id once it is recorded. */
  manual(name: string): Promise<TriggerAnswer>;
  /** Takes over what an earlier agent left queued or running. Call once, before the scheduler starts. */
  resume(): void;
  counts(): { running: number; queued: number };
  openRuns(): ReadonlySet<RunId>;
  /** Revisions that something running or queued needs. */
  revisionsInUse(): Set<Revision>;
  /** No new starts; running ones get `graceMs`, then SIGTERM, then SIGKILL. Resolves when all are recorded. */
  stop(graceMs: number): Promise<void>;
}

export function createExecutor(deps: ExecutorDeps): Executor {
  const { clock, newId, history, runner, log } = deps;
  /** Waiting for a place, first come first served. */
  const queue: ExecutionId[] = [];
  /** Waiting for what else is open of their batch to end, one a batch at most. */
  const held = new Map<BatchName, ExecutionId>();
  /** Waiting for their delay to be over: what takes back the timer. */
  const delayed = new Map<ExecutionId, () => void>();
  const running = new Map<ExecutionId, { attempt: Attempt; done: Promise<void> }>();
  /** All of the above, by batch. */
  const openOf = new Map<BatchName, Set<ExecutionId>>();
  let stopping = false;
  let paused = false;

  function due(batch: Batch, decision: DueDecision): void {
    if (stopping) return;
    const { name } = batch;
    const document = history.document(name);
    const since = document?.schedule?.coveredUntil ?? document?.firstSeenAt ?? "";
    // No await before all rows are in place: every write of the document from here on holds the watermark and its rows.
    history.cover(name, new Date(decision.coveredUntil).toISOString());
    if (decision.missed !== null) record(missedRow(name, decision.missed));
    if (decision.start === null) return;
    const execution = fresh(name, { kind: "cron", dueAt: decision.start, by: null });
    if (batch.after.length === 0) return take(execution);
    const { refused, previous } = permitOwnTime(batch, since, (other) => history.document(other)?.executions ?? []);
    if (refused === null) take({ ...execution, previous });
    else void finish(abort(execution, refused.reason, refused.message));
  }

  async function manual(name: string): Promise<TriggerAnswer> {
    const definition = deps.definition(name as BatchName);
    if (stopping) return { error: "the agent is being stopped" };
    if (definition === null) return { error: `there is no batch ${name}, or it has problems` };
    if (!definition.batch.enabled) return { error: `${name} is disabled` };
    const execution = fresh(definition.batch.name, { kind: "manual", dueAt: clock.now(), by: null });
    take(execution);
    await history.save(history.find(execution.id) ?? execution).catch(() => undefined);
    return { id: execution.id };
  }

  /** A new execution, on its way as far as it may go now. */
  function take(execution: Execution): void {
    const { batch, id } = execution;
    const open = [...(openOf.get(batch) ?? [])];
    const verdict = admit(deps.definition(batch)?.batch ?? null, open.length, held.has(batch));
    if (verdict.kind === "abort") return void finish(abort(execution, verdict.reason, verdict.message));
    if (verdict.kind === "replace") open.forEach(replace);
    enter(execution);
    history.show(execution);
    if (verdict.kind === "start" || openOf.get(batch)?.size === 1) enqueue(id);
    else held.set(batch, id);
    // One that started, or was refused, at once is recorded by that; a waiting one must not be lost with the agent.
    if (history.find(id) === execution) record(execution);
  }

  function replace(id: ExecutionId): void {
    const entry = running.get(id);
    if (entry !== undefined) return entry.attempt.stop("replaced", killAfterMs);
    const waiting = history.find(id);
    if (waiting?.status === "queued") void finish(abort(waiting, "replaced", "a newer start took its place"));
  }

  function fresh(name: BatchName, trigger: { kind: TriggerKind; dueAt: EpochMs; by: ExecutionId | null }, run?: RunId): Execution {
    const now = clock.now();
    const definition = deps.definition(name);
    const [revision, commit] = [definition?.revision ?? null, definition?.commit ?? null];
    return createExecution({ id: newId(now) as ExecutionId, batch: name, revision, commit, trigger, now, ...(run === undefined ? {} : { run }) });
  }

  function missedRow(name: BatchName, missed: NonNullable<DueDecision["missed"]>): Execution {
    const [from, to] = [new Date(missed.from).toISOString(), new Date(missed.to).toISOString()];
    const times = missed.count === 1 ? `1 due time: ${from}` : `${missed.count} due times from ${from} to ${to}`;
    return { ...abort(fresh(name, { kind: "cron", dueAt: missed.to, by: null }), "missed", `missed ${times}`), missed: { from, to, count: missed.count } };
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
    const keep = deps.definition(execution.batch)?.batch.keep ?? defaultKeep;
    if (document === undefined || (document.executions.length <= keep.executions && keep.ageMs === null)) return [];
    return selectExpired(document, keep, openRuns(), clock.now()).filter((id) => id !== execution.id);
  }

  /** What follows in these may still read what has ended in them. */
  function openRuns(): Set<RunId> {
    return new Set([...openOf.values()].flatMap((ids) => [...ids].flatMap((id) => history.find(id)?.run ?? [])));
  }

  function enter({ batch, id }: Execution): void {
    openOf.set(batch, (openOf.get(batch) ?? new Set()).add(id));
  }

  /** Out of whatever it waited in; what waited for it may go on. */
  function leave({ batch, id }: Execution): void {
    const open = openOf.get(batch);
    open?.delete(id);
    if (open?.size === 0) openOf.delete(batch);
    delayed.get(id)?.();
    delayed.delete(id);
    const at = queue.indexOf(id);
    if (at >= 0) queue.splice(at, 1);
    if (held.get(batch) === id) held.delete(batch);
    const waiting = held.get(batch);
    if (waiting === undefined || open?.size !== 1) return;
    held.delete(batch);
    const execution = history.find(waiting);
    if (execution === undefined) return;
    // It was asked to wait: how late it is counts from now.
    history.show({ ...execution, notBefore: new Date(clock.now()).toISOString() });
    enqueue(waiting);
  }

  /** A final execution: recorded, followed by its next attempt if it has one, else by what comes after it in its run. */
  async function finish(execution: Execution): Promise<void> {
    const now = clock.now();
    const definition = deps.definition(execution.batch);
    const retry = definition?.batch.enabled === true ? definition.batch.retry : null;
    const next = nextAttempt(execution, retry, { id: newId(now) as ExecutionId, now });
    const followed = next === null && hasFollowUps(execution);
    const final: Execution = followed ? { ...execution, followUpsDue: true } : execution;
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
    const saved = history.save(final, expired(final)).catch(() => undefined);
    // In the same breath, so that nobody sees a run that looks over and is not. Should the agent die before either is on
    // disk, this one is still `running` there, and is taken over, or its follow-ups are due.
    if (followed && !stopping) await followUp(final);
    await saved;
  }

  function hasFollowUps({ batch, status }: Execution): boolean {
    if ((deps.graph().followers.get(batch)?.length ?? 0) > 0) return true;
    return status === "failed" && (deps.definition(batch)?.batch.onFailure ?? null) !== null;
  }

  /** Starts, or refuses, what comes next in the run. Done again after a crash, it does what is left. */
  async function followUp(finished: Execution): Promise<void> {
    const enabled = (name: string) => {
      const batch = deps.definition(name as BatchName)?.batch ?? null;
      return batch?.enabled === true ? batch : null;
    };
    const plans = planFollowUps(finished, history.run(finished.run), deps.graph(), enabled);
    const dueAt = Date.parse(finished.trigger.dueAt);
    const rows = plans.map(({ batch, kind, refused, previous }) => {
      const execution = { ...fresh(batch, { kind, dueAt, by: finished.id }, finished.run), previous };
      return { execution, refused };
    });
    // All are seen before the first moves on: a chain that joins again must not take a branch for missing.
    for (const { execution } of rows) history.show(execution);
    const refusals: Promise<void>[] = [];
    for (const { execution, refused } of rows) {
      if (refused === null) take(execution);
      else refusals.push(finish(abort(execution, refused.reason, refused.message)));
    }
    await Promise.all(refusals);
    await Promise.all(rows.map(({ execution }) => history.save(history.find(execution.id) ?? execution).catch(() => undefined)));
    const current = history.find(finished.id);
    if (current === undefined) return;
    const { followUpsDue: _done, ...settled } = current;
    await history.save(settled).catch(() => undefined);
  }

  function delay({ id, notBefore }: Execution): void {
    const leftMs = Date.parse(notBefore ?? "") - clock.now();
    if (!(leftMs > 0)) {
      delayed.delete(id);
      return enqueue(id);
    }
    const again = () => {
      const execution = history.find(id);
      if (execution?.status === "queued") delay(execution);
    };
    delayed.set(id, clock.after(leftMs, again)); // timers reach a day at most
  }

  function enqueue(id: ExecutionId): void {
    queue.push(id);
    pump();
  }

  function pump(): void {
    while (!stopping && !paused && running.size < deps.maxParallel) {
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
    const startsAt = queued.trigger.kind !== "cron" ? now : queued.notBefore === undefined ? dueAt : Date.parse(queued.notBefore);
    const verdict = admitQueued(definition?.batch ?? null, startsAt, now);
    if (definition === null || verdict.kind === "abort") {
      const [reason, message] = verdict.kind === "abort" ? [verdict.reason, verdict.message] : (["disabled", ""] as const);
      void finish(abort(queued, reason, message));
      return;
    }
    const { revision, commit, batch } = definition;
    const execution = transition(queued, { kind: "start", at: now, revision, commit, boot: runner.boot });
    // Recorded before the process exists: whatever happens now, this due time is never started again.
    const recorded = history.save(execution);
    follow(execution, batch, recorded, queued, () => launch(execution, batch));
  }

  function launch(execution: Execution, batch: Batch): Process {
    const { paths, baseEnv } = deps;
    const folder = (of: Execution) => paths.execution(of.batch, of.id);
    const previous = (execution.previous ?? []).flatMap((id) => history.find(id) ?? []);
    const outputs = previous.map((of) => ({ batch: of.batch, status: of.status, exitCode: of.exitCode, stdout: `${folder(of)}/stdout.log`, stderr: `${folder(of)}/stderr.log` }));
    const ownEnv = batchEnvironment(execution, batch, { stateDir: paths.state(execution.batch), progress: `${folder(execution)}/progress` }, outputs);
    const stdin = batch.input === "previous" ? outputs.map((output) => output.stdout) : [];
    return runner.start({ execution, cwd: paths.revision(execution.revision as Revision), baseEnv, ownEnv, envFiles: batch.envFiles, stdin });
  }

  function follow(execution: Execution, batch: Batch | null, recorded: Promise<void>, queued: Execution | null, start: () => Process): void {
    const timeoutMs = batch?.timeoutMs ?? null;
    const timeout = timeoutMs === null ? null : { at: Date.parse(execution.startedAt ?? "") + timeoutMs, killAfterMs };
    const attempt = createAttempt(execution, { clock, log, recorded, launch: start, onPid: history.show, timeout });
    const done = attempt.ended
      .then(finish, () => {
        if (queued !== null) backOff(queued);
      })
      .catch((error: unknown) => log.error("an execution could not be ended in order", { batch: execution.batch, id: execution.id, error: String(error) }))
      .finally(() => {
        running.delete(execution.id);
        pump();
      });
    running.set(execution.id, { attempt, done });
  }

  /** It could not be recorded, so it must not run: back to the queue, and a pause. */
  function backOff(queued: Execution): void {
    history.show(queued);
    queue.unshift(queued.id);
    paused = true;
    clock.after(pauseMs, () => {
      paused = false;
      pump();
    });
  }

  function resume(): void {
    const open = history.names().flatMap((name) => (history.document(name)?.executions ?? []).filter(isOpen));
    open.forEach(enter);
    for (const execution of open.filter(({ status }) => status === "running")) {
      log.info("taking over an execution", { batch: execution.batch, id: execution.id });
      const batch = deps.definition(execution.batch)?.batch ?? null;
      follow(execution, batch, Promise.resolve(), null, () => runner.adopt(execution));
    }
    const queued = open.filter(({ status }) => status === "queued").sort((a, b) => (a.id < b.id ? -1 : 1));
    for (const execution of queued) {
      const concurrency = deps.definition(execution.batch)?.batch.concurrency;
      const alone = openOf.get(execution.batch)?.size === 1;
      if (execution.notBefore !== undefined) delay(execution);
      else if (alone || concurrency === "allow" || held.has(execution.batch)) enqueue(execution.id);
      else held.set(execution.batch, execution.id);
    }
    pump();
    // What an earlier agent did not get round to: the run goes on from there.
    for (const name of history.names()) {
      for (const execution of history.document(name)?.executions ?? []) if (execution.followUpsDue === true) void followUp(execution);
    }
  }

  async function stop(graceMs: number): Promise<void> {
    stopping = true;
    for (const cancel of delayed.values()) cancel();
    const all = () => Promise.all([...running.values()].map((entry) => entry.done));
    if (await within(all(), graceMs)) return;
    for (const entry of running.values()) entry.attempt.stop("shutdown", killAtShutdownMs);
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
    counts: () => ({ running: running.size, queued: queue.length + held.size + delayed.size }),
    openRuns,
    revisionsInUse: () => new Set([...running.values()].flatMap(({ attempt }) => attempt.execution().revision ?? [])),
    stop,
  };
}
