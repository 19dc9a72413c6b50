// Describes what the agent tells Prometheus: what it hears of is counted here, what holds now is read when it is
// asked for. The series of each batch are batch-metrics.ts' matter.
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";
import type { HistoryReader } from "../../history/port.ts";
import type { BatchState } from "../../model/batch.ts";
import { isOpen, type Execution } from "../../model/execution.ts";
import type { Catalog } from "../../status.ts";
import { addKubernetesMetrics, type KubernetesCounts } from "./kubernetes-metrics.ts";
import { createBatchMetrics } from "./batch-metrics.ts";

export interface Metrics {
  /** To be told of each execution that is new or another than before. */
  changed: (execution: Execution, before: Execution | undefined) => void;
  /** To be told of each pass over what may have changed in the folder. */
  reconciled: (ms: number, failed: boolean) => void;
  /** Adds what the Kubernetes runner counts. */
  addKubernetes: (counts: () => KubernetesCounts) => void;
  /** All of it in Prometheus' text format. Asked twice at once, it is made once. */
  text: () => Promise<string>;
  readonly contentType: string;
}

export interface MetricsDeps {
  version: string;
  /** Both are asked for only once something has happened, so that they may come to be after this. */
  catalog: () => Catalog;
  history: () => HistoryReader;
}

const startBuckets = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600, 3_600];
const durationBuckets = [0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600, 10_800, 43_200, 86_400];
const reconcileBuckets = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30];
const states: readonly BatchState[] = ["scheduled", "chained", "disabled", "invalid", "removed"];
/** For Node's own, gauges whose names end as a counter's; nodejs_active_handles and its like say the same. */
const misnamed = ["nodejs_active_handles_total", "nodejs_active_requests_total", "nodejs_active_resources_total"];

export function createMetrics({ version, catalog, history }: MetricsDeps): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const name of misnamed) registry.removeSingleMetric(name);
  const on = { registers: [registry] };
  const now = gaugesOfNow(on);
  const heard = countersOf(on);
  now.build.set({ version, node: process.version }, 1);
  const ofBatches = createBatchMetrics({ catalog, history });
  let asked: Promise<string> | null = null;
  let refresh: () => void = () => undefined;

  function changed(execution: Execution, before: Execution | undefined): void {
    heard.missed.inc(Math.max(0, (execution.missed?.count ?? 0) - (before?.missed?.count ?? 0)));
    if (execution.status === "running" && (before === undefined || before.status === "queued")) began(execution);
    if (isOpen(execution) || (before !== undefined && !isOpen(before))) return;
    ofBatches.ended(execution);
    const { status, durationMs, stdoutBytes, stderrBytes } = execution;
    if (durationMs !== null) heard.durations.observe({ status }, durationMs / 1000);
    heard.logBytes.inc({ stream: "stdout" }, stdoutBytes);
    heard.logBytes.inc({ stream: "stderr" }, stderrBytes);
  }

  function began({ batch, trigger, startedAt }: Execution): void {
    if (trigger.kind !== "cron" || startedAt === null) return;
    const jitterMs = catalog().batch(batch)?.batch?.schedule?.jitterMs ?? 0;
    heard.lateness.observe(Math.max(0, Date.parse(startedAt) - Date.parse(trigger.dueAt) - jitterMs) / 1000);
  }

  async function render(): Promise<string> {
    const batches = catalog().batches();
    const { running, queued, problems, watch } = catalog().details();
    now.running.set(running);
    now.queued.set(queued);
    now.problems.set(problems);
    now.ready.set(catalog().notReady().length === 0 ? 1 : 0);
    now.polling.set(watch.mode === "poll" ? 1 : 0);
    if (watch.lastVerifiedAt !== null) now.verified.set(Date.parse(watch.lastVerifiedAt) / 1000);
    refresh();
    for (const gauge of [now.poolSize, now.poolRunning, now.poolWaiting]) gauge.reset();
    now.missedEvents.reset();
    now.missedEvents.inc(watch.missedEvents);
    for (const [group, { pools }] of catalog().groups().inForce) {
      for (const [pool, size] of Object.entries(pools)) {
        const { running, waiting } = catalog().poolUse(group, pool);
        now.poolSize.set({ group, pool }, size);
        now.poolRunning.set({ group, pool }, running);
        now.poolWaiting.set({ group, pool }, waiting);
      }
    }
    for (const state of states) now.batches.set({ state }, batches.filter((batch) => batch.state === state).length);
    return `${await registry.metrics()}\n${await ofBatches.text(batches)}`;
  }

  return {
    changed,
    reconciled(ms, failed) {
      heard.reconciles.observe(ms / 1000);
      if (failed) heard.reconcileErrors.inc();
    },
    addKubernetes: (counts) => (refresh = addKubernetesMetrics(registry, counts)),
    text: () => (asked ??= render().finally(() => (asked = null))),
    contentType: registry.contentType,
  };
}

