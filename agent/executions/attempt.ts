// One execution from its start, or its adoption, to its recorded end. Ends it when told to; the first reason wins.
import type { Clock } from "../async/clock.ts";
import { countdown } from "../async/countdown.ts";
import type { Logger } from "../logger.ts";
import type { LogSizes } from "../logs/port.ts";
import type { Execution, FinishedBy } from "../model/execution.ts";
import type { EpochMs } from "../model/ids.ts";
import type { Process } from "../runners/port.ts";
import { endingEvent, transition } from "./execution.ts";
import { parseProgress, saysTheSame } from "./progress.ts";

const lingerPollMs = 50;
/** How long what is left of a group may take to be gone after its SIGKILL. */
const lastWaitMs = 1_000;
const lookMs = 1_000;
/** Between a group's SIGTERM and its SIGKILL. */
const killAfterMs = 10_000;

export interface Attempt {
  /** As it stands now. */
  execution(): Execution;
  /** SIGTERM to the group now, SIGKILL after `patienceMs`. Only the first call's reason counts. */
  stop(reason: FinishedBy, patienceMs?: number): void;
  /** Resolves with the final execution; rejects, without a process, when the start could not be recorded. */
  ended: Promise<Execution>;
}

export interface AttemptDeps {
  clock: Clock;
  log: Logger;
  /** Resolves when the start is recorded; null for one whose process is there already. */
  recorded: Promise<void> | null;
  launch(): Process;
  /** Called when its pid or its progress is known, or another than before. */
  onSeen(execution: Execution): void;
  /** Time it has from now on; null for all it wants. */
  timeoutMs: number | null;
  /** Cuts its logs to their limit; how long they are now and whether there was something to cut. */
  trimLogs(): Promise<LogSizes & { cut: boolean }>;
  /** What its script has last said of its progress; null where it said nothing. */
  readProgress(): Promise<{ text: string; changedAt: EpochMs } | null>;
}

/** Follows a process to its end. It is launched once its start is recorded, unless it was stopped before. */
export function createAttempt(running: Execution, deps: AttemptDeps): Attempt {
  const { clock, log } = deps;
  let execution = running;
  let process: Process | null = null;
  let over = false;
  let cut = false;
  let reason: FinishedBy | null = null;
  let killed = false;
  let ended = false;
  let cancelKill: () => void = () => undefined;
  let cancelTimeout: () => void = () => undefined;
  let cancelLook: () => void = () => undefined;

  function stop(why: FinishedBy, patienceMs = killAfterMs): void {
    if (over && reason === null) return; // it has ended by itself already
    if (reason === null) {
      reason = why;
      log.info("ending an execution", { batch: running.batch, id: running.id, reason });
      process?.sayWhy(reason);
      process?.signal("SIGTERM");
    } else if (patienceMs >= killAfterMs || killed || ended) return;
    // The first reason wins, and so does the shorter patience: at shutdown nobody is there for a later kill.
    killAfter(patienceMs);
  }

  function killAfter(patienceMs: number): void {
    cancelKill();
    cancelKill = clock.after(patienceMs, () => {
      killed = true;
      process?.signal("SIGKILL");
    });
  }

  /** Its logs and its progress, at intervals until it is gone, so that what it still writes is cut too. */
  function watch(): void {
    cancelLook = clock.after(lookMs, () => {
      void Promise.all([trim(), progress()]).then(() => {
        if (over) return;
        if (cut) stop("log-limit");
        watch();
      });
    });
  }

  async function progress(): Promise<void> {
    const said = await deps.readProgress().catch(() => null); // a script's own affair: it may be half written, or no file at all
    if (said === null) return;
    // A file's time may be set to anything.
    const at = Math.min(clock.now(), Math.max(said.changedAt, Date.parse(execution.startedAt ?? "")));
    const seen = parseProgress(said.text, new Date(at).toISOString());
    if (seen === null || saysTheSame(seen, execution.progress)) return;
    execution = { ...execution, progress: seen };
    if (!over) deps.onSeen(execution);
  }

  async function trim(): Promise<LogSizes | null> {
    try {
      const { cut: some, ...sizes } = await deps.trimLogs();
      cut ||= some;
      return sizes;
    } catch (error) {
      log.warn("logs cannot be measured", { batch: running.batch, id: running.id, error: String(error) });
      return null;
    }
  }

  async function follow(): Promise<Execution> {
    // One that a newer start has taken the place of needs no record to have been: it ends as it would have.
    if (deps.recorded !== null)
      await deps.recorded.catch((error: unknown) => {
        if (reason !== "replaced") throw error;
      });
    if (reason !== null) {
      cancelKill();
      const bytes = { stdoutBytes: 0, stderrBytes: 0 };
      return transition(execution, endingEvent({ kind: "lost", finishedAt: clock.now(), ...bytes }, reason));
    }
    process = deps.launch();
    if (process.saidWhy !== null) {
      reason = process.saidWhy; // an earlier agent was about to end it, and has sent its SIGTERM
      killAfter(killAfterMs);
    }
    if (process.pid !== null && process.pid !== execution.pid) {
      execution = { ...execution, pid: process.pid };
      deps.onSeen(execution);
    }
    if (deps.timeoutMs !== null) cancelTimeout = countdown(clock, deps.timeoutMs, () => stop("timeout"));
    watch();
    const ending = await process.ended;
    over = true;
    cancelTimeout();
    cancelLook();
    if (reason !== null) await groupGone(process);
    ended = true;
    cancelKill();
    const [sizes] = await Promise.all([trim(), progress()]);
    if (cut) reason ??= "log-limit";
    // One that was taken over leaves no word when its whole group is killed, its shell included; but it is known who did it.
    const how = ending.kind === "lost" && killed ? ({ ...ending, kind: "signal", signal: "SIGKILL" } as const) : ending;
    return transition(execution, endingEvent({ ...how, ...sizes }, reason));
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
