import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { estimatedEnd } from "../../agent/executions/baseline.ts";
import type { Batch } from "../../agent/model/batch.ts";
import type { Execution } from "../../agent/model/execution.ts";
import type { BatchName } from "../../agent/model/ids.ts";
import { block } from "../helpers/disk.ts";
import { iso, minute, setUp } from "../helpers/executor.ts";
import { batch, execution, t0 } from "../helpers/make.ts";
import { eventually } from "../helpers/tmp.ts";

describe("executor", () => {
  test("a start is recorded, with its due time accounted for, before its process exists", async () => {
    const { history, runner, due, rows, started, executor } = await setUp();
    const recorded: unknown[] = [];
    const start = runner.start.bind(runner);
    runner.start = (order) => {
      recorded.push([rows()[0]?.status, history.recorder.head("report")?.schedule?.coveredUntil]);
      return start(order);
    };
    due(t0 + minute);
    expect(runner.orders).toHaveLength(0);
    await started(1);
    expect(recorded).toEqual([["running", iso(t0 + minute)]]);
    expect(runner.orders[0]).toMatchObject({
      revision: "aaaaaaaaaaaa",
      ownEnv: {
        BATCH_NAME: "report",
        BATCH_TRIGGER: "cron",
        BATCH_DUE_AT: iso(t0 + minute),
        BATCH_STATE_DIR: "/state/report",
      },
    });
    expect(executor.counts()).toEqual({ running: 1, queued: 0 });
  });

  test.each([
    { ending: { kind: "exit", exitCode: 0 }, want: { status: "succeeded", reason: null, exitCode: 0 } },
    {
      ending: { kind: "exit", exitCode: 3 },
      want: { status: "failed", reason: "exit", exitCode: 3, message: "exit code 3" },
    },
    {
      ending: { kind: "signal", signal: "SIGSEGV" },
      want: { status: "failed", reason: "signal", signal: "SIGSEGV", exitCode: null },
    },
    { ending: { kind: "spawn", message: "no bash" }, want: { status: "failed", reason: "spawn", message: "no bash" } },
    { ending: { kind: "lost" }, want: { status: "failed", reason: "lost" } },
  ] as const)("an ending of $ending.kind is recorded as $want.status/$want.reason", async ({ ending, want }) => {
    const { clock, runner, due, rows, started, status } = await setUp();
    due(t0);
    await started(1);
    await clock.advance(1_500);
    runner.end(0, ending);
    await status(0, want.status);
    expect(rows()[0]).toMatchObject({ ...want, durationMs: 1_500, stdoutBytes: 1, stderrBytes: 2, pid: 1_001 });
  });

  test("whatever goes wrong once a start is on record, it is not started again", async () => {
    const other = batch({ name: "other" as BatchName, concurrency: "allow" });
    const { runner, due, rows, executor } = await setUp({ batches: [batch(), other] });
    const launched: string[] = [];
    runner.start = ({ execution: { batch: name } }) => {
      launched.push(name);
      throw new Error("out of order");
    };
    due(t0);
    for (let i = 1; i <= 5; i++) {
      await executor.manual("other"); // as long as it would take to start the first one anew
      await eventually(() => launched.filter((name) => name === "other").length === i);
    }
    expect(launched.filter((name) => name === "report")).toHaveLength(1);
    expect(rows()).toMatchObject([{ status: "running" }]);
  });

  test("a start while an earlier one runs is an overlap", async () => {
    const { due, rows, started } = await setUp();
    due(t0);
    await started(1);
    due(t0 + minute);
    expect(rows()[1]).toMatchObject({ status: "aborted", reason: "overlap", trigger: { dueAt: iso(t0 + minute) } });
  });

  test("no more than max-parallel run; the rest wait their turn, first come first served", async () => {
    const batches = ["a", "b", "c", "d"].map((name) => batch({ name: name as BatchName }));
    const { runner, due, started, executor } = await setUp({ maxParallel: 2, batches });
    for (const [i, one] of batches.entries()) {
      due(t0, one);
      await started(Math.min(i + 1, 2));
    }
    expect(executor.counts()).toEqual({ running: 2, queued: 2 });
    runner.end(0);
    await started(3);
    runner.end(1);
    await started(4);
    expect(runner.orders.map((order) => order.execution.batch)).toEqual(["a", "b", "c", "d"]);
  });

  test("one that waited past startDeadline, or was disabled meanwhile, is aborted", async () => {
    const [a, b, c] = ["a", "b", "c"].map((name) => batch({ name: name as BatchName, startDeadlineMs: 30_000 })) as [
      Batch,
      Batch,
      Batch,
    ];
    const { clock, runner, due, started, status, rows, known } = await setUp({ maxParallel: 1, batches: [a, b, c] });
    due(t0, a);
    due(t0, b);
    due(t0, c);
    await started(1);
    known.set(c.name, { ...c, enabled: false });
    await clock.advance(31_000);
    runner.end(0);
    await status(0, "aborted", "b");
    await status(0, "aborted", "c");
    expect([rows("b")[0]?.reason, rows("c")[0]?.reason]).toEqual(["deadline", "disabled"]);
  });

  test("a gap is one row, beside the latest that is caught up", async () => {
    const { due, rows, started } = await setUp();
    due(t0 + 3 * minute, batch(), { from: t0 + minute, to: t0 + 3 * minute, count: 3 });
    await started(1);
    expect(rows()).toMatchObject([
      {
        status: "aborted",
        reason: "missed",
        missed: { from: iso(t0 + minute), to: iso(t0 + 3 * minute), count: 3 },
        message: expect.stringContaining("3 due times") as string,
      },
      { status: "running", trigger: { dueAt: iso(t0 + 3 * minute) } },
    ]);
  });

  test("keep bounds the record, and what runs is never dropped", async () => {
    const small = batch({ keep: { executions: 3, ageMs: null } });
    const { runner, due, rows, started } = await setUp({ batches: [small] });
    for (let i = 0; i < 6; i++) {
      due(t0 + i * minute, small);
      await started(i + 1);
      runner.end(i);
      await eventually(() => rows().at(-1)?.status === "succeeded");
    }
    expect(rows().map((row) => row.trigger.dueAt)).toEqual([3, 4, 5].map((i) => iso(t0 + i * minute)));
  });

  test("after a restart queued ones go on in order and running ones are taken over", async () => {
    const before = [execution({ status: "running", boot: "boot" }), execution({ batch: "other" as BatchName })];
    const { runner, executor, status, started, due, rows } = await setUp({
      batches: [batch(), batch({ name: "other" as BatchName })],
      before,
    });
    executor.resume();
    await started(1);
    due(t0 + minute);
    expect(rows()[1]).toMatchObject({ reason: "overlap" });
    runner.end(0, { kind: "exit", exitCode: 4 });
    await status(0, "failed");
    expect(runner.orders[0]?.execution.batch).toBe("other");
  });

  test("a stop lets running ones end within the grace, then ends them and says so", async () => {
    const { clock, runner, due, started, executor, rows } = await setUp({
      batches: [batch(), batch({ name: "other" as BatchName })],
    });
    due(t0);
    await started(1);
    due(t0, batch({ name: "other" as BatchName }));
    await started(2);
    const stopped = executor.stop(10_000);
    due(t0 + minute);
    runner.end(0);
    await eventually(() => executor.counts().running === 1);
    await clock.advance(9_000);
    expect(runner.signals).toEqual([]);
    await clock.advance(1_001);
    expect(runner.signals).toEqual(["SIGTERM"]);
    await clock.advance(4_001);
    expect(runner.signals).toEqual(["SIGTERM", "SIGKILL"]);
    runner.end(1, { kind: "signal", signal: "SIGKILL" });
    await stopped;
    expect([rows()[0]?.status, rows("other")[0]?.status, rows("other")[0]?.reason]).toEqual([
      "succeeded",
      "aborted",
      "shutdown",
    ]);
    expect(rows()).toHaveLength(1);
  });

  test("progress shows while it runs, is foreseen to end by it, and stays on its record", async () => {
    const { clock, data, runner, due, rows, started, status, progress, history } = await setUp();
    due(t0);
    await started(1);
    expect(estimatedEnd(rows()[0] as Execution, history.recorder.recent("report"))).toBeNull();
    progress.text = "25 loading rows\n";
    await clock.advance(10_000);
    expect(rows()[0]).toMatchObject({
      status: "running",
      progress: { percent: 25, message: "loading rows", at: iso(t0 + 100) },
    });
    expect(estimatedEnd(rows()[0] as Execution, history.recorder.recent("report"))).toBe(iso(t0 + 400));
    progress.text = "nonsense";
    await clock.advance(1_000);
    expect(rows()[0]?.progress).toMatchObject({ percent: 25 }); // what says nothing changes nothing
    progress.text = "100 done"; // right before the end: no look sees it while it runs
    runner.end(0);
    await status(0, "succeeded");
    expect(rows()[0]).toMatchObject({ progress: { percent: 100, message: "done" }, estimatedEndAt: null });
    expect(estimatedEnd(rows()[0] as Execution, history.recorder.recent("report"))).toBeNull();
    await history.close();
    const kept = JSON.parse(await readFile(join(data, "batches/report/history.json"), "utf8")) as {
      executions: Execution[];
    };
    expect(kept.executions[0]).toMatchObject({ status: "succeeded", progress: { percent: 100 } });
  });

  test.each([
    { what: "as ever", before: 10, tookMs: 61_000, bytes: 1_000, want: null },
    { what: "in no time", before: 10, tookMs: 1_000, bytes: 1_000, want: "too-fast" },
    { what: "ten times as long", before: 10, tookMs: 600_000, bytes: 1_000, want: "too-slow" },
    { what: "silent", before: 10, tookMs: 60_000, bytes: 0, want: "too-quiet" },
    { what: "in no time, but nine before are too few", before: 9, tookMs: 1_000, bytes: 1_000, want: null },
    { what: "a failure in no time", before: 10, tookMs: 1_000, bytes: 1_000, exitCode: 1, want: null },
  ])(
    "a success is judged by those before it, before it is recorded: $what",
    async ({ before, tookMs, bytes, exitCode = 0, want }) => {
      const usual = Array.from({ length: before }, (_, i) => ({
        ...execution({ status: "succeeded", at: t0 - minute }),
        durationMs: 60_000 + i,
        stdoutBytes: 1_000,
      }));
      const { clock, runner, history, due, rows, started, status, sizes } = await setUp({ before: usual });
      const saved: [string, Execution["unusual"]][] = [];
      history.recorder.subscribe((_seq, change) => {
        if (change.kind === "put" && change.execution.status !== saved.at(-1)?.[0])
          saved.push([change.execution.status, change.execution.unusual]);
      });
      due(t0);
      await started(1);
      expect(estimatedEnd(rows().at(-1) as Execution, history.recorder.recent("report"))).not.toBeNull();
      Object.assign(sizes, { stdoutBytes: bytes, stderrBytes: 0 });
      await clock.advance(tookMs);
      runner.end(0, { kind: "exit", exitCode });
      const ended = exitCode === 0 ? "succeeded" : "failed";
      await status(before, ended);
      await eventually(() => saved.at(-1)?.[0] === ended); // heard of once it is durable
      expect(rows().at(-1)).toMatchObject({ durationMs: tookMs, unusual: want, estimatedEndAt: null });
      expect(saved).toEqual([
        ["queued", null],
        ["running", null],
        [ended, want],
      ]);
    },
  );

  describe("concurrency", () => {
    const due3 = async (concurrency: Batch["concurrency"]) => {
      const one = batch({ concurrency });
      const made = await setUp({ batches: [one] });
      made.due(t0, one);
      await made.started(1);
      for (const minutes of [1, 2]) {
        await made.clock.advance(minute);
        made.due(t0 + minutes * minute, one);
      }
      return made;
    };
    const told = (rows: readonly Execution[]) => rows.map(({ status, reason }) => [status, reason]);

    test("allow runs them side by side", async () => {
      const { started, rows } = await due3("allow");
      await started(3);
      expect(told(rows())).toEqual([
        ["running", null],
        ["running", null],
        ["running", null],
      ]);
    });

    test("queue holds one; one more is an overlap; the waiting one has no deadline", async () => {
      const { rows, runner, started, clock, executor } = await due3("queue");
      expect(told(rows())).toEqual([
        ["running", null],
        ["queued", null],
        ["aborted", "overlap"],
      ]);
      expect(executor.counts()).toEqual({ running: 1, queued: 1 });
      await clock.advance(60 * minute);
      runner.end(0);
      await started(2);
      expect(runner.orders[1]?.execution.trigger.dueAt).toBe(iso(t0 + minute));
      runner.end(1);
      await eventually(() => executor.counts().running === 0);
      expect(told(rows())).toEqual([
        ["succeeded", null],
        ["succeeded", null],
        ["aborted", "overlap"],
      ]);
    });

    test("replace ends the running one, and a waiting one, for the newest", async () => {
      const { rows, runner, started } = await due3("replace");
      expect(runner.signals).toEqual(["SIGTERM", "SIGKILL"]); // a minute has gone by
      runner.end(0, { kind: "signal", signal: "SIGKILL" });
      await started(2);
      expect(told(rows())).toEqual([
        ["aborted", "replaced"],
        ["aborted", "replaced"],
        ["running", null],
      ]);
    });

    test("after a restart a waiting one still waits for the one that runs", async () => {
      const one = batch({ concurrency: "queue" });
      const before = [execution({ status: "running", boot: "boot" }), execution()];
      const { executor, runner, started, rows, clock } = await setUp({ batches: [one], before });
      executor.resume();
      await clock.advance(0);
      expect(told(rows())).toEqual([
        ["running", null],
        ["queued", null],
      ]);
      runner.end(0);
      await started(1);
    });
  });

  describe("retry", () => {
    const retry = { limit: 2, delayMs: 10_000, factor: 3, maxDelayMs: 20_000 };
    const fail = { kind: "exit", exitCode: 1 } as const;

    test("attempts follow a failure after their delays, each an execution of the same run", async () => {
      const one = batch({ retry });
      const { due, started, runner, clock, rows, status, executor } = await setUp({ batches: [one] });
      due(t0, one);
      await started(1);
      runner.end(0, fail);
      await status(0, "failed");
      expect(rows()[1]).toMatchObject({
        status: "queued",
        attempt: 2,
        run: rows()[0]?.run,
        trigger: { kind: "retry", by: rows()[0]?.id, dueAt: iso(t0) },
        message: expect.stringContaining("attempt 2 of 3") as string,
      });
      await clock.advance(9_999);
      expect(runner.orders).toHaveLength(1);
      await clock.advance(1);
      await started(2);
      expect(runner.orders[1]?.ownEnv).toMatchObject({ BATCH_TRIGGER: "retry", BATCH_ATTEMPT: "2" });
      due(t0 + minute, one);
      expect(rows().at(-1)).toMatchObject({ reason: "overlap" });
      runner.end(1, fail);
      await status(1, "failed");
      await clock.advance(20_000); // 10 s times 3, but 20 s at most
      await started(3);
      runner.end(2, fail);
      await status(3, "failed");
      expect(rows().map(({ attempt, status: is }) => [attempt, is])).toEqual([
        [1, "failed"],
        [2, "failed"],
        [1, "aborted"],
        [3, "failed"],
      ]);
      await eventually(() => executor.counts().running === 0 && executor.counts().queued === 0);
    });

    test("none after a success, none once the batch is disabled", async () => {
      const one = batch({ retry });
      const { due, started, runner, rows, status, known, clock } = await setUp({ batches: [one] });
      due(t0, one);
      await started(1);
      runner.end(0);
      await status(0, "succeeded");
      expect(rows()).toHaveLength(1);
      due(t0 + minute, one);
      await started(2);
      runner.end(1, fail);
      await status(1, "failed");
      known.set(one.name, { ...one, enabled: false });
      await clock.advance(10_000);
      await status(2, "aborted");
      expect(rows()[2]?.reason).toBe("disabled");
    });

    test("a pending attempt goes on after a restart, when its delay is over", async () => {
      const before = [{ ...execution(), attempt: 2, notBefore: iso(t0 + 5_000) }];
      const { executor, clock, runner, started } = await setUp({ batches: [batch({ retry })], before });
      executor.resume();
      await clock.advance(4_999);
      expect(runner.orders).toHaveLength(0);
      await clock.advance(1);
      await started(1);
    });

    test("what was lost with an agent is tried again", async () => {
      const { executor, runner, status, rows, clock } = await setUp({
        batches: [batch({ retry })],
        before: [execution({ status: "running" })],
      });
      executor.resume();
      await clock.advance(0);
      runner.end(0, { kind: "lost" });
      await status(0, "failed");
      expect(rows()[1]).toMatchObject({ attempt: 2, status: "queued" });
    });
  });

  describe("chains", () => {
    const retry = { limit: 1, delayMs: 1_000, factor: 1, maxDelayMs: 1_000 };
    const chained = (name: string, fields: Partial<Batch> = {}) =>
      batch({ name: name as BatchName, schedule: null, ...fields });
    const batches = [batch({ retry, onFailure: "alert" }), chained("next", { after: ["report"] }), chained("alert")];

    test("onFailure and the chain come after the last attempt, once", async () => {
      const { due, started, runner, clock, status, rows } = await setUp({ batches });
      due(t0, batches[0]);
      await started(1);
      runner.end(0, { kind: "exit", exitCode: 1 });
      await status(0, "failed");
      expect([rows("next"), rows("alert")]).toEqual([[], []]);
      await clock.advance(1_000);
      await started(2);
      runner.end(1, { kind: "exit", exitCode: 1 });
      await started(3);
      expect(runner.orders[2]?.execution.batch).toBe("alert");
      expect(runner.orders[2]?.ownEnv).toMatchObject({
        BATCH_PREVIOUS: "report",
        BATCH_PREVIOUS_STATUS: "failed",
        BATCH_PREVIOUS_EXIT_CODE: "1",
      });
      expect(rows("next")).toMatchObject([
        { status: "aborted", reason: "previous-failed", run: rows()[0]?.run, trigger: { by: rows()[1]?.id } },
      ]);
    });

    test("an overlap of the root leaves a row for every batch of the chain", async () => {
      const { due, started, rows } = await setUp({ batches });
      due(t0, batches[0]);
      await started(1);
      due(t0 + minute, batches[0]);
      expect(rows()[1]).toMatchObject({ reason: "overlap" });
      expect(rows("next")).toMatchObject([{ reason: "previous-aborted", run: rows()[1]?.run }]);
      expect(rows("alert")).toEqual([]);
    });
  });

  describe("timeout", () => {
    test("SIGTERM past it, SIGKILL ten seconds later; the first reason wins", async () => {
      const one = batch({ timeoutMs: 30_000 });
      const { due, started, clock, runner, status, rows, executor } = await setUp({ batches: [one] });
      due(t0, one);
      await started(1);
      await clock.advance(29_999);
      expect(runner.signals).toEqual([]);
      await clock.advance(1);
      expect(runner.signals).toEqual(["SIGTERM"]);
      const stopped = executor.stop(60_000);
      await clock.advance(10_000);
      expect(runner.signals).toEqual(["SIGTERM", "SIGKILL"]);
      runner.end(0, { kind: "signal", signal: "SIGKILL" });
      await status(0, "failed");
      await stopped;
      expect(rows()[0]).toMatchObject({ reason: "timeout", signal: "SIGKILL", exitCode: null });
    });

    test("counts from the true start for one that was taken over", async () => {
      const { executor, clock, runner } = await setUp({
        batches: [batch({ timeoutMs: 30_000 })],
        before: [execution({ status: "running", at: t0 - 20_000 })],
      });
      executor.resume();
      await clock.advance(0);
      await clock.advance(9_999);
      expect(runner.signals).toEqual([]);
      await clock.advance(1);
      expect(runner.signals).toEqual(["SIGTERM"]);
    });

    test.each([-3_600_000, 3_600_000])(
      "is time that passes: a clock set by %d ms in between changes nothing",
      async (ms) => {
        const one = batch({ timeoutMs: 30_000, retry: { limit: 1, delayMs: 5_000, factor: 1, maxDelayMs: 5_000 } });
        const { due, started, clock, runner, status } = await setUp({ batches: [one] });
        due(t0, one);
        await started(1);
        await clock.advance(10_000);
        clock.jump(clock.now() + ms);
        await clock.advance(19_999);
        expect(runner.signals).toEqual([]);
        await clock.advance(1);
        expect(runner.signals).toEqual(["SIGTERM"]);
        runner.end(0, { kind: "signal", signal: "SIGTERM" });
        await status(0, "failed");
        clock.jump(clock.now() - ms);
        await clock.advance(4_999);
        expect(runner.orders).toHaveLength(1);
        await clock.advance(1);
        await started(2);
      },
    );
  });

  describe("successCodes", () => {
    test("decide how it ends, as they were at its start", async () => {
      const one = batch({ successCodes: [0, 24] });
      const { due, started, runner, status, rows, known } = await setUp({ batches: [one] });
      due(t0, one);
      await started(1);
      known.set(one.name, batch());
      runner.end(0, { kind: "exit", exitCode: 24 });
      await status(0, "succeeded");
      expect(rows()[0]).toMatchObject({ exitCode: 24, reason: null });
    });

    test("of what is taken over are those in force", async () => {
      const before = [execution({ status: "running" })];
      const { executor, clock, runner, status } = await setUp({ batches: [batch({ successCodes: [7] })], before });
      executor.resume();
      await clock.advance(0);
      runner.end(0, { kind: "exit", exitCode: 7 });
      await status(0, "succeeded");
    });
  });

  describe("a log that grows beyond its limit", () => {
    test("ends the execution as soon as it is seen, and is cut again while it ends", async () => {
      let cut = false;
      const { due, started, clock, runner, status, rows } = await setUp({ logsCut: () => cut });
      due(t0);
      await started(1);
      await clock.advance(1_000);
      expect(runner.signals).toEqual([]);
      cut = true;
      await clock.advance(1_000);
      expect(runner.signals).toEqual(["SIGTERM"]);
      await clock.advance(10_000);
      expect(runner.signals).toEqual(["SIGTERM", "SIGKILL"]);
      runner.end(0, { kind: "signal", signal: "SIGKILL" });
      await status(0, "failed");
      expect(rows()[0]).toMatchObject({ reason: "log-limit", signal: "SIGKILL" });
    });

    test("is a failure too when the script ended before anybody saw it", async () => {
      const { due, started, runner, status, rows } = await setUp({ logsCut: () => true });
      due(t0);
      await started(1);
      runner.end(0);
      await status(0, "failed");
      expect(rows()[0]).toMatchObject({ reason: "log-limit", stdoutBytes: 1 });
    });
  });

  describe("while no place is free", () => {
    const hog = batch({ name: "hog" as BatchName });

    test("the start that waits stands for the latest due time, and one row tells of the gap", async () => {
      const { due, started, runner, rows, clock } = await setUp({ maxParallel: 1, batches: [hog, batch()] });
      due(t0, hog);
      await started(1);
      for (let i = 0; i < 4; i++) {
        due(t0 + i * minute);
        await clock.advance(minute);
      }
      due(t0 + 6 * minute, batch(), { from: t0 + 4 * minute, to: t0 + 6 * minute, count: 3 });
      runner.end(0);
      await started(2);
      expect(rows()).toMatchObject([
        { status: "running", trigger: { dueAt: iso(t0 + 6 * minute) } },
        { status: "aborted", reason: "missed", missed: { from: iso(t0), to: iso(t0 + 6 * minute), count: 7 } },
      ]);
      expect(runner.orders[1]?.ownEnv["BATCH_DUE_AT"]).toBe(iso(t0 + 6 * minute));
    });

    test("one start after the other is `queue`'s way, and a manual start is not merged", async () => {
      const one = batch({ concurrency: "queue" });
      const { due, started, rows, executor } = await setUp({
        maxParallel: 1,
        batches: [hog, one, batch({ name: "other" as BatchName })],
      });
      due(t0, hog);
      await started(1);
      for (let i = 0; i < 3; i++) due(t0 + i * minute, one);
      expect(rows().map(({ status, reason }) => reason ?? status)).toEqual(["queued", "queued", "overlap"]);
      due(t0, batch({ name: "other" as BatchName }));
      await executor.manual("other");
      expect(rows("other").map(({ status, reason }) => reason ?? status)).toEqual(["queued", "overlap"]);
    });
  });

  test("a due time that has its row is not started again, however the clock was set", async () => {
    const { due, rows, started, runner, status, clock } = await setUp();
    await clock.advance(2 * minute);
    due(t0 + minute);
    await started(1);
    runner.end(0);
    await status(0, "succeeded");
    due(t0 + minute);
    due(t0 + 2 * minute);
    await started(2);
    expect(rows().map((row) => row.trigger.dueAt)).toEqual([iso(t0 + minute), iso(t0 + 2 * minute)]);
  });

  test("a start that cannot be recorded waits, is shown to nobody, and runs once it can be", async () => {
    const { due, data, started, runner, rows, clock, history } = await setUp();
    const unblock = await block(data);
    due(t0);
    await eventually(() => history.trouble() !== null && rows()[0]?.status === "queued");
    await clock.advance(5_000);
    expect(runner.orders).toHaveLength(0);
    expect((await history.reader.page({ limit: 10 })).items).toEqual([]);
    await unblock();
    await clock.advance(1_000);
    await started(1);
    expect(rows()).toMatchObject([{ status: "running", trigger: { dueAt: iso(t0) } }]);
    expect(history.trouble()).toBeNull();
  });
});
