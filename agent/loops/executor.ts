// Takes starts from due to done: record, wait for a place, run, record the end, keep the history within bounds.
import { admit, admitQueued, type Admission } from "../core/admit.ts";
import type { DueDecision } from "../core/catchup.ts";
import { batchEnvironment } from "../core/environment.ts";
import { createExecution, isOpen, transition, type ExecutionEvent } from "../core/execution.ts";
import type { Batch, BatchName, EpochMs, Execution, ExecutionId, Revision } from "../core/model.ts";
import { selectExpired } from "../core/retention.ts";
import type { Clock, Ending, History, Logger, NewId, Process, Runner } from "../ports.ts";

const defaultKeep = { executions: 100, ageMs: null };
/** Between the group's SIGTERM and its SIGKILL at shutdown; with the grace of 25 s it fits Kubernetes' 30 s. */
const killAfterMs = 4_000;
const retryStartMs = 1_000;

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
  /** What is in force for a batch; null when it has none or is gone. */
  definition(name: BatchName): Definition | null;
  /** Absolute paths of a batch's own places. */
  paths: { revision(revision: Revision): string; state(name: BatchName): string; progress(name: BatchName, id: ExecutionId): string };
  /** The agent's share of a script's environment. */
  baseEnv: Readonly<Record<string, string>>;
}

export interface Executor {
  /** Records what the scheduler decided and sees to the start. */
  due(batch: Batch, decision: DueDecision): void;
  /** Takes over what an earlier agent left queued or running. Call once, before the scheduler starts. */
  resume(): void;
  counts(): { running: number; queued: number };
  /** Revisions that something running or queued needs. */
  revisionsInUse(): Set<Revision>;
  /** No new starts; running ones get `graceMs`, then SIGTERM, then SIGKILL. Resolves when all are recorded. */
  stop(graceMs: number): Promise<void>;
}

interface Running {
  execution: Execution;
  process: Process | null;
  stopping: boolean;
  done: Promise<void>;
}

