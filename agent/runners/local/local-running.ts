// One execution on this machine, from the moment its shell is asked for to the moment nothing of it is waited for. Owns
// its logs' sizes, the reason it is being ended for, and the end of everything that it started.
import type { Clock } from "../../async/clock.ts";
import type { Execution, FinishedBy, ProcessEnding } from "../../model/execution.ts";
import type { EpochMs } from "../../model/ids.ts";
import { shortageCount } from "../../platform/files.ts";
import type { Look, Running, RunningRef } from "../port.ts";
import {
  appendTime,
  cutLogs,
  measure,
  readLastTime,
  readPid,
  readTail,
  recordStopReason,
  type Sizes,
} from "./execution-folder.ts";
import {
  hasProcesses,
  holdsLog,
  isGroupAlive,
  isOurs,
  wrappersOf,
  membersOf,
  sendSignal,
  type ProcessInfo,
  type ProcessTable,
} from "./process-table.ts";
import { readProgress } from "./progress-file.ts";

/** Between two looks at what is left of an execution that is being ended. */
const endPollMs = 250;
const killPollMs = 50;
/** Time for the last of it to be gone after its SIGKILL. */
const lastWaitMs = 1_000;
/** Time for what still writes the logs after the script's end. */
const outputWaitMs = 2_000;
const outputPollMs = [10, 20, 50, 100] as const;

/** How the script ended, as far as its shell or its files tell. */
export type Ending = { finishedAt: EpochMs } & (
  | { kind: "exit"; exitCode: number }
  | { kind: "signal"; signal: string }
  | { kind: "spawn"; message: string }
  | { kind: "lost" }
);

export interface LocalDeps {
  clock: Clock;
  processes: ProcessTable;
  /** Returns whether an orphan of the execution is left; cheap. */
  hasOrphan: (execution: string) => boolean;
  logLimitBytes: number;
}

export class LocalRunning implements Running {
  readonly ended: Promise<ProcessEnding>;
  readonly #deps: LocalDeps;
  readonly #execution: Execution;
  readonly #folder: string;
  #pid: number | null;
  #stopReason: FinishedBy | null;
  /** True once the script has ended; what it started may live on. */
  #isOver = false;
  /** Resolves when everything is gone; null while nobody ends it. Begun once. */
  #ending: Promise<void> | null = null;
  /** Time of the SIGKILL, by the monotonic clock; only ever made earlier. */
  #killAt = Infinity;
  #wake: () => void = () => undefined;
  #sizes: Sizes;
  /** Last bytes of each log at `#sizes`, where it can be opened anew: they differ once it was cut and has grown. */
  #tails: { stdout: string; stderr: string } | null;
  #hasTimes: boolean;

  constructor(
    execution: Execution,
    folder: string,
    how: { piped: boolean | null; pid: number | null; stopReason: FinishedBy | null; script: Promise<Ending> },
    deps: LocalDeps,
  ) {
    this.#execution = execution;
    this.#folder = folder;
    this.#pid = how.pid;
    this.#stopReason = how.stopReason;
    this.#deps = deps;
    this.#sizes = how.piped === null ? readLastTime(folder) : { stdoutBytes: 0, stderrBytes: 0 };
    // A copier only appends.
    this.#tails = how.piped === true ? null : { stdout: this.#tailOf("stdout"), stderr: this.#tailOf("stderr") };
    this.#hasTimes = how.piped === null; // an earlier agent may have begun it
    this.ended = this.#follow(how.script, how.piped);
  }

