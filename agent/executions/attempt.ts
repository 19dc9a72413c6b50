// One execution from its start, or its adoption, to its recorded end. Ends it when told to; the first reason wins.
import type { Clock } from "../async/clock.ts";
import { countdown } from "../async/countdown.ts";
import type { Logger } from "../logger.ts";
import type { Cancelled, Execution, FinishedBy } from "../model/execution.ts";
import type { Look, Running } from "../runners/port.ts";
import { endingEvent, transition } from "./execution.ts";
import { lookInterval } from "./look-interval.ts";
import { parseProgress, isSameProgress } from "./progress.ts";

/** Between SIGTERM and SIGKILL. */
const killAfterMs = 10_000;

export interface Attempt {
  /** As it stands now. */
  execution: () => Execution;
  /**
   * SIGTERM to everything it started now, SIGKILL after `patienceMs`. The first reason and the shorter patience
   * count.
   */
  stop: (reason: FinishedBy, patienceMs?: number) => void;
  /**
   * Ends it because somebody asked for that. One that has ended by itself keeps its end; what follows it may still be
   * cancelled.
   */
  cancel: (cancelled: Cancelled) => void;
  /** Returns whether it has ended, though that may not be recorded yet. */
  isOver: () => boolean;
  /** Resolves with the final execution; rejects, with nothing started, when the start could not be recorded. */
  ended: Promise<Execution>;
}

export interface AttemptDeps {
  clock: Clock;
  log: Logger;
  /** Resolves when the start is recorded; null for one that an earlier agent has started. */
  recorded: Promise<void> | null;
  launch: () => Promise<Running>;
  /** Called when its pid, its place, its progress or what it waits for is known, or another than before. */
  onSeen: (execution: Execution) => void;
  /** Called when a remote runner has started its script. */
  onStarted: (execution: Execution) => void;
  /** Exit codes that are success. */
  successCodes: readonly number[];
  /** Time it has from now on; null for all it wants. */
  timeoutMs: number | null;
  /** Number of attempts that are looked at at the same time. */
  count: () => number;
}

