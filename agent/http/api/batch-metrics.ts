// The metrics that have a series for each batch, written as text right away: at 10,000 batches prom-client would hold
// the event loop for half a second a family. What is counted is kept by batch and goes with it.
import type { HistoryReader, Outline } from "../../history/port.ts";
import type { BatchStatus } from "../../model/batch.ts";
import { isOpen, type Execution } from "../../model/execution.ts";
import type { Catalog } from "../../status.ts";

/** Batches looked at before others get a turn on the event loop. */
const slice = 100;

const families = {
  executions: ["batch_agent_executions_total", "counter", "Executions that have ended since the agent started."],
  info: ["batch_agent_batch_info", "gauge", "State, revision and commit in force; always 1."],
  failing: [
    "batch_agent_batch_failing",
    "gauge",
    "1 if the last attempt that ran to an end failed and none is to follow, else 0.",
  ],
  late: [
    "batch_agent_batch_late",
    "gauge",
    "1 if it has not succeeded since the last due time that it was late for, else 0; of batches with lateAfter.",
  ],
  lastDuration: [
    "batch_agent_last_duration_seconds",
    "gauge",
    "How long the last execution that succeeded or failed took.",
  ],
  lastSuccess: [
    "batch_agent_last_success_timestamp_seconds",
    "gauge",
    "When it last succeeded, in seconds since 1970.",
  ],
  nextStart: [
    "batch_agent_next_start_timestamp_seconds",
    "gauge",
    "When it starts next by its own schedule, jitter included, in seconds since 1970.",
  ],
} as const;
type Family = keyof typeof families;

export interface BatchMetrics {
  /** Counts one that has just ended. */
  ended: (execution: Execution) => void;
  /** All families of these batches; removed ones leave no series. */
  text: (batches: readonly BatchStatus[]) => Promise<string>;
}

export function createBatchMetrics({
  catalog,
  history,
}: {
  catalog: () => Catalog;
  history: () => HistoryReader;
}): BatchMetrics {
  /** By batch, then by the labels status and reason as written. */
  const counts = new Map<string, Map<string, number>>();
  /** Seconds since 1970, 0 for never; kept, for the history forgets. */
  const successes = new Map<string, number>();

  function ended({ batch, status, reason, finishedAt }: Execution): void {
    const ofBatch = countsOf(batch);
    const labels = written({ status, reason: reason ?? "" });
    ofBatch.set(labels, (ofBatch.get(labels) ?? 0) + 1);
    if (status === "succeeded") successes.set(batch, secondsOf(finishedAt));
  }

  /** From zero on, so that the first one is an increase. */
  function countsOf(batch: string): Map<string, number> {
    let ofBatch = counts.get(batch);
    if (ofBatch === undefined) {
      ofBatch = new Map([
        [written({ status: "succeeded", reason: "" }), 0],
        [written({ status: "failed", reason: "exit" }), 0],
      ]);
      counts.set(batch, ofBatch);
    }
    return ofBatch;
  }

  function lastSuccessOf(batch: string): number {
    let success = successes.get(batch);
    if (success === undefined) {
      success = secondsOf(first(history().outlines(batch), ({ status }) => status === "succeeded")?.finishedAt ?? null);
      successes.set(batch, success);
    }
    return success;
  }

  /** Returns whether its next attempt is on its way. */
  function isRetried({ batch, id, runKey }: Outline): boolean {
    const next = first(history().outlines(batch), (other) => other.id <= id || (other.isRetry && isOpen(other)));
    return next !== undefined && next.id > id && next.runKey === runKey;
  }

  function* samplesOf({
    name,
    state,
    revision,
    commit,
    batch: ofBatch,
  }: BatchStatus): Generator<[Family, string, number]> {
    const batch = written({ batch: name });
    for (const [labels, count] of countsOf(name)) yield ["executions", `${batch},${labels}`, count];
    yield ["info", `${batch},${written({ state, revision: revision ?? "", commit: commit ?? "" })}`, 1];
    if (ofBatch?.enabled === true && ofBatch.lateAfterMs !== null)
      yield ["late", batch, history().head(name)?.late?.isLate === true ? 1 : 0];
    const last = first(history().outlines(name), ({ status }) => status === "succeeded" || status === "failed");
    if (last !== undefined) yield ["failing", batch, last.status === "failed" && !isRetried(last) ? 1 : 0];
    if (last?.durationMs != null) yield ["lastDuration", batch, last.durationMs / 1000];
    const success = lastSuccessOf(name);
    if (success > 0) yield ["lastSuccess", batch, success];
    const next = catalog().nextDueAt(name);
    if (next !== null) yield ["nextStart", batch, next / 1000];
  }

  async function text(batches: readonly BatchStatus[]): Promise<string> {
    const here = batches.filter(({ state }) => state !== "removed");
    const names = new Set(here.map(({ name }) => name));
    for (const kept of [counts, successes]) for (const name of kept.keys()) if (!names.has(name)) kept.delete(name);
    const lines = new Map<Family, string[]>();
    for (const [family, [name, type, help]] of Object.entries(families))
      lines.set(family as Family, [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`]);
    for (const [index, status] of here.entries()) {
      if (index % slice === slice - 1) await new Promise<void>((done) => void setImmediate(done));
      for (const [family, labels, value] of samplesOf(status))
        lines.get(family)?.push(`${families[family][0]}{${labels}} ${value}`);
    }
    return [...lines.values()].map((family) => `${family.join("\n")}\n`).join("\n");
  }

  return { ended, text };
}

/** Labels as Prometheus wants them written. */
function written(labels: Record<string, string>): string {
  return Object.entries(labels)
    .map(
      ([name, value]) => `${name}="${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`,
    )
    .join(",");
}

/** The first of a batch's executions, newest first, that is as wanted. */
function first(past: Iterable<Outline>, isWanted: (outline: Outline) => boolean): Outline | undefined {
  for (const outline of past) if (isWanted(outline)) return outline;
  return undefined;
}

function secondsOf(at: string | null): number {
  return at === null ? 0 : Date.parse(at) / 1000;
}
