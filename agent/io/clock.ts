// The real clock, timers and ids.
import { decodeTime, monotonicFactory } from "ulid";
import type { Clock, NewId } from "../ports.ts";

const longestMs = 86_400_000; // Node's timers overflow past 24.8 days

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, Math.min(Math.max(ms, 0), longestMs));
    return () => clearTimeout(timer);
  },
};

/** ULIDs that only grow, from the newest there is on, also when the clock steps back or stepped back over a restart. */
export function createIds(newest: string | null): NewId {
  const next = monotonicFactory();
  if (newest !== null) next(decodeTime(newest) + 1);
  return (now) => next(now);
}
