// One execution from its start, or its adoption, to its recorded end. Ends it when told to; the first reason wins.
import type { FinishedBy } from "../core/execution.ts";
import { endingEvent, transition } from "../core/execution.ts";
import type { EpochMs, Execution } from "../core/model.ts";
import type { Clock, Logger, Process } from "../ports.ts";

const lingerPollMs = 50;
/** How long what is left of a group may take to be gone after its SIGKILL. */
const lastWaitMs = 1_000;

export interface Attempt {
  /** As it stands now. */
  execution(): Execution;
  /** SIGTERM to the group now, SIGKILL after `killAfterMs`. Only the first call's reason counts. */
  stop(reason: FinishedBy, killAfterMs: number): void;
  /** Resolves with the final execution. */
  ended: Promise<Execution>;
}

/**
 * Follows a process to its end. `launch` is called at once unless it was stopped before; `onPid` when the pid is known.
 * `timeoutAt`: when it has run for too long; null for never.
 */
export function createAttempt(
  running: Execution,
  deps: {
    clock: Clock;
    log: Logger;
    /** Resolves when the start is recorded. */
    recorded: Promise<void>;
    launch(): Process;
    onPid(execution: Execution): void;
    timeout: { at: EpochMs; killAfterMs: number } | null;
  },
): Attempt {
  const { clock, log } = deps;
  let execution = running;
  let process: Process | null = null;
  let reason: FinishedBy | null = null;
  let killed = false;
  let cancelKill: () => void = () => undefined;
  let cancelTimeout: () => void = () => undefined;

  function stop(why: FinishedBy, killAfterMs: number): void {
    if (reason !== null) return;
    reason = why;
    log.info("ending an execution", { batch: running.batch, id: running.id, reason });
    process?.signal("SIGTERM");
    cancelKill = clock.after(killAfterMs, () => {
      killed = true;
      process?.signal("SIGKILL");
    });
  }

  function watchTimeout(): void {
    const { timeout } = deps;
    if (timeout === null) return;
    const leftMs = timeout.at - clock.now();
    if (leftMs <= 0) stop("timeout", timeout.killAfterMs);
    else cancelTimeout = clock.after(leftMs, watchTimeout); // timers reach a day at most
  }

  async function follow(): Promise<Execution> {
    await deps.recorded;
    if (reason !== null) {
      cancelKill();
      const bytes = { stdoutBytes: 0, stderrBytes: 0 };
      return transition(execution, endingEvent({ kind: "lost", finishedAt: clock.now(), ...bytes }, reason));
    }
    process = deps.launch();
    if (process.pid !== null && process.pid !== execution.pid) {
      execution = { ...execution, pid: process.pid };
      deps.onPid(execution);
    }
    watchTimeout();
    const ending = await process.ended;
    cancelTimeout();
    if (reason !== null) await groupGone(process);
    cancelKill();
    return transition(execution, endingEvent(ending, reason));
  }

  /** What was ended is over when its grandchildren are gone too, those that shrug off SIGTERM at its SIGKILL. */
  async function groupGone(group: Process): Promise<void> {
    let patienceMs = lastWaitMs;
    while (group.lingers() && patienceMs > 0) {
      if (killed) patienceMs -= lingerPollMs;
      await new Promise<void>((done) => void clock.after(lingerPollMs, done));
    }
  }

  return { execution: () => execution, stop, ended: follow() };
}