  get ref(): RunningRef {
    this.#pid ??= readPid(this.#folder);
    return { pid: this.#pid };
  }

  get stopReason(): FinishedBy | null {
    return this.#stopReason;
  }

  stop(reason: FinishedBy, killAfterMs: number): void {
    if (this.#isOver && this.#ending === null) return;
    if (this.#stopReason === null) {
      recordStopReason(this.#folder, reason);
      this.#stopReason = reason;
    }
    this.#killAt = Math.min(this.#killAt, this.#deps.clock.monotonic() + killAfterMs);
    this.#ending ??= this.#endAll();
    this.#wake();
  }

  async look(): Promise<Look> {
    const { logLimitBytes, clock } = this.#deps;
    const measured = measure(this.#folder);
    const truncated = (["stdout", "stderr"] as const).filter((stream) => {
      const key = `${stream}Bytes` as const;
      return measured[key] < this.#sizes[key] || (measured[key] > this.#sizes[key] && this.#isRewritten(stream));
    });
    const { sizes, cut } = cutLogs(this.#folder, measured, logLimitBytes);
    const isAnother = sizes.stdoutBytes !== this.#sizes.stdoutBytes || sizes.stderrBytes !== this.#sizes.stderrBytes;
    // All that one look has seen was written by the end: a file for every short execution would cost more than it
    // tells.
    if (isAnother && (this.#hasTimes || !this.#isOver)) {
      appendTime(this.#folder, clock.now(), sizes);
      this.#hasTimes = true;
    }
    const before = this.#sizes;
    this.#sizes = sizes;
    for (const stream of ["stdout", "stderr"] as const)
      if (this.#tails !== null && sizes[`${stream}Bytes`] !== before[`${stream}Bytes`])
        this.#tails[stream] = this.#tailOf(stream);
    const progress = await readProgress(this.#folder).catch(() => null); // half written, or no file at all
    return { sizes, cut, truncated, progress, place: null, waitingFor: null };
  }

  #tailOf(stream: "stdout" | "stderr"): string {
    return readTail(this.#folder, stream, this.#sizes[`${stream}Bytes`]);
  }

  /** Returns whether what stood at the end of a log at the last look does so no longer. */
  #isRewritten(stream: "stdout" | "stderr"): boolean {
    return this.#tails !== null && this.#tails[stream] !== this.#tailOf(stream);
  }

  async #follow(script: Promise<Ending>, piped: boolean | null): Promise<ProcessEnding> {
    const ending = await script;
    this.#isOver = true;
    this.#wake();
    if (ending.kind !== "spawn") {
      if (this.#ending !== null) await this.#ending;
      else await this.#waitForOutput(piped !== false);
    }
    return { ...ending, ...measure(this.#folder) };
  }

  /** Waits until nobody who belongs to the execution has its logs open, or the time for that is over. */
  async #waitForOutput(mayBePiped: boolean): Promise<void> {
    const { clock, processes, hasOrphan } = this.#deps;
    const { id } = this.#execution;
    const { pid } = this.ref;
    const until = clock.monotonic() + outputWaitMs;
    // A pass over all processes is too much for every end: most leave nothing, and that is quickly seen.
    if (!mayBePiped && !(pid !== null && isGroupAlive(pid)) && !hasOrphan(id)) return;
    for (let turn = 0; ; turn++) {
      const before = shortageCount();
      const snapshot = await processes.scan();
      // A copier has the log for as long as somebody has its pipe; the shell itself is about to be gone.
      const left = [...membersOf(snapshot, id, pid), ...wrappersOf(snapshot, id)];
      const isHeld = left.some((one) => holdsLog(one.pid, id));
      if ((!isHeld && shortageCount() === before) || clock.monotonic() >= until) return;
      await this.#sleep(outputPollMs[Math.min(turn, outputPollMs.length - 1)] ?? 0);
    }
  }

  /** SIGTERM to everything that belongs to the execution; SIGKILL to what is left once the patience is over. */
  async #endAll(): Promise<void> {
    const { clock } = this.#deps;
    const groupTold = this.#signalGroup("SIGTERM"); // at once, without waiting for a pass over all processes
    let isTold = false;
    while (clock.monotonic() < this.#killAt) {
      const before = shortageCount();
      const members = await this.#members();
      if (members.length === 0 && this.#isOver && shortageCount() === before) return;
      // Once: what is started from now on is how the script cleans up, and that has until the SIGKILL.
      if (!isTold) for (const { pid, group } of members) if (group !== groupTold) sendSignal(pid, "SIGTERM");
      isTold ||= members.length > 0;
      const waitMs = this.#isOver || !isTold ? killPollMs : endPollMs;
      await this.#sleep(Math.min(waitMs, Math.max(0, this.#killAt - clock.monotonic())));
    }
    await this.#killAll();
  }

  /** Again and again, as what is killed may have forked just before. */
  async #killAll(): Promise<void> {
    const { clock } = this.#deps;
    let waitMs = killPollMs;
    for (let until = clock.monotonic() + lastWaitMs; ;) {
      this.#signalGroup("SIGKILL");
      const members = await this.#members();
      for (const { pid } of members) sendSignal(pid, "SIGKILL");
      if (this.#isOver && (members.length === 0 || clock.monotonic() >= until)) return;
      if (!this.#isOver) until = clock.monotonic() + lastWaitMs; // it hangs in the kernel, and may still end
      await this.#sleep(waitMs);
      waitMs = Math.min(waitMs * 1.5, lastWaitMs);
    }
  }

  /** Signals the script's group while the number is surely the script's; that number, or null. */
  #signalGroup(signal: "SIGTERM" | "SIGKILL"): number | null {
    const { pid } = this.ref;
    if (pid === null || this.#isOver || (hasProcesses() && !isOurs(pid, this.#execution.id))) return null;
    sendSignal(-pid, signal);
    return pid;
  }

  async #members(): Promise<Pick<ProcessInfo, "pid" | "group">[]> {
    const { pid } = this.ref;
    const snapshot = await this.#deps.processes.scan();
    if (snapshot.size > 0) return membersOf(snapshot, this.#execution.id, pid);
    return pid !== null && isGroupAlive(pid) ? [{ pid: -pid, group: 0 }] : []; // all that can be known without /proc
  }

  /** Ends early when something has changed. */
  #sleep(ms: number): Promise<void> {
    return new Promise((done) => {
      const cancel = this.#deps.clock.after(ms, done);
      this.#wake = () => {
        cancel();
        done();
      };
    });
  }
}
