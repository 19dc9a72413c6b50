// Describes what is usual for a batch, from its recent successes: when a running one may end, and whether a success
// stands out.
import type { Outline } from "../history/port.ts";
import type { Execution } from "../model/execution.ts";
import type { Iso } from "../model/ids.ts";

const recent = 50;
const minForUnusual = 10;
/** Median absolute deviation times this is the standard deviation, where values spread normally. */
const perMad = 1.4826;
const farSigmas = 5;
/** Holds what lies within these of the median is jitter, whatever the spread; ms and bytes. */
const floors = { fastMs: 500, slowMs: 2_000, quietBytes: 100 };

type Past = Pick<Outline, "id" | "status" | "durationMs" | "outputBytes">;

interface Success {
  durationMs: number;
  outputBytes: number;
}

/** Returns the last 50 successes of a batch beside `execution`. */
function successesBeside(execution: Execution, past: Iterable<Past>): Success[] {
  const found: Success[] = [];
  for (const { id, status, durationMs, outputBytes } of past) {
    if (status !== "succeeded" || durationMs === null || id === execution.id) continue;
    found.push({ durationMs, outputBytes });
    if (found.length === recent) break;
  }
  return found;
}

/**
 * When a running execution may end: as its progress goes on, or where its script says nothing, after as long as its
 * batch's recent successes took at the median. In the past once it is later than that. null when nothing tells.
 * @param past  executions of its batch, newest first
 */
export function estimatedEnd(execution: Execution, past: Iterable<Past>): Iso | null {
  if (execution.status !== "running" || execution.startedAt === null) return null;
  const startedAt = Date.parse(execution.startedAt);
  const { progress } = execution;
  if (progress !== null && progress.percent >= 1) {
    const soFar = Date.parse(progress.at) - startedAt;
    if (soFar > 0) return new Date(Math.round(startedAt + (soFar * 100) / progress.percent)).toISOString();
  }
  const durations = successesBeside(execution, past).map(({ durationMs }) => durationMs);
  return durations.length === 0 ? null : new Date(Math.round(startedAt + median(durations))).toISOString();
}

/**
 * Returns whether a success lies far outside its batch's last 50 (at least 10): 5 standard deviations by the MAD and
 * half the median away, beyond a floor of jitter, and where fewer than one in ten of them were as far out.
 * @param past  executions of its batch, newest first
 */
export function detectAnomaly(execution: Execution, past: Iterable<Past>): Execution["unusual"] {
  if (execution.status !== "succeeded" || execution.durationMs === null) return null;
  const before = successesBeside(execution, past);
  if (before.length < minForUnusual) return null;
  const durations = before.map(({ durationMs }) => durationMs);
  if (isLow(execution.durationMs, durations, floors.fastMs)) return "too-fast";
  if (isHigh(execution.durationMs, durations, floors.slowMs)) return "too-slow";
  // Silence is no matter of degree: it needs no floor.
  const bytes = execution.stdoutBytes + execution.stderrBytes;
  const others = before.map(({ outputBytes }) => outputBytes);
  return isLow(bytes, others, bytes === 0 ? 0 : floors.quietBytes) ? "too-quiet" : null;
}

function isLow(value: number, values: readonly number[], floor: number): boolean {
  return (
    farOut(values, median(values) - value, floor) &&
    isRare(
      values.filter((other) => other <= value),
      values,
    )
  );
}

function isHigh(value: number, values: readonly number[], floor: number): boolean {
  return (
    farOut(values, value - median(values), floor) &&
    isRare(
      values.filter((other) => other >= value),
      values,
    )
  );
}

function farOut(values: readonly number[], distance: number, floor: number): boolean {
  const middle = median(values);
  const sigma = perMad * median(values.map((value) => Math.abs(value - middle)));
  return distance > 0 && distance > farSigmas * sigma && distance > middle / 2 && distance >= floor;
}

/** The MAD does not see a second habit, such as a long run every fifth time. */
function isRare(alike: readonly number[], all: readonly number[]): boolean {
  return alike.length * 10 < all.length;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
