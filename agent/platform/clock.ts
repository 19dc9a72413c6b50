// The real clock, timers and ids.
import { randomFillSync } from "node:crypto";
import { decodeTime, monotonicFactory } from "ulid";
import type { NewId, Clock } from "../async/clock.ts";

const maxMs = 86_400_000; // Node's timers overflow past 24.8 days

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, Math.min(Math.max(ms, 0), maxMs));
    return () => clearTimeout(timer);
  },
};

/** ULIDs that only grow, from the newest there is on, also when the clock steps back or stepped back over a restart. */
export function createIds(newest: string | null): NewId {
  const next = monotonicFactory(createDraw());
  if (newest !== null) next(decodeTime(newest) + 1);
  return (now) => next(now);
}

/**
 * Fractions from 0 up to 1, 256 of them. An id draws sixteen: to ask the system for each takes a millisecond an
 * execution.
 */
function createDraw(): () => number {
  const drawn = new Uint8Array(1024);
  let at = drawn.length;
  return () => {
    if (at === drawn.length) {
      randomFillSync(drawn);
      at = 0;
    }
    return (drawn[at++] ?? 0) / 256;
  };
}
