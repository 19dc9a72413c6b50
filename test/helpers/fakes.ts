// The only two things that are ever faked: the clock and the runner.
import type { Clock } from "../../agent/async/clock.ts";
import type { FinishedBy, ProcessEnding } from "../../agent/model/execution.ts";
import type { ExecutionId } from "../../agent/model/ids.ts";
import { batchEnvironment } from "../../agent/runners/environment.ts";
import type { Look, Runner, Running, StartOrder } from "../../agent/runners/port.ts";

export interface FakeClock extends Clock {
  /** Moves time on, running what falls due on the way, in order; what awaits gets its turn after each. */
  advance: (ms: number) => Promise<void>;
  /** Sets the clock without a timer running: a step of the clock, or the wake-up of a machine that slept. */
  jump: (to: number) => void;
  timers: () => number;
}

export function fakeClock(start: number): FakeClock {
  let wall = start;
  let elapsed = 0;
  let pending: { at: number; fn: () => void }[] = [];
  return {
    now: () => wall,
    monotonic: () => elapsed,
    after(ms, fn) {
      const timer = { at: elapsed + Math.max(0, ms), fn };
      pending.push(timer);
      return () => void (pending = pending.filter((other) => other !== timer));
    },
    async advance(ms) {
      const until = elapsed + ms;
      for (;;) {
        const next = pending.filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        pending = pending.filter((timer) => timer !== next);
        wall += next.at - elapsed;
        elapsed = next.at;
        next.fn();
        await settle();
      }
      wall += until - elapsed;
      elapsed = until;
      await settle();
    },
    jump: (to) => void (wall = to),
    timers: () => pending.length,
  };
}

/** Turns of the event loop with no file at work, after which all that waited on promises and files has gone on. */
const quietTurns = 5;
const maxSettleMs = 5_000;

/** Lets everything that waits on promises and files go on, however slow the disk is just now. */
async function settle(): Promise<void> {
  const until = performance.now() + maxSettleMs;
  for (let quiet = 0; quiet < quietTurns && performance.now() < until;) {
    const isAtFiles = process.getActiveResourcesInfo().some((kind) => kind.startsWith("FSReq"));
    quiet = isAtFiles ? 0 : quiet + 1;
    await new Promise((done) => (isAtFiles ? setTimeout(done, 1) : setImmediate(done)));
  }
}

export interface FakeRunner extends Runner {
  /** With the environment that the local runner would give. */
  orders: (StartOrder & { ownEnv: Record<string, string> })[];
  /** Ends the execution that was started or taken over `index`-th. */
  end: (index: number, ending?: Partial<ProcessEnding>) => void;
  signals: string[];
}

export function fakeRunner(clock: Clock, seen: () => Partial<Look> = () => ({})): FakeRunner {
  const orders: FakeRunner["orders"] = [];
  const signals: string[] = [];
  const ends: ((ending: ProcessEnding) => void)[] = [];

  function launch(): Running {
    let isOver = false;
    let stopReason: FinishedBy | null = null;
    let cancelKill: () => void = () => undefined;
    let killAt = Infinity;
    const ended = new Promise<ProcessEnding>((done) =>
      ends.push((ending) => {
        isOver = true;
        cancelKill();
        done(ending);
      }),
    );
    return {
      ref: { pid: 1_000 + ends.length },
      ended,
      get stopReason() {
        return stopReason;
      },
      stop(reason, killAfterMs) {
        if (isOver) return;
        if (stopReason === null) signals.push("SIGTERM");
        stopReason ??= reason;
        if (clock.now() + killAfterMs >= killAt) return;
        killAt = clock.now() + killAfterMs;
        cancelKill();
        cancelKill = clock.after(killAfterMs, () => void signals.push("SIGKILL"));
      },
      look: () =>
        Promise.resolve({
          sizes: { stdoutBytes: 1, stderrBytes: 2 },
          cut: false,
          truncated: [],
          progress: null,
          place: null,
          waitingFor: null,
          ...seen(),
        }),
    };
  }
  return {
    orders,
    signals,
    boot: "boot",
    start(order) {
      const ownEnv = batchEnvironment(order, {
        stateDir: `/state/${order.execution.batch}`,
        progress: `/executions/${order.execution.batch}/${order.execution.id}/progress`,
        log: ({ batch, id, ran }, stream) => (ran ? `/executions/${batch}/${id}/${stream}.log` : "/dev/null"),
      });
      orders.push({ ...order, ownEnv });
      return Promise.resolve(launch());
    },
    adopt: (executions) => Promise.resolve(new Map(executions.map(({ id }): [ExecutionId, Running] => [id, launch()]))),
    close: () => Promise.resolve(),
    end: (index, ending = {}) =>
      ends[index]?.({
        kind: "exit",
        exitCode: 0,
        finishedAt: clock.now(),
        stdoutBytes: 1,
        stderrBytes: 2,
        ...ending,
      } as ProcessEnding),
  };
}
