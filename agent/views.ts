// Domain → API JSON: the only place that shapes output.
import type { Edge } from "./definitions/chain-graph.ts";
import { shownAddress } from "./definitions/redact.ts";
import type { Outline } from "./history/port.ts";
import type { BatchStatus } from "./model/batch.ts";
import type { Iso } from "./model/ids.ts";
import { runState, type Execution, type ExecutionStatus } from "./model/execution.ts";
import type { Problem } from "./model/problem.ts";
import type { CommitInfo } from "./sources/port.ts";

const statsOver = 50;

/** An execution as the API shows it: the contract's keys, in its order; what else a record holds is not shown. */
export interface ExecutionView
  extends
    Omit<Shown, "trigger">,
    Required<Pick<Execution, "group" | "params" | "place" | "waitingFor" | "outputTruncated" | "late">>,
    Pick<Execution, "missed" | "logsDeleted"> {
  trigger: Required<Execution["trigger"]>;
  commitInfo: CommitInfo | null;
}

type Shown = Pick<
  Execution,
  | ("id" | "run" | "batch" | "revision" | "commit" | "trigger" | "attempt" | "status" | "reason" | "message")
  | ("exitCode" | "signal" | "pid" | "createdAt" | "startedAt" | "finishedAt" | "durationMs" | "progress")
  | ("estimatedEndAt" | "stdoutBytes" | "stderrBytes" | "unusual")
>;

/** Describes what is known of an execution beside its record. */
export interface Live extends Partial<
  Pick<ExecutionView, "stdoutBytes" | "stderrBytes" | "estimatedEndAt" | "waitingFor" | "place">
> {
  commitInfo?: CommitInfo | null;
}

/** An execution as the API shows it. `live` overrides what a running one's record does not hold yet. */
export function executionView(execution: Execution, live: Live = {}): ExecutionView {
  const { trigger } = execution;
  return {
    id: execution.id,
    run: execution.run,
    batch: execution.batch,
    group: execution.group ?? "",
    revision: execution.revision,
    commit: execution.commit,
    trigger: {
      kind: trigger.kind,
      dueAt: trigger.dueAt,
      by: trigger.by,
      actor: trigger.actor ?? null,
      note: trigger.note ?? null,
    },
    params: execution.params ?? {},
    attempt: execution.attempt,
    status: execution.status,
    reason: execution.reason,
    message: execution.message,
    exitCode: execution.exitCode,
    signal: execution.signal,
    pid: execution.pid,
    place: execution.place ?? null,
    waitingFor: execution.waitingFor ?? null,
    createdAt: execution.createdAt,
    startedAt: execution.startedAt,
    finishedAt: execution.finishedAt,
    durationMs: execution.durationMs,
    progress: execution.progress,
    estimatedEndAt: execution.estimatedEndAt,
    stdoutBytes: execution.stdoutBytes,
    stderrBytes: execution.stderrBytes,
    outputTruncated: execution.outputTruncated ?? false,
    unusual: execution.unusual,
    late: execution.late ?? false,
    ...(execution.logsDeleted === true ? { logsDeleted: true } : {}),
    ...(execution.missed === undefined ? {} : { missed: execution.missed }),
    commitInfo: null,
    ...live,
  };
}

export type BatchView = ReturnType<typeof batchView>;

/** A batch as the API shows it. `next`: coming starts, ISO. */
export function batchView(
  status: BatchStatus,
  past: PastView,
  next: readonly string[],
  commitInfo: CommitInfo | null = null,
) {
  const { last } = past;
  return {
    name: status.name,
    group: groupOf(status, last),
    state: status.state,
    definition: definitionView(status),
    inherited: status.batch?.inherited ?? {},
    revision: status.revision,
    commit: status.commit,
    commitInfo,
    next,
    blockedBy: status.blockedBy,
    lastExecution: last === undefined ? null : executionView(last, past.live),
    failingSince: failingSince(past.outlines()),
    stats: statsView(past),
    problems: status.problems.map(problemView),
  };
}

/** Describes what a batch's view shows of its executions. `outlines`: newest first. */
export interface PastView {
  last: Execution | undefined;
  live?: Live;
  counts: Record<ExecutionStatus, number>;
  outlines: () => Iterable<Outline>;
}

/** Returns the group that a batch lies in; of one that is gone, the group of its last execution. */
function groupOf(status: BatchStatus, last: Execution | undefined): string {
  return status.group ?? status.batch?.group ?? last?.group ?? "";
}

/**
 * Counts failures in a row and says when the first of them ended; null when there is none since the last success.
 * Attempts that were tried again count as one, what did not run to an end not at all. `past`: newest first.
 */
export function failingSince(past: Iterable<Outline>): { at: Iso; count: number } | null {
  const retried = new Set<number>();
  let at: Iso | null = null;
  let count = 0;
  for (const { status, runKey, isRetry, finishedAt, createdAt } of past) {
    if (status === "succeeded") break;
    if (status === "failed" && !retried.has(runKey)) {
      at = finishedAt ?? createdAt;
      count += 1;
    }
    if (isRetry) retried.add(runKey);
  }
  return at === null ? null : { at, count };
}

/**
 * Returns the last one, but for starts that were left out while it ran: they would hide how it ended. `past`: newest
 * first.
 */
export function lastOf(past: Iterable<Outline>): Outline | undefined {
  let newest: Outline | undefined;
  for (const outline of past) {
    if (outline.reason !== "overlap") return outline;
    newest ??= outline;
  }
  return newest;
}

/** All of a run, and how it stands. */
export function runView(run: string, executions: readonly Execution[]) {
  return { run, state: runState(executions), items: executions.map((execution) => executionView(execution)) };
}

/** Every chain there is; batches that are in none are nodes too. */
export function graphView(batches: readonly BatchStatus[], edges: readonly Edge[]) {
  return {
    nodes: batches.filter(({ state }) => state !== "removed").map(({ name, state }) => ({ name, state })),
    edges,
  };
}

export function problemView(problem: Problem): Problem {
  const { batch, file, line, column, path, code, message, hint } = problem;
  return { batch, file, line, column, path, code, message, hint };
}

/**
 * As written, with defaults; values of `env`, and what webhooks and pings have after the host, are nobody's business.
 */
function definitionView({ batch }: BatchStatus) {
  if (batch === null) return null;
  const { notify, ...file } = batch.file;
  const env = Object.fromEntries(Object.keys(file.env).map((name) => [name, "***"]));
  if (notify === undefined) return { ...file, env };
  const { webhook, ping } = notify;
  return { ...file, env, notify: { ...notify, webhook: webhook.map(shownAddress), ping: ping.map(shownAddress) } };
}

/** Counts over all that is kept; durations in ms over the last 50 that ran to an end, null where there is none. */
function statsView({ counts, outlines }: PastView) {
  const durations: number[] = [];
  for (const { durationMs } of outlines()) {
    if (durationMs === null) continue;
    durations.push(durationMs);
    if (durations.length === statsOver) break;
  }
  durations.sort((a, b) => a - b);
  return { counts, medianMs: quantile(durations, 0.5), p95Ms: quantile(durations, 0.95) };
}

/** Nearest rank. */
function quantile(sorted: readonly number[], share: number): number | null {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
}
