// Marks of a batch's latest executions as drawing instructions: coloured by outcome, high by duration. Pure.
import type { Execution, ExecutionStatus } from "../../../model/execution.ts";

export const sparklineLength = 30;
/** The strip's size in its own units; a slot is one execution. */
export const sparklineSize = { slot: 5, bar: 4, height: 24 };

/** Describes what a mark is coloured by: the status, or `unusual` for a success that stands out. */
export type Tone = ExecutionStatus | "unusual";

/** Describes what a mark shows of an execution. */
export type Mark = Pick<Execution, "durationMs" | "startedAt" | "status" | "unusual">;

/** The same with what it leads to. */
export type Drawn = Mark & Pick<Execution, "id" | "reason" | "createdAt" | "finishedAt">;

export function toneOf(execution: Pick<Execution, "status" | "unusual">): Tone {
  return execution.status === "succeeded" && execution.unusual !== null ? "unusual" : execution.status;
}

/**
 * SVG path data for each tone that occurs in the last 30 of `executions` (oldest first), newest at the right.
 * Heights follow the square root of the duration, so that one long execution does not flatten the others; what never
 * ran is short.
 * `now`: how long running ones have run by then.
 */
export function sparklinePaths(executions: readonly Mark[], now: number): { tone: Tone; path: string }[] {
  const shown = executions.slice(-sparklineLength);
  const lengths = shown.map(
    ({ durationMs, startedAt, status }) =>
      durationMs ?? (status === "running" && startedAt !== null ? Math.max(0, now - Date.parse(startedAt)) : 0),
  );
  const max = Math.max(1, ...lengths);
  const paths = new Map<Tone, string>();
  shown.forEach((execution, index) => {
    const share = Math.sqrt((lengths[index] ?? 0) / max);
    const height = Math.round(4 + share * (sparklineSize.height - 4));
    const x = (sparklineLength - shown.length + index) * sparklineSize.slot;
    const bar = `M${x} ${sparklineSize.height}v-${height}h${sparklineSize.bar}v${height}z`;
    const tone = toneOf(execution);
    paths.set(tone, (paths.get(tone) ?? "") + bar);
  });
  return [...paths].map(([tone, path]) => ({ tone, path }));
}

/** The strip in words, for those who do not see it: `last 30: 28 succeeded, 2 failed`. */
export function sparklineText(executions: readonly Mark[]): string {
  const shown = executions.slice(-sparklineLength);
  if (shown.length === 0) return "no executions yet";
  const counts = new Map<string, number>();
  for (const { status } of shown) counts.set(status, (counts.get(status) ?? 0) + 1);
  return `last ${shown.length}: ${[...counts].map(([status, count]) => `${count} ${status}`).join(", ")}`;
}