export function createExecutor(deps: ExecutorDeps): Executor {
  const { clock, newId, history, runner, log } = deps;
  /** Waiting for a place, first come first served. */
  const queue: ExecutionId[] = [];
  const running = new Map<ExecutionId, Running>();
  const openOf = new Map<BatchName, number>();
  let stopping = false;
  let pausedUntil = 0;

  function due(batch: Batch, decision: DueDecision): void {
    if (stopping) return;
    // No await before all rows are in place: every write of the document from here on holds the watermark and its rows.
    history.cover(batch.name, new Date(decision.coveredUntil).toISOString());
    if (decision.missed !== null) record(missedRow(batch.name, decision.missed));
    if (decision.start === null) return;
    const execution = fresh(batch.name, decision.start);
    const verdict = admit(deps.definition(batch.name)?.batch ?? null, openOf.get(batch.name) ?? 0);
    if (verdict.kind === "abort") return record(aborted(execution, verdict));
    count(batch.name, 1);
    history.show(execution);
    queue.push(execution.id);
    pump();
    // One that started at once is recorded by its start; a waiting one must not be lost with the agent.
    if (queue.includes(execution.id)) record(execution);
  }

  function fresh(name: BatchName, dueAt: EpochMs): Execution {
    const now = clock.now();
    const definition = deps.definition(name);
    return createExecution({
      id: newId(now) as ExecutionId,
      batch: name,
      revision: definition?.revision ?? null,
      commit: definition?.commit ?? null,
      trigger: { kind: "cron", dueAt, by: null },
      now,
    });
  }

  function missedRow(name: BatchName, missed: NonNullable<DueDecision["missed"]>): Execution {
    const [from, to] = [new Date(missed.from).toISOString(), new Date(missed.to).toISOString()];
    const times = missed.count === 1 ? `1 due time: ${from}` : `${missed.count} due times from ${from} to ${to}`;
    const row = fresh(name, missed.to);
    return {
      ...transition(row, { kind: "abort", at: clock.now(), reason: "missed", message: `missed ${times}` }),
      missed: { from, to, count: missed.count },
    };
  }

  function aborted(execution: Execution, verdict: Extract<Admission, { kind: "abort" }>): Execution {
    return transition(execution, { kind: "abort", at: clock.now(), reason: verdict.reason, message: verdict.message });
  }

  /** Writes in the background; the history itself tries again and says so when it cannot. */
  function record(execution: Execution): void {
    history.save(execution, expired(execution)).catch(() => undefined);
  }

  function expired(execution: Execution): ExecutionId[] {
    const document = history.document(execution.batch);
    if (document === undefined) return [];
    const keep = deps.definition(execution.batch)?.batch.keep ?? defaultKeep;
    return selectExpired(document, keep, clock.now()).filter((id) => id !== execution.id);
  }

  function count(name: BatchName, by: 1 | -1): void {
    const left = (openOf.get(name) ?? 0) + by;
    if (left <= 0) openOf.delete(name);
    else openOf.set(name, left);
  }

  function pump(): void {
    if (clock.now() < pausedUntil) return;
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
    const offsetMs = definition?.batch.schedule?.jitterMs ?? 0;
    const verdict = admitQueued(definition?.batch ?? null, Date.parse(queued.trigger.dueAt) + offsetMs, now);
    if (verdict.kind === "abort" || definition === null) {
      count(queued.batch, -1);
      if (verdict.kind === "abort") record(aborted(queued, verdict));
      return;
    }
    const { revision, commit } = definition;
    const execution = transition(queued, { kind: "start", at: now, revision, commit, boot: runner.boot });
    const entry: Running = { execution, process: null, stopping: false, done: Promise.resolve() };
    running.set(execution.id, entry);
    entry.done = carryOut(entry, definition, queued).finally(() => {
      running.delete(execution.id);
      pump();
    });
  }

  async function carryOut(entry: Running, { batch }: Definition, queued: Execution): Promise<void> {
    try {
      // Recorded before the process exists: whatever happens now, this due time is never started again.
      await history.save(entry.execution);
    } catch {
      backOff(queued);
      return;
    }
    const { execution } = entry;
    const { paths } = deps;
    const ownEnv = batchEnvironment(execution, batch, {
      stateDir: paths.state(execution.batch),
      progress: paths.progress(execution.batch, execution.id),
    });
    entry.process = runner.start({
      execution,
      cwd: paths.revision(execution.revision as Revision),
      baseEnv: deps.baseEnv,
      ownEnv,
      envFiles: batch.envFiles,
    });
    await follow(entry);
  }

  /** It could not be recorded, so it must not run: back to the queue, and a pause. */
  function backOff(queued: Execution): void {
    history.show(queued);
    queue.unshift(queued.id);
    pausedUntil = clock.now() + retryStartMs;
    clock.after(retryStartMs, pump);
  }

  async function follow(entry: Running): Promise<void> {
    const { process } = entry;
    if (process === null) return;
    if (process.pid !== null && process.pid !== entry.execution.pid) {
      entry.execution = { ...entry.execution, pid: process.pid };
      history.show(entry.execution);
    }
    const ending = await process.ended;
    const finished = transition(entry.execution, endingEvent(ending, entry.stopping));
    count(finished.batch, -1);
    log[finished.status === "failed" ? "warn" : "info"](`execution ${finished.status}`, {
      batch: finished.batch,
      id: finished.id,
      ...(finished.reason === null ? {} : { reason: finished.reason, detail: finished.message }),
      durationMs: finished.durationMs,
    });
    await history.save(finished, expired(finished)).catch(() => undefined);
  }

  function resume(): void {
    for (const name of history.names()) {
      for (const execution of (history.document(name)?.executions ?? []).filter(isOpen)) {
        count(name, 1);
        if (execution.status === "queued") {
          queue.push(execution.id);
          continue;
        }
        const entry: Running = { execution, process: runner.adopt(execution), stopping: false, done: Promise.resolve() };
        running.set(execution.id, entry);
        log.info("taking over an execution", { batch: name, id: execution.id });
        entry.done = follow(entry).finally(() => {
          running.delete(execution.id);
          pump();
        });
      }
    }
    queue.sort();
    pump();
  }

  async function stop(graceMs: number): Promise<void> {
    stopping = true;
    const all = () => Promise.all([...running.values()].map((entry) => entry.done));
    if (await within(all(), graceMs)) return;
    for (const entry of running.values()) {
      entry.stopping = true;
      entry.process?.signal("SIGTERM");
    }
    if (await within(all(), killAfterMs)) return;
    for (const entry of running.values()) entry.process?.signal("SIGKILL");
    await all();
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
    resume,
    counts: () => ({ running: running.size, queued: queue.length }),
    revisionsInUse: () =>
      new Set([...running.values()].flatMap(({ execution }) => execution.revision ?? [])),
    stop,
  };
}

function endingEvent(ending: Ending & { stdoutBytes: number; stderrBytes: number }, stopping: boolean): ExecutionEvent {
  const bytes = { stdoutBytes: ending.stdoutBytes, stderrBytes: ending.stderrBytes };
  const at = ending.finishedAt;
  if (stopping) {
    return { kind: "abort", at, reason: "shutdown", message: "stopped because the agent was told to stop", bytes };
  }
  const failure = { kind: "fail", at, bytes, exitCode: null, signal: null } as const;
  switch (ending.kind) {
    case "exit":
      if (ending.exitCode === 0) return { kind: "succeed", at, bytes };
      return { ...failure, reason: "exit", message: `exit code ${ending.exitCode}`, exitCode: ending.exitCode };
    case "signal":
      return { ...failure, reason: "signal", message: `ended by ${ending.signal}`, signal: ending.signal };
    case "spawn":
      return { ...failure, reason: "spawn", message: ending.message };
    case "lost":
      return { ...failure, reason: "lost", message: "it ended while no agent was watching and left no exit code" };
    default: {
      const never: never = ending;
      return never;
    }
  }
}