/** Follows an execution to its end. It is launched once its start is recorded, unless it was stopped before. */
export function createAttempt(started: Execution, deps: AttemptDeps): Attempt {
  const { clock, log } = deps;
  let execution = started;
  let running: Running | null = null;
  let isOver = false;
  let isCut = false;
  let asked: { reason: FinishedBy; patienceMs: number } | null = null;
  const stopAsked = () => asked; // it may be set while something is awaited
  let cancelTimeout: () => void = () => undefined;
  let cancelPoll: () => void = () => undefined;

  function stop(reason: FinishedBy, patienceMs = killAfterMs): void {
    if (isOver && asked === null) return; // it has ended by itself already
    if (asked === null) log.info("ending an execution", { batch: started.batch, id: started.id, reason });
    asked = { reason: asked?.reason ?? reason, patienceMs: Math.min(patienceMs, asked?.patienceMs ?? Infinity) };
    running?.stop(asked.reason, patienceMs);
  }

  /** Looks at its logs and its progress at intervals, until nothing of it is left: what it still writes is cut too. */
  function watch(startedAt: number): void {
    const hasStarted = execution.status !== "queued";
    const intervalMs = lookInterval(hasStarted ? clock.now() - startedAt : null, deps.count());
    cancelPoll = clock.after(intervalMs, () => {
      void see().then(() => {
        if (isOver) return;
        if (isCut) stop("log-limit");
        watch(startedAt);
      });
    });
  }

  async function see(): Promise<Look | null> {
    if (running === null) return null;
    const look = await running.look();
    if (execution.status === "queued" && look.startedAt != null) begin(look.startedAt, look.place);
    const before = execution;
    isCut ||= look.cut;
    if (look.place !== null && !isSamePlace(look.place, execution.place))
      execution = { ...execution, place: look.place };
    if (execution.status === "queued" && look.waitingFor !== (execution.waitingFor ?? null))
      execution = { ...execution, waitingFor: look.waitingFor };
    const { pid } = running.ref;
    if (pid !== null && pid !== execution.pid) execution = { ...execution, pid };
    if (look.truncated.length > 0 && execution.outputTruncated !== true) {
      log.warn("a log got shorter while its execution ran", { batch: started.batch, id: started.id });
      execution = { ...execution, outputTruncated: true, message: truncatedMessage(look.truncated) };
    }
    const progress = progressOf(look.progress);
    if (progress !== null && !isSameProgress(progress, execution.progress)) execution = { ...execution, progress };
    if (execution !== before && !isOver) deps.onSeen(execution);
    return look;
  }

  /** A remote runner has started it: its timeout counts from now. */
  function begin(at: number, place: Look["place"]): void {
    const { revision, commit } = execution;
    if (revision === null) return;
    execution = { ...transition(execution, { kind: "start", at, revision, commit, boot: null }), place };
    deps.onStarted(execution);
    if (deps.timeoutMs === null) return;
    // The other machine's clock may be wrong.
    const ranMs = clock.now() - Math.max(at, Date.parse(execution.askedAt ?? ""));
    const leftMs = deps.timeoutMs - Math.max(0, ranMs);
    if (!isOver) cancelTimeout = countdown(clock, Math.max(0, leftMs), () => stop("timeout"));
  }

  function progressOf(told: Look["progress"]): Execution["progress"] {
    if (told === null) return null;
    // A file's time may be set to anything.
    const at = Math.min(clock.now(), Math.max(told.changedAt, Date.parse(execution.startedAt ?? "")));
    return parseProgress(told.text, new Date(at).toISOString());
  }

  async function follow(): Promise<Execution> {
    // One that was replaced or cancelled needs no record to have been: it ends as it would have.
    if (deps.recorded !== null)
      await deps.recorded.catch((error: unknown) => {
        if (stopAsked()?.reason !== "replaced" && stopAsked()?.reason !== "cancelled") throw error;
      });
    const early = stopAsked();
    if (early !== null) {
      const bytes = { stdoutBytes: 0, stderrBytes: 0 };
      const lost = { kind: "lost", finishedAt: clock.now(), ...bytes } as const;
      isOver = true;
      return transition(execution, endingEvent(lost, early.reason, deps.successCodes, execution.cancelled?.message));
    }
    running = await deps.launch();
    // by an earlier agent
    if (running.stopReason !== null) asked = { reason: running.stopReason, patienceMs: killAfterMs };
    const late = stopAsked();
    if (late !== null) running.stop(late.reason, late.patienceMs);
    const { pid } = running.ref;
    if (pid !== null && pid !== execution.pid) {
      execution = { ...execution, pid };
      deps.onSeen(execution);
    }
    if (deps.timeoutMs !== null && execution.status === "running")
      cancelTimeout = countdown(clock, deps.timeoutMs, () => stop("timeout"));
    watch(Date.parse(execution.startedAt ?? "") || clock.now());
    const ending = await running.ended;
    isOver = true;
    cancelTimeout();
    cancelPoll();
    const look = await see();
    const by = running.stopReason; // the runner knows whether it had ended by itself before it was asked to end it
    const reason = by ?? (isCut ? "log-limit" : null);
    // Its shell leaves no word when it is killed too; but it is known who did it.
    const how =
      ending.kind === "lost" && by !== null ? ({ ...ending, kind: "signal", signal: "SIGKILL" } as const) : ending;
    const end = { ...how, ...look?.sizes };
    const final = transition(execution, endingEvent(end, reason, deps.successCodes, execution.cancelled?.message));
    if (execution.outputTruncated !== true) return final;
    const note = execution.message ?? "";
    return { ...final, message: final.message === null || final.message === note ? note : `${final.message}; ${note}` };
  }

  function cancel(cancelled: Cancelled): void {
    execution = { ...execution, cancelled };
    stop("cancelled");
  }

  return { execution: () => execution, stop, cancel, isOver: () => isOver, ended: follow() };
}

function isSamePlace(a: NonNullable<Look["place"]>, b: Execution["place"]): boolean {
  return b != null && a.node === b.node && a.pod === b.pod;
}

function truncatedMessage(streams: readonly string[]): string {
  return (
    `${streams.join(" and ")} got shorter while it ran: something has opened the log anew, and what stood ` +
    "there is gone"
  );
}
