// /metrics as Prometheus' own tool reads it, over a real history; and what an agent tells while it works.
import { execFileSync, spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import type { BatchStatus } from "../../agent/model/batch.ts";
import type { Execution } from "../../agent/model/execution.ts";
import type { Revision, BatchName } from "../../agent/model/ids.ts";
import { startAgent, workplace } from "../helpers/agent.ts";
import { serve } from "../helpers/http.ts";
import { batch, execution, schedule, t0 } from "../helpers/make.ts";
import { eventually } from "../helpers/tmp.ts";
import { isMissing } from "../helpers/tools.ts";

const report: BatchStatus = {
  name: "report",
  state: "scheduled",
  batch: batch(),
  revision: "aaaaaaaaaaaa" as Revision,
  commit: "c".repeat(40),
  problems: [],
  blockedBy: [],
};
const other: BatchStatus = {
  ...report,
  name: "other",
  batch: batch({ name: "other" as BatchName, schedule: schedule("* * * * *", "UTC", 2_000) }),
};

/** Every sample by its name and labels as written. */
function samplesOf(text: string): Map<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]),
  );
}

async function scrape(app: Awaited<ReturnType<typeof serve>>["app"]): Promise<Map<string, number>> {
  return samplesOf(await (await app.request("/metrics")).text());
}

/** Takes an execution through its statuses, as the executor does. */
async function runThrough(
  served: Awaited<ReturnType<typeof serve>>,
  fields: Parameters<typeof execution>[0],
  startedAt = t0,
): Promise<Execution> {
  const ended = { ...execution(fields), startedAt: new Date(startedAt).toISOString() };
  await served.add({ ...ended, status: "queued", reason: null, finishedAt: null, startedAt: null });
  await served.add({ ...ended, status: "running", reason: null, finishedAt: null });
  await served.add(ended);
  await served.add({ ...ended, message: "said once more" });
  return ended;
}

test.skipIf(isMissing("promtool"))("promtool finds no error and nothing to complain about", async () => {
  const served = await serve({ batches: [report] });
  await runThrough(served, { status: "succeeded", durationMs: 1_500, stdoutBytes: 10 });
  await served.add(execution({ status: "aborted" }));
  const response = await served.app.request("/metrics");
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  const checked = spawnSync("promtool", ["check", "metrics"], { input: await response.text(), encoding: "utf8" });
  expect({ status: checked.status, said: checked.stdout + checked.stderr }).toEqual({ status: 0, said: "" });
});

test.skipIf(isMissing("promtool"))("promtool would complain, if there were reason to", () => {
  const checked = spawnSync("promtool", ["check", "metrics"], {
    input: "# TYPE a_total gauge\na_total 1\n",
    encoding: "utf8",
  });
  expect(checked.stdout + checked.stderr).toContain("a_total");
});

describe("counts", () => {
  test("each end once, by batch, status and reason, from zero on", async () => {
    const served = await serve({ batches: [report, other] });
    expect(
      (await scrape(served.app)).get('batch_agent_executions_total{batch="report",status="failed",reason="exit"}'),
    ).toBe(0);
    await runThrough(served, { status: "succeeded", durationMs: 1_500, stdoutBytes: 10, stderrBytes: 3 });
    await runThrough(served, { status: "failed", durationMs: 70_000 });
    await runThrough(served, { status: "failed", durationMs: 70_000 });
    await served.add(execution({ status: "aborted" }));
    const samples = await scrape(served.app);
    expect(
      Object.fromEntries([...samples].filter(([name]) => name.startsWith("batch_agent_executions_total"))),
    ).toEqual({
      'batch_agent_executions_total{batch="report",status="succeeded",reason=""}': 1,
      'batch_agent_executions_total{batch="report",status="failed",reason="exit"}': 2,
      'batch_agent_executions_total{batch="report",status="aborted",reason="overlap"}': 1,
      'batch_agent_executions_total{batch="other",status="succeeded",reason=""}': 0,
      'batch_agent_executions_total{batch="other",status="failed",reason="exit"}': 0,
    });
    expect(samples.get('batch_agent_execution_duration_seconds_sum{status="failed"}')).toBe(140);
    expect(samples.get('batch_agent_execution_duration_seconds_bucket{le="5",status="succeeded"}')).toBe(1);
    expect(samples.get('batch_agent_log_bytes_total{stream="stdout"}')).toBe(10);
    expect(samples.get('batch_agent_log_bytes_total{stream="stderr"}')).toBe(3);
  });

  test("lateness is counted from the due time with its jitter", async () => {
    const served = await serve({ batches: [other] });
    await runThrough(served, { batch: "other" as BatchName, status: "succeeded" }, t0 + 2_300);
    const samples = await scrape(served.app);
    expect(samples.get("batch_agent_start_lateness_seconds_count")).toBe(1);
    expect(samples.get("batch_agent_start_lateness_seconds_sum")).toBeCloseTo(0.3);
  });

  test("a gap told again counts what is new in it", async () => {
    const served = await serve({ batches: [report] });
    const at = new Date(t0).toISOString();
    const row = { ...execution({ status: "aborted", reason: "missed" }), missed: { from: at, to: at, count: 3 } };
    await served.add(row);
    await served.add({ ...row, missed: { from: at, to: at, count: 5 } });
    const samples = await scrape(served.app);
    expect(samples.get("batch_agent_missed_due_times_total")).toBe(5);
    expect(samples.get('batch_agent_executions_total{batch="report",status="aborted",reason="missed"}')).toBe(1);
  });
});

