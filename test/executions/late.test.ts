// Batches that are late: over a real history, a real notifier's decision, and a clock that the test moves.
import { describe, expect, test } from "vitest";
import { classifyLate } from "../../agent/executions/late.ts";
import { createLateness } from "../../agent/executions/late-loop.ts";
import { buildGraph } from "../../agent/definitions/chain-graph.ts";
import { outlineOf, runKey } from "../../agent/history/port.ts";
import type { Batch } from "../../agent/model/batch.ts";
import type { Execution, NotifyEvent } from "../../agent/model/execution.ts";
import type { BatchName } from "../../agent/model/ids.ts";
import { decideLate } from "../../agent/notify/decide.ts";
import { iso, minute, setUp } from "../helpers/executor.ts";
import { batch, execution, t0 } from "../helpers/make.ts";
import { quietLog } from "../helpers/quiet.ts";
import { eventually } from "../helpers/tmp.ts";

const lateAfterMs = 10 * minute;
const report = batch({ lateAfterMs, concurrency: "allow", startDeadlineMs: 86_400_000 });
const named = (name: string, fields: Partial<Batch> = {}) =>
  batch({ name: name as BatchName, cron: "@yearly", lateAfterMs, ...fields });
const follower = (name: string, after: string, fields: Partial<Batch> = {}) =>
  named(name, { after: [after], schedule: null, ...fields });

async function setUpLate(batches: Batch[], data?: string) {
  const set = await setUp({ batches, ...(data === undefined ? {} : { data }) });
  const { history, clock, known } = set;
  const taken: string[] = [];
  const notify = { on: ["late"] as NotifyEvent[], mail: ["a@example.org"], webhook: [], ping: [] };
  const lateness = createLateness({
    clock,
    log: quietLog(),
    recorder: history.recorder,
    reader: history.reader,
    graph: () => buildGraph([...known.values()], new Set(known.keys())),
    inForce: (name) => known.get(name as BatchName) ?? null,
    notifier: {
      decideLate: (_name, told) => decideLate(notify, told, clock.now()),
      submitLate: (name) => void taken.push(name),
    },
  });
  for (const one of batches) lateness.applied(one.name, one);
  lateness.start();
  const head = (name = "report") => history.recorder.head(name);
  /** Waits until the batch is no longer late: a verdict is written before the head has it. */
  const judged = (name = "report") => eventually(() => head(name)?.late?.isLate === false);
  const stop = async () => {
    await lateness.stop();
    await history.close();
  };
  return { ...set, lateness, taken, head, judged, stop };
}

