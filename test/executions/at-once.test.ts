// Two things at once: an edit, a removal, a crash or a disk that is full, while a start, a chain or an end is under
// way.
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createAttempt } from "../../agent/executions/attempt.ts";
import type { Batch } from "../../agent/model/batch.ts";
import type { Execution, ProcessEnding } from "../../agent/model/execution.ts";
import type { BatchName } from "../../agent/model/ids.ts";
import type { Look, Running } from "../../agent/runners/port.ts";
import { block } from "../helpers/disk.ts";
import { iso, minute, setUp } from "../helpers/executor.ts";
import { fakeClock } from "../helpers/fakes.ts";
import { batch, execution, t0 } from "../helpers/make.ts";
import { quietLog } from "../helpers/quiet.ts";
import { eventually } from "../helpers/tmp.ts";

const chained = (name: string, fields: Partial<Batch> = {}) =>
  batch({ name: name as BatchName, schedule: null, ...fields });
const onDisk = async (data: string, name: string) =>
  (JSON.parse(await readFile(join(data, `batches/${name}/history.json`), "utf8")) as { executions: Execution[] })
    .executions;

test("a batch that is removed, or broken, while it runs keeps its history", async () => {
  const big = batch({ keep: { executions: 1_000, ageMs: null } });
  const before = Array.from({ length: 150 }, () => execution({ status: "succeeded", at: t0 - minute }));
  const { runner, due, rows, started, known } = await setUp({ batches: [big], before });
  due(t0, big);
  await started(1);
  known.delete(big.name);
  runner.end(0);
  await eventually(() => rows().at(-1)?.status === "succeeded");
  expect(rows()).toHaveLength(151);
});

test("what is still to be followed is kept, whatever `keep` says", async () => {
  const one = batch({ concurrency: "allow", keep: { executions: 1, ageMs: null } });
  const next = chained("next", { after: ["report"] });
  const { runner, due, started, executor, data, history } = await setUp({ batches: [one, next] });
  due(t0, one);
  await started(1);
  due(t0 + minute, one);
  await started(2);
  const stopped = executor.stop(10_000);
  runner.end(0);
  await eventually(() => executor.counts().running === 1);
  runner.end(1);
  await stopped;
  await history.close();
  const again = await setUp({ batches: [one, next], data });
  again.executor.resume();
  await again.started(1);
  await again.clock.advance(0);
  expect(again.rows("next")).toHaveLength(2);
});

test("an end that cannot be recorded is shown to nobody; what follows it is not forgotten", async () => {
  const batches = [batch(), chained("next", { after: ["report"] })];
  const { runner, due, started, status, data, history, rows } = await setUp({ batches });
  due(t0);
  await started(1);
  const { id } = rows()[0] as Execution;
  const unblock = await block(data);
  runner.end(0);
  await status(0, "succeeded");
  await eventually(() => history.trouble() !== null);
  expect(await history.reader.find(id)).toMatchObject({ status: "running", finishedAt: null, durationMs: null });
  expect(history.reader.events.since(history.reader.events.newest())).toEqual([]);
  await unblock();
  const again = await setUp({ batches, data }); // the first one is gone
  again.executor.resume();
  again.runner.end(0);
  await again.started(1);
  expect(again.rows("next")).toHaveLength(1);
});

test("what an own-time batch reads stays until that batch and its retries are done", async () => {
  const extract = batch({ name: "extract" as BatchName, keep: { executions: 1, ageMs: null } });
  const retry = { limit: 1, delayMs: 10 * minute, factor: 1, maxDelayMs: 10 * minute };
  const report = batch({ after: ["extract"], input: "previous", retry });
  const { runner, due, started, status, rows, clock } = await setUp({ batches: [extract, report] });
  await clock.advance(1_000);
  due(t0 + 1, extract);
  await started(1);
  runner.end(0);
  await status(0, "succeeded", "extract");
  due(t0 + minute, report);
  await started(2);
  const [previous] = rows("extract");
  due(t0 + minute, extract);
  await started(3);
  runner.end(2);
  await eventually(() => rows("extract").at(-1)?.status === "succeeded");
  await clock.advance(0);
  expect(rows("extract").map(({ id }) => id)).toContain(previous?.id);
  runner.end(1, { kind: "exit", exitCode: 1 });
  await status(0, "failed");
  await clock.advance(10 * minute);
  await started(4);
  expect({ stdin: runner.orders[3]?.settings.input, previous: runner.orders[3]?.ownEnv["BATCH_PREVIOUS"] }).toEqual({
    stdin: "previous",
    previous: "extract",
  });
});

