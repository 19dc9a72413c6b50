// A new execution of a batch, with what its definition says now.
import type { Batch } from "../model/batch.ts";
import type { Execution, TriggerKind } from "../model/execution.ts";
import type { BatchName, EpochMs, ExecutionId, Revision, RunId } from "../model/ids.ts";
import { createExecution } from "./execution.ts";
import { markedLate } from "./late.ts";
import { valuesInForce } from "./params.ts";

/** Describes what is in force for a batch when one of its executions starts. */
export interface Definition {
  batch: Batch;
  revision: Revision;
  commit: string | null;
}

export interface Ids {
  newId: (now: EpochMs) => string;
}

/** A new execution of a batch, queued; without `run` it is the root of one. A run's id is never an execution's. */
export function newExecution(
  name: BatchName,
  trigger: { kind: TriggerKind; dueAt: EpochMs; by: ExecutionId | null },
  of: { definition: Definition | null; run?: RunId; given?: Execution["given"]; scheduled?: boolean },
  ids: Ids,
  now: EpochMs,
): Execution {
  const { definition, given } = of;
  const run = of.run ?? (ids.newId(now) as RunId);
  const params = valuesInForce(definition?.batch ?? null, {}, given);
  const execution = createExecution({
    id: ids.newId(now) as ExecutionId,
    batch: name,
    ...(definition === null ? {} : { group: definition.batch.group }),
    revision: definition?.revision ?? null,
    commit: definition?.commit ?? null,
    trigger,
    now,
    run,
  });
  const made: Execution = {
    ...execution,
    ...(trigger.kind === "cron" || of.scheduled === true ? { scheduled: true } : {}),
    ...(definition === null || definition.batch.group === "" ? {} : { group: definition.batch.group }),
    ...(given === undefined ? {} : { given }),
    ...(params === undefined ? {} : { params }),
  };
  return markedLate(made, definition?.batch ?? null, now);
}
