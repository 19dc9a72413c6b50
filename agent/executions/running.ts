// Executions that run: recorded, launched or taken over, followed to their end. The only place here that knows the
// runner.
import type { Clock } from "../async/clock.ts";
import { InvariantError, messageOf } from "../errors.ts";
import type { HistoryReader, Recorder } from "../history/port.ts";
import type { Logger } from "../logger.ts";
import type { Batch } from "../model/batch.ts";
import type { Execution } from "../model/execution.ts";
import type { CheckedRevision } from "../model/revision.ts";
import type { BatchName, EpochMs, ExecutionId, Revision } from "../model/ids.ts";
import type { Runner, Running } from "../runners/port.ts";
import { createAttempt, type Attempt } from "./attempt.ts";
import { buildOrder } from "./order.ts";

export interface RunningDeps {
  clock: Clock;
  log: Logger;
  recorder: Recorder;
  reader: Pick<HistoryReader, "find" | "run">;
  runner: Runner;
  /** Checks before a start that a revision is what it was, and puts it right. Never rejects. */
  checkRevision?: (name: BatchName, revision: Revision) => Promise<CheckedRevision>;
}

/** Describes what the executor does about the end of one. */
export interface RunningEvents {
  /** Called when its start is on record and it is launched; not for one that was running when it was taken over. */
  onLaunch: (execution: Execution) => void;
  /** Returns what is recorded of one that a remote runner has started. */
  asStarted: (execution: Execution) => Execution;
  /** Called with its final status; resolves when that is on record. */
  onEnded: (ended: Execution) => Promise<void>;
  /** Called when its start could not be recorded, so that it has none. */
  onUnrecorded: () => void;
  /** Called when its slot is free. */
  onFree: () => void;
}

export class RunningExecutions {
  readonly #deps: RunningDeps;
  readonly #attempts = new Map<ExecutionId, Attempt>();
  /** Work that ends with an end on record. */
  readonly #unfinished = new Set<Promise<void>>();