describe("a batch with lateAfter", () => {
  test("is not late when it has succeeded in time", async () => {
    const { due, started, runner, clock, rows, head, judged, taken, status } = await setUpLate([report]);
    due(t0, report);
    await started(1);
    await clock.advance(lateAfterMs - 1);
    runner.end(0);
    await status(0, "succeeded");
    await clock.advance(2 * minute);
    await judged();
    expect([rows()[0]?.late, head()?.late?.isLate, taken]).toEqual([undefined, false, []]);
  });

  test("is late when it still runs, stays so after a success, and is told of once", async () => {
    const { due, started, runner, clock, rows, head, judged, taken, status } = await setUpLate([report]);
    due(t0, report);
    await started(1);
    await clock.advance(lateAfterMs - 1);
    expect(rows()[0]?.late).toBeUndefined();
    await clock.advance(1);
    await eventually(() => taken.length > 0);
    const { id } = rows()[0] as Execution;
    expect(rows()[0]).toMatchObject({ late: true, status: "running" });
    expect(head()).toMatchObject({
      late: { judged: iso(t0), isLate: true },
      lateDue: [{ dueAt: iso(t0), execution: id, count: 1, since: null }],
    });
    runner.end(0);
    await status(0, "succeeded");
    await clock.advance(minute);
    await judged();
    expect([rows()[0]?.late, head()?.late?.isLate, taken]).toEqual([true, false, ["report"]]);
  });

  test.each<[string, Partial<Batch>, { exitCode: number }]>([
    ["has failed", {}, { exitCode: 1 }],
    [
      "waits for another attempt",
      { retry: { limit: 1, delayMs: 3_600_000, factor: 1, maxDelayMs: 3_600_000 } },
      { exitCode: 1 },
    ],
  ])("is late when it %s, on its latest row", async (_name, fields, ending) => {
    const one = { ...report, ...fields };
    const { due, started, runner, clock, rows, taken, status } = await setUpLate([one]);
    due(t0, one);
    await started(1);
    runner.end(0, ending);
    await status(0, "failed");
    await clock.advance(lateAfterMs);
    await eventually(() => taken.length > 0);
    expect(rows().map(({ late }) => late === true)).toEqual(rows().map((_, i) => i === rows().length - 1));
  });

  test("is late for due times that were missed, and those that an earlier execution stood in the way of", async () => {
    const one = { ...report, concurrency: "forbid" as const };
    const { due, started, clock, rows, head } = await setUpLate([one]);
    due(t0, one);
    await started(1);
    await clock.advance(minute);
    due(t0 + minute, one);
    due(t0 + 3 * minute, one, { from: t0 + 2 * minute, to: t0 + 3 * minute, count: 2 }, null);
    await clock.advance(lateAfterMs + 3 * minute);
    await eventually(() => head()?.late?.judged === iso(t0 + 3 * minute));
    expect(rows().map(({ reason, late }) => [reason, late])).toEqual([
      [null, true],
      ["overlap", true],
      ["missed", true],
    ]);
    expect(head()?.told?.last.late?.held).toBe(2); // one message an hour
  });

  test("is late in the run that it follows in, from its root's due time, with or without an execution", async () => {
    const batches = [named("a", { lateAfterMs: null }), follower("b", "a", { lateAfterMs: null }), follower("c", "b")];
    const { due, started, runner, clock, rows, head, judged, taken, status } = await setUpLate(batches);
    due(t0, batches[0]);
    await started(1);
    await clock.advance(lateAfterMs);
    await eventually(() => taken.length > 0);
    expect(taken).toEqual(["c"]);
    expect(head("c")?.lateDue).toEqual([{ dueAt: iso(t0), execution: null, count: 1, since: null }]);
    runner.end(0);
    await started(2);
    runner.end(1);
    await started(3);
    expect(rows("c")[0]).toMatchObject({ late: true, status: "running" });
    runner.end(2);
    await status(0, "succeeded", "c");
    await clock.advance(minute);
    await judged("c");
    expect([head("c")?.late?.isLate, taken, rows("a")[0]?.late, rows("b")[0]?.late]).toEqual([
      false,
      ["c"],
      undefined,
      undefined,
    ]);
  });

  test("is late as the answer to a failure, once it was called", async () => {
    const batches = [named("a", { onFailure: "alarm", lateAfterMs: null }), named("alarm", { schedule: null })];
    const { due, started, runner, clock, rows, taken } = await setUpLate(batches);
    due(t0, batches[0]);
    await started(1);
    await clock.advance(2 * lateAfterMs);
    expect(taken).toEqual([]);
    runner.end(0, { exitCode: 1 });
    await started(2);
    await clock.advance(10);
    await eventually(() => taken.length > 0);
    expect([taken, rows("alarm")[0]?.late]).toEqual([["alarm"], true]);
  });

  test("is never late by hand, nor in a rerun", async () => {
    const { due, started, runner, clock, rows, executor, taken, status } = await setUpLate([report]);
    await executor.manual("report", { params: {}, dueAt: t0 - 86_400_000 });
    await started(1);
    await clock.advance(2 * lateAfterMs);
    runner.end(0);
    await status(0, "succeeded");
    due(t0 + 2 * lateAfterMs, report);
    await started(2);
    runner.end(1);
    await status(1, "succeeded");
    await executor.rerun(rows()[1]?.id ?? "", { command: "1", actor: "me@here", note: null });
    await started(3);
    await clock.advance(2 * lateAfterMs);
    expect([taken, rows().map(({ late }) => late)]).toEqual([[], [undefined, undefined, undefined]]);
  });

  test("is not judged for what was before anybody asked, and not while it is disabled", async () => {
    const one = { ...report, lateAfterMs: null };
    const { due, started, clock, lateness, head, taken, runner } = await setUpLate([one]);
    due(t0, one);
    await started(1);
    runner.end(0, { exitCode: 1 });
    await clock.advance(2 * lateAfterMs);
    lateness.applied(report.name, report);
    await clock.advance(2 * lateAfterMs);
    await eventually(() => head()?.late?.judged === iso(t0 + lateAfterMs));
    expect(taken).toEqual([]);
    due(t0 + 4 * lateAfterMs, report);
    await started(2);
    await clock.advance(minute);
    lateness.applied(report.name, { ...report, enabled: false });
    await clock.advance(2 * lateAfterMs);
    await eventually(() => head()?.late === null);
    expect(taken).toEqual([]);
  });

  test("is judged by a changed lateAfter at once", async () => {
    const { due, started, clock, lateness, taken, rows } = await setUpLate([report]);
    due(t0, report);
    await started(1);
    await clock.advance(5 * minute);
    lateness.applied(report.name, { ...report, lateAfterMs: 6 * minute });
    await clock.advance(minute);
    await eventually(() => taken.length > 0);
    expect(rows()[0]?.late).toBe(true);
  });

  test.each<[string, number, string[]]>([
    ["in time", 9 * minute, []],
    ["too late", 11 * minute, ["report"]],
  ])("a success %s that ended while no agent was there is judged by when it ended", async (_name, at, want) => {
    const first = await setUpLate([report]);
    first.due(t0, report);
    await first.started(1);
    await first.stop();
    const { clock, executor, runner, taken, data, stop, judged } = await setUpLate([report], first.data);
    clock.jump(t0 + 20 * minute);
    executor.resume();
    await clock.advance(10);
    runner.end(0, { finishedAt: t0 + at });
    await clock.advance(minute + 5_000);
    if (want.length > 0) await eventually(() => taken.length > 0);
    await judged();
    expect(taken).toEqual(want);
    await stop();
    // Once more: nothing is told twice.
    const again = await setUpLate([report], data);
    again.clock.jump(t0 + 30 * minute);
    await again.clock.advance(minute + 5_000);
    expect(again.taken).toEqual([]);
  });

  test("rows deleted meanwhile neither hide what is late nor make late what was in time", async () => {
    const batches = [named("a", { lateAfterMs: null }), follower("b", "a"), named("c")];
    const { history, data } = await setUpLate(batches);
    const put = async (name: string, at: number, status: Execution["status"]) => {
      const trigger = { kind: "cron" as const, dueAt: iso(at), by: null };
      const row = (of: string, kind: "cron" | "after", as: Execution["status"]) =>
        execution({ batch: of as BatchName, at, status: as, scheduled: true, trigger: { ...trigger, kind } });
      if (name === "c") return history.save(row("c", "cron", status));
      const root = row("a", "cron", "succeeded");
      await history.save(root);
      await history.save({ ...row("b", "after", status), run: root.run });
    };
    // As with `keep: { executions: 1 }`: only the newest row is left.
    const keepNewest = (name: string) => {
      const ids = history.rows(name).map(({ id }) => id);
      return history.recorder.commit([{ kind: "delete", batch: name as BatchName, ids: ids.slice(0, -1) }]);
    };
    for (const name of ["b", "c"]) {
      await put(name, t0, "failed");
      await put(name, t0 + minute, "succeeded");
      await put(name, t0 + 2 * minute, "succeeded");
      await keepNewest(name);
    }
    const next = await setUpLate(batches, data);
    next.clock.jump(t0 + lateAfterMs + 3 * minute);
    await next.clock.advance(minute + 5_000);
    const told = (name: string) => next.head(name)?.lateDue?.map(({ dueAt, execution: row }) => [dueAt, row]);
    await eventually(() => told("b") !== undefined && told("c") !== undefined);
    await next.lateness.stop();
    for (const name of ["b", "c"]) {
      expect(told(name)).toEqual([[iso(t0), null]]);
      expect(next.head(name)?.late?.judged).toBe(iso(t0)); // those after it were in time: nothing is left to judge
    }
  });

  test("a follower whose due time came before a restart is judged after it", async () => {
    const batches = [named("a", { lateAfterMs: null }), follower("b", "a")];
    const first = await setUpLate(batches);
    first.due(t0, batches[0]);
    await first.started(1);
    await first.stop();
    const { clock, taken, head } = await setUpLate(batches, first.data);
    clock.jump(t0 + lateAfterMs + 1);
    await clock.advance(minute + 5_000);
    await eventually(() => taken.length > 0);
    expect(head("b")?.lateDue?.[0]).toMatchObject({ dueAt: iso(t0), execution: null });
  });
});

describe("judging", () => {
  const of = (fields: Partial<Execution> & { at?: number }) => outlineOf(execution(fields));
  const good = execution({ status: "succeeded", at: t0 + 1_000 });
  test.each([
    ["nothing at all", [], true],
    ["a success in time", [outlineOf(good)], false],
    ["a success of another run only", [of({ status: "succeeded" })], true],
    ["a success that came too late", [{ ...outlineOf(good), finishedAt: iso(t0 + lateAfterMs + 1) }], true],
    ["one that runs", [{ ...outlineOf(good), status: "running" as const, finishedAt: null }], true],
    ["a failure after a success in time", [{ ...outlineOf(good), status: "failed" as const }, outlineOf(good)], false],
  ])("%s", (_name, past, isLate) => {
    expect(classifyLate(past, new Set([runKey(good.run)]), t0, lateAfterMs).isLate).toBe(isLate);
  });
});
