// Durations of a batch over time as marks on a plot. Pure.
import { toneOf, type Drawn, type Tone } from "./sparkline.ts";

export const chartSize = { width: 1080, height: 180, left: 58, right: 10, top: 10, bottom: 24 };

export interface DurationChart {
  dots: { x: number; y: number; tone: Tone; execution: Drawn }[];
  /** Durations, in ms, with a line each. */
  levels: { y: number; ms: number }[];
  /** Times with a mark each, ISO; from the first to the last execution. */
  times: { x: number; at: string }[];
  /** Tells where the median of the successes lies. */
  median: { y: number; ms: number } | null;
}

/**
 * The ones of `executions` (oldest first) that ran to an end; null when there is none. The scale is logarithmic once
 * it spans more than tenfold.
 */
export function chartDurations(executions: readonly Drawn[]): DurationChart | null {
  const ran = executions.filter(({ durationMs, startedAt }) => durationMs !== null && startedAt !== null);
  if (ran.length === 0) return null;
  const { width, height, left, right, top, bottom } = chartSize;
  const durations = ran.map(({ durationMs }) => Math.max(1, durationMs ?? 0));
  const [least, most] = [Math.min(...durations), Math.max(...durations)];
  const log = most > least * 10;
  const [low, high] = log ? [10 ** Math.floor(Math.log10(least)), most * 1.1] : [0, most * 1.1];
  const scale = (ms: number) => (log ? Math.log(Math.max(ms, low) / low) / Math.log(high / low) : ms / high);
  const y = (ms: number) => Math.round((height - bottom - scale(ms) * (height - top - bottom)) * 10) / 10;
  const starts = ran.map(({ startedAt }) => Date.parse(startedAt ?? ""));
  const [first, last] = [Math.min(...starts), Math.max(...starts)];
  const x = (at: number) =>
    Math.round((left + (last === first ? 0.5 : (at - first) / (last - first)) * (width - left - right)) * 10) / 10;
  const successes = ran
    .flatMap(({ status, durationMs }) => (status === "succeeded" && durationMs !== null ? [durationMs] : []))
    .sort((a, b) => a - b);
  const middle = successes[Math.ceil(successes.length / 2) - 1];
  const times = last === first ? [first] : [0, 1 / 3, 2 / 3, 1].map((share) => first + share * (last - first));
  return {
    dots: ran.map((execution, index) => ({
      x: x(starts[index] ?? first),
      y: y(durations[index] ?? 1),
      tone: toneOf(execution),
      execution,
    })),
    levels: (log ? powers(low, high) : steps(high)).map((ms) => ({ y: y(ms), ms })),
    times: times.map((at) => ({ x: x(at), at: new Date(at).toISOString() })),
    median: middle === undefined ? null : { y: y(middle), ms: middle },
  };
}

function powers(low: number, high: number): number[] {
  const values: number[] = [];
  for (let value = low; value <= high; value *= 10) values.push(value);
  return values.slice(-5);
}

/** Three or four round numbers up to `high`. */
function steps(high: number): number[] {
  const rough = high / 4;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((factor) => factor * unit >= rough) ?? 10) * unit;
  return Array.from({ length: Math.floor(high / step) }, (_, index) => (index + 1) * step);
}
