// The executions of a run as bars over its time: waiting, at work, and the path that decided how long it took. Pure.
import type { Execution } from "../../../model/execution.ts";
import type { EpochMs } from "../../../model/ids.ts";
import { toneOf, type Tone } from "./sparkline.ts";

export const ganttWidth = 1_000;
const minWidth = 2;

export interface GanttRow {
  execution: Execution;
  tone: Tone;
  /** From being asked for to its start; null where it did not wait. */
  wait: { x: number; width: number } | null;
  /** From start to end; null for what never started. */
  bar: { x: number; width: number } | null;
  waitedMs: number;
  tookMs: number | null;
  isCritical: boolean;
}

export interface Gantt {
  rows: GanttRow[];
  /** From the first start asked for to the last end, or to now. */
  totalMs: number;
  /** Batches one after the other whose ends each start waited for, the last of them the last to end. */
  critical: string[];
}

/** Waits shorter than this are how long a start takes. */
const minWaitMs = 1_000;

/** @param executions  of one run, oldest first, at least one */
export function ganttOf(executions: readonly Execution[], now: EpochMs): Gantt {
  const endOf = ({ startedAt, finishedAt, createdAt }: Execution) =>
    finishedAt !== null ? Date.parse(finishedAt) : startedAt !== null ? now : Date.parse(createdAt);
  const from = Math.min(...executions.map(({ createdAt }) => Date.parse(createdAt)));
  const to = Math.max(from + 1, ...executions.map(endOf));
  const x = (at: EpochMs) => Math.round(((at - from) / (to - from)) * ganttWidth * 10) / 10;
  const span = (start: EpochMs, end: EpochMs) => {
    const left = Math.min(x(start), ganttWidth - minWidth);
    return { x: left, width: Math.max(minWidth, Math.round((x(end) - left) * 10) / 10) };
  };
  const path = criticalPath(executions, endOf);
  const ids = new Set(path.map(({ id }) => id));
  return {
    rows: executions.map((execution) => {
      const [created, start] = [Date.parse(execution.createdAt), Date.parse(execution.startedAt ?? "")];
      const waitUntil = execution.startedAt !== null ? start : execution.status === "queued" ? now : created;
      const waitedMs = Math.max(0, waitUntil - created);
      return {
        execution,
        tone: toneOf(execution),
        wait: waitedMs < minWaitMs ? null : span(created, waitUntil),
        bar: execution.startedAt === null ? null : span(start, endOf(execution)),
        waitedMs,
        tookMs: execution.startedAt === null ? null : (execution.durationMs ?? now - start),
        isCritical: ids.has(execution.id),
      };
    }),
    totalMs: to - from,
    critical: path.map(({ batch }) => batch),
  };
}

/** Back from what ended last, each time to the one that was waited for longest. */
function criticalPath(executions: readonly Execution[], endOf: (execution: Execution) => number): Execution[] {
  const byId = new Map<string, Execution>(executions.map((execution) => [execution.id, execution]));
  const ran = executions.filter(({ startedAt }) => startedAt !== null);
  const latest = (all: readonly Execution[]) =>
    all.reduce<Execution | undefined>(
      (best, one) => (best === undefined || endOf(one) >= endOf(best) ? one : best),
      undefined,
    );
  const path: Execution[] = [];
  for (let at = latest(ran); at !== undefined && !path.includes(at);) {
    path.unshift(at);
    const causes = [...(at.previous ?? []), ...(at.trigger.by === null ? [] : [at.trigger.by])];
    at = latest(causes.flatMap((id) => byId.get(id) ?? []));
  }
  return path;
}