describe("of each batch", () => {
  test("what is in force, when it last succeeded, whether it fails", async () => {
    const served = await serve({ batches: [report] });
    await runThrough(served, { status: "succeeded" });
    await runThrough(served, { status: "failed", durationMs: 2_000 });
    await served.add(execution({ status: "aborted" }));
    const samples = await scrape(served.app);
    expect(
      samples.get(
        `batch_agent_batch_info{batch="report",state="scheduled",revision="aaaaaaaaaaaa",commit="${"c".repeat(40)}"}`,
      ),
    ).toBe(1);
    expect(samples.get('batch_agent_last_success_timestamp_seconds{batch="report"}')).toBe(t0 / 1000);
    expect(samples.get('batch_agent_next_start_timestamp_seconds{batch="report"}')).toBe(t0 / 1000 + 60);
    expect(samples.get('batch_agent_batch_failing{batch="report"}')).toBe(1);
    expect(samples.get('batch_agent_last_duration_seconds{batch="report"}')).toBe(2);
  });

  test("one whose next attempt is to come does not fail yet", async () => {
    const served = await serve({ batches: [report] });
    const failed = await runThrough(served, { status: "failed" });
    const retry = { ...execution(), run: failed.run };
    await served.add({
      ...retry,
      trigger: { kind: "retry", dueAt: failed.trigger.dueAt, by: failed.id },
    });
    expect((await scrape(served.app)).get('batch_agent_batch_failing{batch="report"}')).toBe(0);
  });

  test("the last success stands although the history has forgotten it", async () => {
    const served = await serve({ batches: [report] });
    const { id } = await runThrough(served, { status: "succeeded" });
    await served.history.drop("report", [id]);
    expect((await scrape(served.app)).get('batch_agent_last_success_timestamp_seconds{batch="report"}')).toBe(
      t0 / 1000,
    );
  });

  test("a removed one leaves no series, but is counted among the batches", async () => {
    const batches = [report];
    const served = await serve({ batches });
    await runThrough(served, { status: "succeeded" });
    await scrape(served.app);
    batches[0] = { ...report, state: "removed", batch: null };
    const samples = await scrape(served.app);
    expect([...samples.keys()].filter((name) => name.includes("report"))).toEqual([]);
    expect(samples.get('batch_agent_batches{state="removed"}')).toBe(1);
  });
});

test("an agent at work tells what it does", async () => {
  const place = workplace();
  place.put("often", 'cron: "* * * * * *"\n', "echo hello\n");
  place.put("broken", "cron: [\n", "echo hello\n");
  place.put("chained", "after: often\n", "exit 3\n");
  const agent = await startAgent(place);
  const scrapeAgent = async () => samplesOf(await (await agent.get("/metrics")).text());
  const samples = await eventually(async () => {
    const seen = await scrapeAgent();
    return (seen.get('batch_agent_executions_total{batch="chained",status="failed",reason="exit"}') ?? 0) > 1 && seen;
  });
  expect(samples.get('batch_agent_executions_total{batch="often",status="succeeded",reason=""}')).toBeGreaterThan(1);
  expect(samples.get('batch_agent_last_success_timestamp_seconds{batch="often"}')).toBeGreaterThan(
    Date.now() / 1000 - 30,
  );
  expect(samples.get('batch_agent_next_start_timestamp_seconds{batch="often"}')).toBeGreaterThan(Date.now() / 1000 - 3);
  expect(samples.has('batch_agent_next_start_timestamp_seconds{batch="chained"}')).toBe(false);
  expect(samples.get("batch_agent_problems")).toBe(1);
  expect(samples.get("batch_agent_ready")).toBe(1);
  expect(samples.get('batch_agent_batches{state="invalid"}')).toBe(1);
  expect(samples.get("batch_agent_reconcile_duration_seconds_count")).toBeGreaterThan(0);
  expect(samples.get("batch_agent_start_lateness_seconds_count")).toBeGreaterThan(1);
  for (const name of [
    "batch_agent_running",
    "batch_agent_queued",
    "process_cpu_seconds_total",
    "batch_agent_watch_missed_events_total",
  ])
    expect(samples.has(name), name).toBe(true);

  place.drop("chained");
  await eventually(async () => ![...(await scrapeAgent()).keys()].some((name) => name.includes('batch="chained"')));
  execFileSync("mv", [place.batches, `${place.batches}.away`]);
  agent.child.kill("SIGHUP");
  await eventually(async () => ((await scrapeAgent()).get("batch_agent_reconcile_errors_total") ?? 0) > 0);
});
