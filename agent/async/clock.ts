// Time and ids, as everything that decides or waits sees them. platform/clock.ts implements them.
import type { EpochMs } from "../model/ids.ts";

export interface Clock {
  now: () => EpochMs;
  /** Time that has passed since some moment, in ms: a clock that is set forth or back does not change it. */
  monotonic: () => number;
  /** Calls `fn` once after `ms` (at most a day; never throws) and returns what takes it back. */
  after: (ms: number, fn: () => void) => () => void;
}
/** Gives a ULID for `now`, larger than every one given before. */
export type NewId = (now: EpochMs) => string;