test("a refused follower that `keep` drops at once does not come back as queued", async () => {
  const next = chained("next", { after: ["report"], keep: { executions: 1, ageMs: null } });
  const { due, rows, started, executor, history, data } = await setUp({ batches: [batch(), next] });
  due(t0);
  await started(1);
  for (let i = 1; i <= 5; i++) await executor.manual("report");
  await history.close();
  expect((await onDisk(data, "next")).map(({ status }) => status)).toEqual(["aborted"]);
  expect(rows("next").map(({ status }) => status)).toEqual(["aborted"]);
});

test("an edit of the schedule is no due time: what has finished before it has finished", async () => {
  const extract = batch({ name: "extract" as BatchName });
  const report = batch({ after: ["extract"] });
  const { runner, due, started, status, rows, clock, history } = await setUp({ batches: [extract, report] });
  await clock.advance(1_000);
  due(t0 + 1, extract);
  await started(1);
  runner.end(0);
  await status(0, "succeeded", "extract");
  await clock.advance(minute);
  // as an edit of `cron` does
  await history.amend("report", { schedule: { key: "other", coveredUntil: iso(clock.now()) } });
  due(clock.now() + 1_000, report);
  await started(2);
  runner.end(1);
  await status(0, "succeeded");
  due(clock.now() + 2_000, report); // since that one it has not finished
  expect(rows()[1]?.reason).toBe("previous-not-run");
});

test("a retry that a clock far ahead has put off waits no longer than a retry may", async () => {
  const retry = { limit: 2, delayMs: 10_000, factor: 1, maxDelayMs: 20_000 };
  const ahead = t0 + 4 * 365 * 86_400_000;
  const before = [
    {
      ...execution({ at: ahead }),
      attempt: 2,
      trigger: { kind: "retry" as const, dueAt: iso(ahead), by: null },
      notBefore: iso(ahead + 10_000),
    },
  ];
  const { executor, clock, started } = await setUp({ batches: [batch({ retry })], before });
  executor.resume();
  await clock.advance(25_000);
  await started(1);
});

test("one that is replaced while its start cannot be recorded is not started after all", async () => {
  const one = batch({ concurrency: "replace" });
  const { due, clock, data, runner, history } = await setUp({ batches: [one] });
  const unblock = await block(data);
  due(t0, one);
  due(t0 + minute, one);
  await eventually(() => history.trouble() !== null);
  await unblock();
  await eventually(async () => {
    await clock.advance(1_000);
    return runner.orders.length > 0;
  });
  await clock.advance(1_000);
  expect(runner.orders.map(({ execution: { trigger } }) => trigger.dueAt)).toEqual([iso(t0 + minute)]);
});

test("who was to make room when the agent died is told again; who has ended meanwhile is not", async () => {
  const before = [execution({ status: "running", boot: "boot" }), execution()];
  const { executor, runner, clock, rows, started } = await setUp({
    batches: [batch({ concurrency: "replace" })],
    before,
  });
  executor.resume();
  await clock.advance(0);
  expect(runner.signals).toEqual(["SIGTERM"]);
  runner.end(0, { kind: "signal", signal: "SIGTERM" });
  await started(1);
  expect(rows()[0]?.reason).toBe("replaced");
});