interface On {
  registers: Registry[];
}

/** No label for the batch on the histograms: at 10,000 batches that would be 140,000 series each. */
function countersOf(on: On) {
  return {
    durations: new Histogram({
      ...on,
      name: "batch_agent_execution_duration_seconds",
      help: "How long executions that ran took.",
      labelNames: ["status"],
      buckets: durationBuckets,
    }),
    lateness: new Histogram({
      ...on,
      name: "batch_agent_start_lateness_seconds",
      help: "How long after their due time, jitter included, scheduled executions started.",
      buckets: startBuckets,
    }),
    missed: new Counter({
      ...on,
      name: "batch_agent_missed_due_times_total",
      help: "Due times lost: agent down, machine asleep or no place free.",
    }),
    logBytes: new Counter({
      ...on,
      name: "batch_agent_log_bytes_total",
      help: "Bytes that ended executions have written.",
      labelNames: ["stream"],
    }),
    reconciles: new Histogram({
      ...on,
      name: "batch_agent_reconcile_duration_seconds",
      help: "How long looks at the folder of batches took.",
      buckets: reconcileBuckets,
    }),
    reconcileErrors: new Counter({
      ...on,
      name: "batch_agent_reconcile_errors_total",
      help: "Looks at the folder of batches that failed.",
    }),
  };
}

/** Returns what holds for the agent as a whole at the moment it is asked. */
function gaugesOfNow(on: On) {
  return {
    build: new Gauge({
      ...on,
      name: "batch_agent_build_info",
      help: "The version that runs; always 1.",
      labelNames: ["version", "node"],
    }),
    running: new Gauge({ ...on, name: "batch_agent_running", help: "Executions that run." }),
    queued: new Gauge({
      ...on,
      name: "batch_agent_queued",
      help: "Executions that wait for a place, for an earlier one or for their next attempt.",
    }),
    problems: new Gauge({ ...on, name: "batch_agent_problems", help: "Problems as /api/problems lists them." }),
    ready: new Gauge({ ...on, name: "batch_agent_ready", help: "1 if /readyz says so, else 0." }),
    batches: new Gauge({ ...on, name: "batch_agent_batches", help: "Batches by state.", labelNames: ["state"] }),
    poolSize: new Gauge({
      ...on,
      name: "batch_agent_pool_size",
      help: "Places of a pool.",
      labelNames: ["group", "pool"],
    }),
    poolRunning: new Gauge({
      ...on,
      name: "batch_agent_pool_running",
      help: "Executions that hold a place of a pool.",
      labelNames: ["group", "pool"],
    }),
    poolWaiting: new Gauge({
      ...on,
      name: "batch_agent_pool_waiting",
      help: "Starts in line for a place of a pool.",
      labelNames: ["group", "pool"],
    }),
    polling: new Gauge({
      ...on,
      name: "batch_agent_watch_polling",
      help: "1 if the folder is looked over at intervals because events cannot be had, else 0.",
    }),
    verified: new Gauge({
      ...on,
      name: "batch_agent_watch_verified_timestamp_seconds",
      help: "When the whole folder was last looked over, in seconds since 1970.",
    }),
    missedEvents: new Counter({
      ...on,
      name: "batch_agent_watch_missed_events_total",
      help: "Changes that no event told of and a look over the whole folder found.",
    }),
  };
}