  constructor(deps: RunningDeps) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#attempts.size;
  }

  get(id: ExecutionId): Attempt | undefined {
    return this.#attempts.get(id);
  }

  attempts(): Attempt[] {
    return [...this.#attempts.values()];
  }

  /** Resolves once all that has ended by then is on record. */
  async settled(): Promise<void> {
    await Promise.all(this.#unfinished);
  }

  /** Records a start, then launches it: whatever happens from then on, this due time is never started again. */
  start(execution: Execution, batch: Batch, events: RunningEvents): void {
    const { recorder, reader, runner, log, checkRevision } = this.#deps;
    const written = recorder.commit([{ kind: "put", execution }]);
    let inputs: readonly Execution[] = [];
    let checked: CheckedRevision | undefined;
    const recorded = written.then(async () => {
      // Whatever it comes after is durable by now, and as shown.
      const found = await Promise.all((execution.previous ?? []).map((id) => reader.find(id)));
      inputs = found.flatMap((one) => one ?? []);
      checked = await checkRevision?.(batch.name, execution.revision as Revision);
    });
    const launch = () => {
      if (execution.status === "running") {
        logStart(execution, log);
        events.onLaunch(execution);
      }
      return runner.start(buildOrder(execution, batch, inputs, checked?.fault ?? null));
    };
    const release = () => checked?.release?.();
    const { timeoutMs, successCodes } = batch;
    this.#follow(execution, { written, recorded, launch, release, timeoutMs, successCodes }, events);
  }

  /**
   * Takes over executions that an earlier agent left running, all at once. `termsOf`: the timeout that each was started
   * with, and the exit codes that are success now.
   */
  adopt(
    executions: readonly Execution[],
    termsOf: (execution: Execution) => Pick<Batch, "timeoutMs" | "successCodes">,
    events: (execution: Execution) => RunningEvents,
  ): void {
    const { clock, log, runner } = this.#deps;
    const adopted = runner.adopt(executions);
    for (const execution of executions) {
      const { batch, id, run } = execution;
      log.info("taking over an execution", { batch, id, run });
      const { timeoutMs, successCodes } = termsOf(execution);
      const ranMs = ranFor(execution, clock.now());
      const leftMs = timeoutMs === null ? null : timeoutMs - ranMs;
      const launch = async () =>
        (await adopted).get(id) ?? (execution.status === "queued" ? Promise.reject(new NotAsked()) : unadopted(id));
      const how = { written: null, recorded: null, launch, timeoutMs: leftMs, successCodes };
      this.#follow(execution, how, events(execution));
    }
  }

  #follow(
    execution: Execution,
    how: {
      /** Resolves when its start is durable; null where it was taken over, as `recorded` then. */
      written: Promise<void> | null;
      recorded: Promise<void> | null;
      launch: () => Promise<Running>;
      /** Called once it has ended, before that is recorded. */
      release?: () => Promise<void> | undefined;
      timeoutMs: number | null;
      successCodes: readonly number[];
    },
    { onLaunch, asStarted, onEnded, onUnrecorded, onFree }: RunningEvents,
  ): void {
    const { clock, log, recorder } = this.#deps;
    let unrecorded = false;
    void how.written?.catch(() => (unrecorded = true));
    const attempt = createAttempt(execution, {
      clock,
      log,
      recorded: how.recorded,
      launch: how.launch,
      successCodes: how.successCodes,
      timeoutMs: how.timeoutMs,
      count: () => this.#attempts.size,
      onSeen: (seen) => void recorder.commit([{ kind: "put", execution: asRecorded(seen, recorder) }], { lazy: true }),
      onStarted(started) {
        const noted = asStarted(asRecorded(started, recorder));
        // People hear of it once it is durable.
        const written = recorder.commit([{ kind: "put", execution: noted }]).catch(() => recorder.durable());
        logStart(noted, log);
        void written.then(() => onLaunch(noted));
      },
    });
    this.#attempts.set(execution.id, attempt);
    // The next in line has its slot as soon as the process is gone, while the end is being written.
    const releaseSlot = () => {
      this.#attempts.delete(execution.id);
      onFree();
    };
    const finished = attempt.ended
      .finally(how.release)
      .then(
        (ended) => {
          const recorded = onEnded(ended);
          releaseSlot();
          return recorded;
        },
        (error: unknown) => {
          unrecorded ||= error instanceof NotAsked;
          if (unrecorded) onUnrecorded();
          releaseSlot();
          // Whatever else went wrong, it may have been started: it stays on record as running, and is never started
          // again.
          if (!unrecorded) throw error;
        },
      )
      .catch((error: unknown) =>
        log.error("failed to finish an execution", {
          batch: execution.batch,
          id: execution.id,
          run: execution.run,
          error: messageOf(error),
        }),
      )
      .finally(() => this.#unfinished.delete(finished));
    this.#unfinished.add(finished);
  }
}

/** A queued execution was taken over that its runner has never been asked for. */
class NotAsked extends Error {}

/** Another machine's clock may be wrong: it has not run for longer than since it was asked for. */
function ranFor({ startedAt, askedAt }: Execution, now: EpochMs): number {
  if (startedAt === null) return 0;
  return Math.max(0, now - Math.max(Date.parse(startedAt), Date.parse(askedAt ?? startedAt)));
}

function logStart({ batch, id, run, trigger, attempt }: Execution, log: Logger): void {
  log.info("execution started", { batch, id, run, trigger: trigger.kind, attempt });
}

/** The same with what others have put on its record since it was taken: that it is late, heartbeats still due. */
export function asRecorded(execution: Execution, recorder: Pick<Recorder, "current">): Execution {
  const { late, pingDue } = recorder.current(execution.id) ?? execution;
  const { pingDue: _stale, ...rest } = execution;
  return { ...rest, ...(late === true ? { late } : {}), ...(pingDue === undefined ? {} : { pingDue }) };
}

function unadopted(id: ExecutionId): never {
  throw new InvariantError(`the runner has not taken over execution ${id}`);
}
