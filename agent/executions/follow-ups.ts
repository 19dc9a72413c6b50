// What follows in a run once an execution has ended, and whether a batch has permission. Pure, over snapshots.
import type { Graph } from "../definitions/chain-graph.ts";
import type { Outline } from "../history/port.ts";
import type { Batch } from "../model/batch.ts";
import { isOpen, type Execution, type AbortedReason } from "../model/execution.ts";
import type { Iso, ExecutionId, BatchName } from "../model/ids.ts";

export interface FollowUp {
  batch: BatchName;
  kind: "after" | "onFailure";
  /** null: it may start. */
  refused: { reason: AbortedReason; message: string } | null;
  /** Executions it comes after, in the order of `after`; of a failed one for `onFailure`. */
  previous: ExecutionId[];
}

/**
 * Decides what starts, or is refused, now that `finished` is final (its last attempt).
 * @param latest   the latest execution of a batch in the run, `finished` among them
 * @param batchOf  the definition in force; null for a batch that is disabled, invalid or gone: it leaves no row
 */
export function planFollowUps(
  finished: Execution,
  latest: (name: string) => Execution | undefined,
  graph: Pick<Graph, "followers">,
  batchOf: (name: string) => Batch | null,
): FollowUp[] {
  const plans: FollowUp[] = [];
  const answer = finished.status === "failed" ? (batchOf(finished.batch)?.onFailure ?? null) : null;
  if (answer !== null && latest(answer) === undefined && batchOf(answer) !== null) {
    plans.push({ batch: answer as BatchName, kind: "onFailure", refused: null, previous: [finished.id] });
  }
  for (const name of graph.followers.get(finished.batch) ?? []) {
    const batch = batchOf(name);
    if (batch === null || latest(name) !== undefined || plans.some((plan) => plan.batch === name)) continue; // once a run, also what answers a failure of what it comes after
    const previous = batch.after.flatMap((before) => latest(before) ?? []);
    if (previous.length < batch.after.length || previous.some(isOpen)) continue; // the last of them to finish decides
    plans.push({
      batch: name,
      kind: "after",
      refused: batch.independent ? null : refusal(previous),
      previous: previous.map(({ id }) => id),
    });
  }
  return plans;
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
