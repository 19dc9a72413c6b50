// Describes what follows in a run once an execution has ended, and whether a batch has permission. Pure, over
// snapshots.
import type { Graph } from "../definitions/chain-graph.ts";
import type { Outline } from "../history/port.ts";
import type { Batch } from "../model/batch.ts";
import { isOpen, type AbortedReason, type Cancelled, type Execution } from "../model/execution.ts";
import type { Iso, ExecutionId, BatchName } from "../model/ids.ts";

export interface FollowUp {
  batch: BatchName;
  kind: "after" | "onFailure";
  /** null: it may start. */
  refused: { reason: AbortedReason; message: string } | null;
  /** Executions it comes after, in the order of `after`; of a failed one for `onFailure`. */
  previous: ExecutionId[];
  /** The rerun of its run that it belongs to; 0 for none. */
  pass: number;
  /** Set where what it follows was cancelled together with its run. */
  cancelled: Cancelled | null;
}

/** The latest executions of a run. */
export interface RunRows {
  latest: (name: string) => Execution | undefined;
  /** All of them. */
  all: () => Iterable<Execution>;
}

/**
 * Decides what starts, or is refused, now that `finished` is final (its last attempt). A batch is started once a run,
 * and again once a rerun.
 * @param rows     the run, `finished` among its rows
 * @param batchOf  the definition in force; null for a batch that is disabled, invalid or gone: it leaves no row
 */
export function planFollowUps(
  finished: Execution,
  rows: RunRows,
  graph: Pick<Graph, "followers">,
  batchOf: (name: string) => Batch | null,
): FollowUp[] {
  const { latest } = rows;
  const plans: FollowUp[] = [];
  const isNew = (name: string, pass: number) => passOf(latest(name)) < pass;
  const { cancelled } = finished;
  const answer = finished.status === "failed" ? (batchOf(finished.batch)?.onFailure ?? null) : null;
  if (answer !== null && cancelled === undefined && isNew(answer, passOf(finished)) && batchOf(answer) !== null) {
    const previous = [finished.id];
    const pass = passOf(finished);
    plans.push({ batch: answer as BatchName, kind: "onFailure", refused: null, previous, pass, cancelled: null });
  }
  for (const name of graph.followers.get(finished.batch) ?? []) {
    const batch = batchOf(name);
    // also what answers a failure of what it comes after
    if (batch === null || plans.some((plan) => plan.batch === name)) continue;
    const previous = batch.after.flatMap((before) => latest(before) ?? []);
    const pass = Math.max(passOf(finished), ...previous.map(passOf));
    if (!isNew(name, pass)) continue;
    if (previous.length < batch.after.length || previous.some(isOpen)) continue; // the last of them to finish decides
    if (pass > 0 && isAwaited(previous, finished, name, pass, rows, graph, batchOf)) continue;
    // Only what was cancelled in this very pass: of an earlier one somebody has thought better.
    const cancelledRun = [finished, ...previous].find(
      (row) => row.cancelled?.isRun === true && (row.id === finished.id || passOf(row) === pass),
    )?.cancelled;
    const judged = batch.independent ? null : refusal(previous);
    plans.push({
      batch: name,
      kind: "after",
      refused: cancelledRun === undefined ? judged : { reason: "cancelled", message: cancelledRun.message },
      previous: previous.map(({ id }) => id),
      pass,
      cancelled: cancelledRun ?? null,
    });
  }
  return plans;
}

/** The rerun that an execution belongs to: 0 for none, −1 for one that is not there. */
function passOf(execution: Execution | undefined): number {
  return execution === undefined ? -1 : (execution.pass ?? 0);
}

/**
 * Returns whether a rerun has still to bring a new execution of one of `previous`, whose latest is of an earlier pass:
 * it follows, over any number of batches, what is open in the run or has just finished.
 */
function isAwaited(
  previous: readonly Execution[],
  finished: Execution,
  join: string,
  pass: number,
  rows: RunRows,
  graph: Pick<Graph, "followers">,
  batchOf: (name: string) => Batch | null,
): boolean {
  const old = new Set<string>(previous.filter((row) => passOf(row) < pass).map(({ batch }) => batch));
  if (old.size === 0) return false;
  const sources = [finished, ...[...rows.all()].filter((row) => isOpen(row))];
  const seen = new Set<string>([join]);
  const ahead = sources.map((row) => ({ batch: row.batch, pass: passOf(row) }));
  for (let next = ahead.pop(); next !== undefined; next = ahead.pop()) {
    const from = next.pass;
    for (const name of graph.followers.get(next.batch) ?? []) {
      if (seen.has(name) || batchOf(name) === null || passOf(rows.latest(name)) >= from) continue;
      if (old.has(name)) return true;
      seen.add(name);
      ahead.push({ batch: name, pass: from });
    }
  }
  return false;
}

function refusal(previous: readonly Pick<Execution, "batch" | "status" | "reason">[]): FollowUp["refused"] {
  const bad = previous.find(({ status }) => status !== "succeeded");
  if (bad === undefined) return null;
  const reason = bad.status === "failed" ? "previous-failed" : "previous-aborted";
  return { reason, message: `${bad.batch} ${bad.status}${bad.reason === null ? "" : ` (${bad.reason})`}` };
}

/** How a previous batch stands: its latest execution that was not left out, and whether one is queued or running. */
export interface Standing {
  latest: Outline | undefined;
  isOpen: boolean;
}

/** @param past  executions of a batch, newest first */
export function standingOf(past: Iterable<Outline>, isOpen: boolean): Standing {
  for (const row of past) if (row.reason !== "missed" && row.reason !== "overlap") return { latest: row, isOpen };
  return { latest: undefined, isOpen };
}

/**
 * Permission of a batch that has both `after` and `cron`, at one of its own times.
 * @param since       its previous due time, or when it was first seen
 * @param standingOf  how a previous batch stands
 */
export function permitOwnTime(
  batch: Pick<Batch, "after" | "independent">,
  since: Iso,
  standingOf: (name: string) => Standing,
): Pick<FollowUp, "refused" | "previous"> {
  const previous: Outline[] = [];
  for (const name of batch.after) {
    const { latest, isOpen: runs } = standingOf(name);
    const finished = latest !== undefined && !runs && (latest.finishedAt ?? "") > since;
    if (latest !== undefined) previous.push(latest);
    if (!finished) {
      const message = `${name} has not finished since ${since}`;
      return { refused: { reason: "previous-not-run", message }, previous: [] };
    }
  }
  return { refused: batch.independent ? null : refusal(previous), previous: previous.map(({ id }) => id) };
}
