// A wait of any length in elapsed time: a clock that is set forth or back does not change it.
import type { Clock } from "./clock.ts";

/** Timers reach a day at most. */
const maxMs = 86_400_000;

/** Calls `fn` once after `ms`, not before the caller has gone on; returns what takes it back. */
export function countdown(clock: Clock, ms: number, fn: () => void): () => void {
  const part = Math.min(Math.max(0, ms), maxMs);
  let cancel = clock.after(part, () => {
    if (ms > part) cancel = countdown(clock, ms - part, fn);
    else fn();
  });
  return () => cancel();
}
