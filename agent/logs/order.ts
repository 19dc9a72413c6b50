// The order in which both logs of an execution were written, as far as its file `times` tells: each step says which
// sizes the logs had at which time; within a step stdout goes first. Laid out so, all bytes of both logs have a
// position in one line. Pure.
import type { Iso } from "../model/ids.ts";

/**
 * `times` grows no further: about eight hours of an execution that writes every second. What a script adds is not read.
 */
export const maxTimesBytes = 1024 * 1024;

type LogStream = "stdout" | "stderr";
export type LogSizes = Record<LogStream, number>;

export interface LogStep {
  at: Iso;
  sizes: LogSizes;
}

/** Returns the step that a line of `times` tells of; null for a line of somebody else's. */
export function parseStep(line: string): LogStep | null {
  const match = /^(\S+) (\d{1,15}) (\d{1,15})$/.exec(line);
  if (match === null) return null;
  const [, at = "", stdout, stderr] = match;
  if (Number.isNaN(Date.parse(at))) return null;
  return { at: at, sizes: { stdout: Number(stdout), stderr: Number(stderr) } };
}

/** Two times of one machine differ by less because of what takes them: the end of an execution is that of a file. */
const grainMs = 1_000;

/**
 * Returns when a step was that is known to come after another: not before it, as a file's time is a few ms behind the
 * clock's. A clock that was set back meanwhile shows as it stood.
 */
export function stepTime(at: Iso, before: Iso | undefined): Iso {
  if (before === undefined) return at;
  const backMs = Date.parse(before) - Date.parse(at);
  return backMs > 0 && backMs <= grainMs ? before : at;
}

export type LogOrder = ReturnType<typeof orderOf>;

/** `steps` in the order of their time; `end` is the last one, with the sizes that the logs have now. */
export function orderOf(steps: readonly LogStep[], end: LogStep) {
  const at: Iso[] = [];
  const sizes: Record<LogStream, number[]> = { stdout: [], stderr: [] };
  /** Position after each step. */
  const ends: number[] = [];
  for (const step of [...steps, end]) {
    // A log that was cut is shorter than an earlier step says.
    const grown = (stream: LogStream) =>
      Math.min(end.sizes[stream], Math.max(sizes[stream].at(-1) ?? 0, step.sizes[stream]));
    const [stdout, stderr] = [grown("stdout"), grown("stderr")];
    if (stdout + stderr === (ends.at(-1) ?? 0)) continue;
    at.push(stepTime(step.at, at.at(-1)));
    sizes.stdout.push(stdout);
    sizes.stderr.push(stderr);
    ends.push(stdout + stderr);
  }
  const size = ends.at(-1) ?? 0;
  const before = (stream: LogStream, step: number) => sizes[stream][Math.min(step, ends.length) - 1] ?? 0;

  return {
    /** Bytes of both logs, which is the position after the last one. */
    size,
    steps: ends.length,
    /** Position after the step of this index; 0 for -1. */
    endOf: (step: number) => ends[step] ?? 0,
    /** How much of each log lies before a position. */
    sizesAt(position: number): LogSizes {
      if (position >= size) return { stdout: sizes.stdout.at(-1) ?? 0, stderr: sizes.stderr.at(-1) ?? 0 };
      const step = firstAbove(ends, position);
      const [stdout, stderr] = [before("stdout", step), before("stderr", step)];
      const within = Math.max(0, position - stdout - stderr);
      const ofStdout = Math.min(within, (sizes.stdout[step] ?? 0) - stdout);
      return { stdout: stdout + ofStdout, stderr: stderr + within - ofStdout };
    },
    /** Position of the byte at an offset of a log. */
    positionOf(stream: LogStream, offset: number): number {
      const step = firstAbove(sizes[stream], offset);
      return offset + (stream === "stdout" ? before("stderr", step) : before("stdout", step + 1));
    },
    /** Time of the step in which the byte at a position was written. */
    timeAt: (position: number): Iso => at[Math.min(at.length - 1, firstAbove(ends, position))] ?? end.at,
  };
}

/** Index of the first number above `value`, in numbers that never fall; their count where there is none. */
function firstAbove(sorted: readonly number[], value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) > value) high = middle;
    else low = middle + 1;
  }
  return low;
}
