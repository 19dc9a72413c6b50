// A wait on the clock that everything else waits on.
import type { Clock } from "./clock.ts";

/** Resolves after `ms`, at most a day. */
export function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((done) => void clock.after(ms, done));
}
