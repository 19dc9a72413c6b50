// Counts due times against rows: every due time leaves a row, and none is started twice.
import { readRecord } from "../../agent/history/offline.ts";
import type { Execution } from "../../agent/model/execution.ts";

/** All rows there are, straight from the data folder, oldest first. */
export function recordedRows(data: string): Execution[] {
  return [...readRecord(data).batches.values()].flatMap(({ rows }) =>
    [...rows.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
  );
}

/** Due times, a row each, of one batch's starts by cron. */
export function ownDueTimes(rows: readonly Execution[], batch: string): number[] {
  return rows
    .filter((row) => row.batch === batch && row.trigger.kind === "cron" && row.missed === undefined)
    .map((row) => Date.parse(row.trigger.dueAt))
    .sort((a, b) => a - b);
}

/** Due times that have more than one row. */
export function doubled(rows: readonly Execution[], batch: string): number[] {
  return ownDueTimes(rows, batch).filter((at, index, all) => all[index - 1] === at);
}

/** Due times from `from` to `to` (every `stepMs`) that have neither a row nor a place in a gap. */
export function uncovered(
  rows: readonly Execution[],
  batch: string,
  from: number,
  to: number,
  stepMs = 1_000,
): string[] {
  const own = new Set(ownDueTimes(rows, batch));
  const gaps = rows.flatMap((row) =>
    row.batch === batch && row.missed !== undefined
      ? [[Date.parse(row.missed.from), Date.parse(row.missed.to)] as const]
      : [],
  );
  const missing: string[] = [];
  for (let at = Math.ceil(from / stepMs) * stepMs; at <= to; at += stepMs) {
    if (!own.has(at) && !gaps.some(([first, last]) => first <= at && at <= last))
      missing.push(new Date(at).toISOString());
  }
  return missing;
}
