// An execution and its batch → what a runner is told. Pure.
import { InvariantError } from "../errors.ts";
import type { Batch } from "../model/batch.ts";
import type { Execution } from "../model/execution.ts";
import type { StartOrder } from "../runners/port.ts";

/**
 * Returns the order for an execution whose start is recorded. `previous`: the executions it comes after, in the order
 * of `after`; `fault`: why its revision cannot be run, or null.
 */
export function buildOrder(
  execution: Execution,
  batch: Batch,
  previous: readonly Execution[],
  fault: string | null,
): StartOrder {
  const { revision } = execution;
  if (revision === null) throw new InvariantError(`execution ${execution.id} has no revision to run`);
  const { shellOptions, output, input, env, envFiles, startDeadlineMs } = batch;
  const { kubernetes } = batch.file;
  return {
    execution,
    revision,
    fault,
    settings: {
      ...{ shellOptions, output, input, env, envFiles, startDeadlineMs },
      ...(kubernetes === undefined ? {} : { kubernetes }),
    },
    previous: previous.map(({ batch, id, status, exitCode, startedAt, logsDeleted }) => ({
      batch,
      id,
      status,
      exitCode,
      ran: startedAt !== null && logsDeleted !== true, // one that was aborted before has none
    })),
  };
}
