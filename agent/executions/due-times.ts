// The due times of a range, for a backfill.
import { closest } from "../definitions/suggest.ts";
import { yieldToEventLoop } from "../async/yield.ts";
import type { HistoryReader, Recorder } from "../history/port.ts";
import type { Batch } from "../model/batch.ts";
import { runState } from "../model/execution.ts";
import type { EpochMs } from "../model/ids.ts";
import { nextDue } from "../schedule/schedule.ts";
import type { Answer } from "./port.ts";

/** Due times of one backfill. */
const maxDueTimes = 10_000;

export interface DueTimesDeps {
  recorder: Pick<Recorder, "names">;
  reader: Pick<HistoryReader, "document" | "run">;
  batchOf: (name: string) => Batch | null;
}

/** Names the scheduled batches that a chained one comes after, directly or not. */
function rootsOf(batch: Batch, batchOf: (name: string) => Batch | null): string[] {
  const seen = new Set(batch.after);
  for (const name of seen)
    if (batchOf(name)?.schedule === null) for (const before of batchOf(name)?.after ?? []) seen.add(before);
  return [...seen].filter((name) => (batchOf(name)?.schedule ?? null) !== null);
}

/** Answers with the due times of a batch in [from, to), and which of them have a run that succeeded. */
export async function findDueTimes(
  asked: { batch: string; from: EpochMs; to: EpochMs },
  { batchOf, recorder, reader }: DueTimesDeps,
): Promise<Answer> {
  const batch = batchOf(asked.batch);
  if (batch === null) {
    const near = closest(asked.batch, recorder.names());
    const hint = near === null || near === asked.batch ? ", or it has problems" : `: did you mean ${near}?`;
    return { error: `there is no batch ${asked.batch}${hint}` };
  }
  if (batch.schedule === null) {
    const roots = rootsOf(batch, batchOf);
    const hint = roots.length === 0 ? "" : `: its runs begin with ${roots.join(", ")}, backfill that`;
    return { error: `${batch.name} has no cron, and so no due times${hint}` };
  }
  const found: EpochMs[] = [];
  for (let at = nextDue(batch.schedule, asked.from - 1); at !== null && at < asked.to;) {
    if (found.length >= maxDueTimes) return { error: `there are more than ${maxDueTimes} due times: ask for less` };
    found.push(at);
    await yieldToEventLoop();
    at = nextDue(batch.schedule, at);
  }
  const wanted = new Set(found.map((at) => new Date(at).toISOString()));
  const succeeded = new Set<string>();
  for (const row of await reader.document(batch.name)) {
    const { dueAt } = row.trigger;
    if (!wanted.has(dueAt) || row.status !== "succeeded" || succeeded.has(dueAt)) continue;
    if (runState(await reader.run(row.run)) === "succeeded") succeeded.add(dueAt);
  }
  return { dueTimes: [...wanted].map((dueAt) => ({ dueAt, succeeded: succeeded.has(dueAt) })) };
}
