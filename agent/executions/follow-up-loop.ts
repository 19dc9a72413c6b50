// What comes after a final execution in its run: starts and refusals, carried out so that a crash at any point repeats and loses none.
import type { Graph } from "../definitions/chain-graph.ts";
import type { History } from "../history/port.ts";
import type { Batch } from "../model/batch.ts";
import type { Execution, TriggerKind, AbortedReason } from "../model/execution.ts";
import type { EpochMs, RunId, ExecutionId, BatchName } from "../model/ids.ts";
import { planFollowUps } from "./follow-ups.ts";

export interface FollowUpDeps {
  history: History;
  graph(): Graph;
  /** The batch as it is in force; null when there is none. */
  batchOf(name: BatchName): Batch | null;
  fresh(
    name: BatchName,
    trigger: { kind: TriggerKind; dueAt: EpochMs; by: ExecutionId | null },
    run?: RunId,
  ): Execution;
  /** Puts a permitted one on its way. */
  take(execution: Execution): void;
  /** Ends a refused one, with what follows it in turn. */
  refuse(execution: Execution, reason: AbortedReason, message: string): Promise<void>;
}

export interface FollowUps {
  /** Whether anything may come after this final execution. */
  isDue(final: Execution): boolean;
  /** Starts, or refuses, what comes next in the run. Done again after a crash, it does what is left. */
  carryOut(final: Execution): Promise<void>;
}

export function createFollowUps({ history, graph, batchOf, fresh, take, refuse }: FollowUpDeps): FollowUps {
  function isDue({ batch, status }: Execution): boolean {
    if ((graph().followers.get(batch)?.length ?? 0) > 0) return true;
    return status === "failed" && (batchOf(batch)?.onFailure ?? null) !== null;
  }

  async function carryOut(final: Execution): Promise<void> {
    const enabled = (name: string) => {
      const batch = batchOf(name as BatchName);
      return batch?.enabled === true ? batch : null;
    };
    const plans = planFollowUps(final, history.run(final.run), graph(), enabled);
    const dueAt = Date.parse(final.trigger.dueAt);
    const rows = plans.map(({ batch, kind, refused, previous }) => {
      const execution = { ...fresh(batch, { kind, dueAt, by: final.id }, final.run), previous };
      return { execution, refused };
    });
    // All are seen before the first moves on: a chain that joins again must not take a branch for missing.
    for (const { execution } of rows) history.show(execution);
    const refusals: Promise<void>[] = [];
    for (const { execution, refused } of rows) {
      if (refused === null) take(execution);
      else refusals.push(refuse(execution, refused.reason, refused.message));
    }
    await Promise.all(refusals);
    const recorded = await Promise.all(rows.map(({ execution }) => save(execution)));
    if (!recorded.includes(false)) return settle(final);
    // The mark stays until all that it stands for is on disk. Nobody waits for that.
    void Promise.all(rows.map(({ execution }) => history.written(execution.batch))).then(() => settle(final));
  }

  async function settle({ id }: Execution): Promise<void> {
    const current = history.find(id);
    if (current === undefined) return;
    const { followUpsDue: _done, ...settled } = current;
    await history.save(settled).catch(() => undefined);
  }

  /** As it stands by now, unless it has ended and was let go meanwhile. The history itself tries again, and says so, when it cannot write. */
  async function save({ id }: Execution): Promise<boolean> {
    const current = history.find(id);
    return (
      current === undefined ||
      (await history.save(current).then(
        () => true,
        () => false,
      ))
    );
  }

  return { isDue, carryOut };
}
