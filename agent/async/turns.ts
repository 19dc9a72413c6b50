// Shares the event loop among work that nobody can plan for, such as requests: it runs in the order of arrival, a few
// milliseconds at a time, and whatever else the loop has to do comes in between.

const maxTurnMs = 4;
/** Time that newcomers have before the next turn. */
const maxArrivalsMs = 50;

let arrivals = 0;

/** Called for each new connection. The event loop takes one at each of its rounds: in long rounds they wait in line. */
export function noteArrival(): void {
  arrivals += 1;
}

async function yieldToArrivals(): Promise<void> {
  const began = performance.now();
  for (let seen = -1; seen !== arrivals && performance.now() - began < maxArrivalsMs;) {
    seen = arrivals;
    await new Promise((done) => setImmediate(done));
  }
}

export interface Turns {
  /** Resolves when it is the caller's turn; false at once where too many wait already. */
  acquire: () => Promise<boolean>;
}

/** At most `maxWaiting` callers wait at a time. */
export function createTurns(maxWaiting: number): Turns {
  const waiting: ((taken: boolean) => void)[] = [];
  let running = false;

  async function run(): Promise<void> {
    running = true;
    let began = performance.now();
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      next(true);
      await Promise.resolve(); // lets the caller begin, so that its time counts
      await Promise.resolve();
      if (performance.now() - began < maxTurnMs) continue;
      await yieldToArrivals();
      began = performance.now();
    }
    // Not before the others had theirs: each of a thousand callers in a row would begin a turn of its own.
    await yieldToArrivals();
    running = false;
    if (waiting.length > 0) void run();
  }

  return {
    acquire() {
      if (waiting.length >= maxWaiting) return Promise.resolve(false);
      return new Promise((done) => {
        waiting.push(done);
        if (!running) void run();
      });
    },
  };
}