test("what is taken over and replaced in the same breath is ended", async () => {
  const next = chained("next", { after: ["report"], concurrency: "replace" });
  const before = [
    execution({ batch: "next" as BatchName, status: "running", boot: "boot" }),
    execution({ status: "running", boot: "boot" }),
  ];
  const { executor, runner, clock, rows, started } = await setUp({ batches: [batch(), next], before });
  executor.resume();
  runner.end(1);
  await eventually(() => rows("next").length === 2);
  await clock.advance(100);
  expect({ signals: runner.signals, first: rows("next")[0]?.status }).toEqual({
    signals: ["SIGTERM"],
    first: "running",
  });
  runner.end(0, { kind: "signal", signal: "SIGTERM" });
  await started(1);
  expect(rows("next")[0]?.reason).toBe("replaced");
});

test("stopped while a timeout's SIGKILL is pending: it comes before the agent leaves", async () => {
  const one = batch({ timeoutMs: 30_000 });
  const { due, started, clock, runner, executor } = await setUp({ batches: [one] });
  due(t0, one);
  await started(1);
  await clock.advance(30_000);
  expect(runner.signals).toEqual(["SIGTERM"]);
  void executor.stop(0);
  await clock.advance(6_001);
  expect(runner.signals).toEqual(["SIGTERM", "SIGKILL"]);
});

test("logs of rows that a write which failed has dropped go once it is made up for", async () => {
  const { data, history, clock } = await setUp();
  const old = execution({ status: "succeeded" });
  await history.save(old);
  const folder = join(data, "batches/report/executions", old.id);
  await mkdir(folder, { recursive: true });
  const unblock = await block(data);
  const saved = history.save(execution({ status: "succeeded" }));
  await history.drop("report", [old.id]).catch(() => undefined);
  await saved.catch(() => undefined);
  expect(existsSync(folder)).toBe(true); // on disk it is still on record
  await unblock();
  await eventually(async () => {
    await clock.advance(1_000);
    return history.trouble() === null;
  });
  await eventually(() => !existsSync(folder));
});

test.each(["replaced", "shutdown"] as const)(
  "one that has ended by itself is not %s while its logs are measured",
  async (reason) => {
    const clock = fakeClock(t0);
    let end: (ending: ProcessEnding) => void = () => undefined;
    let measured: (look: Look) => void = () => undefined;
    const measuring = new Promise<Look>((done) => (measured = done));
    const running: Running = {
      ref: { pid: 1 },
      ended: new Promise((done) => (end = done)),
      stop: () => undefined,
      stopReason: null,
      look: () => measuring,
    };
    const attempt = createAttempt(execution({ status: "running" }), {
      clock,
      log: quietLog(),
      recorded: Promise.resolve(),
      launch: () => Promise.resolve(running),
      onSeen: () => undefined,
      onStarted: () => undefined,
      timeoutMs: null,
      successCodes: [0],
      count: () => 1,
    });
    await clock.advance(0);
    end({ kind: "exit", exitCode: 0, finishedAt: t0, stdoutBytes: 0, stderrBytes: 0 });
    await clock.advance(0);
    attempt.stop(reason);
    const sizes = { stdoutBytes: 0, stderrBytes: 0 };
    measured({ sizes, cut: false, truncated: [], progress: null, place: null, waitingFor: null });
    expect(await attempt.ended).toMatchObject({ status: "succeeded", reason: null });
  },
);

test("what follows one that was aborted reads nothing instead of no file", async () => {
  const late = chained("late", { after: ["report"], independent: true, input: "previous" });
  const { due, started, runner } = await setUp({ batches: [batch(), late] });
  due(t0);
  await started(1);
  due(t0 + minute); // an overlap
  await started(2);
  expect(runner.orders[1]?.ownEnv).toMatchObject({
    BATCH_NAME: "late",
    BATCH_PREVIOUS_STATUS: "aborted",
    BATCH_PREVIOUS_STDOUT: "/dev/null",
    BATCH_PREVIOUS_STDERR: "/dev/null",
  });
});
