// How often an execution is looked at. Pure.

/** In the first minute, so that lines of both logs can be put in order, and after it. */
const firstMs = 100;
const laterMs = 1_000;
const firstMinuteMs = 60_000;
/** While its script has not started somewhere else: it has no logs, and says only what it waits for. */
const waitingMs = 250;
/** Looks at all of them together, in a second: what is beyond that would keep the agent from everything else. */
const maxPerSecond = { first: 5_000, later: 1_000 };

/** Returns the time to the next look, in ms. `ranMs`: since its start; null before. `count`: of all looked at. */
export function lookInterval(ranMs: number | null, count: number): number {
  if (ranMs === null) return Math.max(waitingMs, shareMs(count, maxPerSecond.later));
  return Math.abs(ranMs) < firstMinuteMs
    ? Math.max(firstMs, shareMs(count, maxPerSecond.first))
    : Math.max(laterMs, shareMs(count, maxPerSecond.later));
}

function shareMs(count: number, perSecond: number): number {
  return Math.ceil((count * 1_000) / perSecond);
}
