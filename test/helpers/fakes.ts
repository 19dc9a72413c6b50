// The only two things that are ever faked: the clock and the runner.
import type { Clock } from "../../agent/async/clock.ts";
import type { ProcessEnding } from "../../agent/model/execution.ts";
import type { Runner, Process, StartOrder } from "../../agent/runners/port.ts";

export interface FakeClock extends Clock {
  /** Moves time on, running what falls due on the way, in order; what awaits gets its turn after each. */
  advance(ms: number): Promise<void>;
  /** Sets the clock without a timer running: a step of the clock, or the wake-up of a machine that slept. */
  jump(to: number): void;
  timers(): number;
}

export function fakeClock(start: number): FakeClock {
  let wall = start;
  let elapsed = 0;
  let pending: { at: number; fn: () => void }[] = [];
  return {
    now: () => wall,
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

/** Lets everything that waits on promises and files go on. */
async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((done) => setImmediate(done));
}

export interface FakeRunner extends Runner {
  orders: StartOrder[];
  /** Ends the execution that was started `index`-th. */
  end(index: number, ending?: Partial<ProcessEnding>): void;
  signals: string[];
}

export function fakeRunner(clock: Clock): FakeRunner {
  const orders: StartOrder[] = [];
  const signals: string[] = [];
  const ends: ((ending: ProcessEnding) => void)[] = [];
  function launch(): Process {
    const ended = new Promise<ProcessEnding>((done) => ends.push(done));
    return {
      pid: 1_000 + ends.length,
      ended,
      signal: (name) => void signals.push(name),
      sayWhy: () => undefined,
      saidWhy: null,
      lingers: () => false,
    };
  }
  return {
    orders,
    signals,
    boot: "boot",
    turn: () => Promise.resolve(),
    start(order) {
      orders.push(order);
      return launch();
    },
    adopt: launch,
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
