// A rerun: which executions of a run are done again, and why they cannot be. Pure, over a snapshot of the run.
import type { Graph } from "../definitions/chain-graph.ts";
import { isOpen, type Execution } from "../model/execution.ts";
import type { ExecutionId } from "../model/ids.ts";
import type { Definition } from "./new-execution.ts";

export interface RerunScope {
  graph: Pick<Graph, "followers">;
  /** null for a batch that is gone, invalid, or has no sound place in its chain. */
  inForce: (name: string) => Definition | null;
  /** Returns whether an execution is still on record, with its logs. */
  isKept: (id: ExecutionId) => boolean;
  /** Open executions of a batch, in whatever run. */
  openOf: (name: string) => readonly Execution[];
}

/** An execution that is done again. */
export interface RerunOf {
  execution: Execution;
  /** Holds what its attempts are counted on from. */
  attemptsBefore: number;
  pass: number;
}

export type RerunPlan = { reruns: RerunOf[] } | { refused: string };

/**
 * Decides what is done again.
 * @param target  the execution that is asked for; null for all of the run that failed, or was aborted for a reason
 *   of its own
 * @param rows    all executions of the run, oldest first
 */
export function planRerun(target: ExecutionId | null, rows: readonly Execution[], scope: RerunScope): RerunPlan {
  const latest = new Map(rows.map((row) => [row.batch as string, row]));
  const chosen = target === null ? failures(rows, latest, scope) : rows.filter(({ id }) => id === target);
  const open = rows.find(isOpen);
  if (target === null && open !== undefined)
    return { refused: `the run goes on: ${open.batch} (${open.id}) is ${open.status}` };
  if (chosen.length === 0)
    return { refused: target === null ? "nothing of the run has failed" : `there is no execution ${target}` };
  const pass = 1 + Math.max(...rows.map((row) => row.pass ?? 0));
  const reruns: RerunOf[] = [];
  for (const execution of chosen) {
    const why = refusal(execution, latest.get(execution.batch), scope);
    if (why !== null) return { refused: why };
    const attempts = rows.flatMap(({ batch, attempt }) => (batch === execution.batch ? attempt : []));
    reruns.push({ execution, attemptsBefore: Math.max(...attempts), pass });
  }
  return { reruns };
}

function refusal(execution: Execution, latest: Execution | undefined, scope: RerunScope): string | null {
  const { batch: name, id, previous = [] } = execution;
  if (isOpen(execution)) return `${name} (${id}) is still ${execution.status}`;
  if (latest !== undefined && isOpen(latest)) return `${name} is still ${latest.status} in this run (${latest.id})`;
  const batch = scope.inForce(name)?.batch;
  if (batch === undefined) return `${name} is gone, or has problems: there is nothing to run`;
  if (!batch.enabled) return `${name} is disabled`;
  const [other] = scope.openOf(name);
  if (other !== undefined && batch.concurrency === "forbid")
    return `${name} is still ${other.status}, in run ${other.run} (${other.id})`;
  const gone = batch.input === "previous" ? previous.find((one) => !scope.isKept(one)) : undefined;
  return gone === undefined ? null : `the input of ${name} is no longer kept: the logs of ${gone}`;
}

/** Latest executions that failed by themselves; of those that lie on one path only the first. */
function failures(
  rows: readonly Execution[],
  latest: ReadonlyMap<string, Execution>,
  { graph, inForce }: RerunScope,
): Execution[] {
  const failed = [...latest.values()].filter(
    ({ status, reason }) =>
      status === "failed" || (status === "aborted" && reason !== null && !reason.startsWith("previous-")),
  );
  const behind = new Set<string>();
  const names = failed.map(({ batch }) => batch as string);
  for (const name of names) {
    if (behind.has(name)) continue; // and so is all that lies behind it
    const ahead = [...next(name)];
    const seen = new Set<string>([name]);
    for (let at = ahead.pop(); at !== undefined; at = ahead.pop()) {
      if (seen.has(at)) continue;
      seen.add(at);
      behind.add(at);
      ahead.push(...next(at));
    }
  }
  function next(name: string): readonly string[] {
    const answer = inForce(name)?.batch.onFailure;
    return [...(graph.followers.get(name) ?? []), ...(answer == null ? [] : [answer])];
  }
  return rows.filter((row) => failed.includes(row) && !behind.has(row.batch));
}
