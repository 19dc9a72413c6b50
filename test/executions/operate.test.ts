// Cancel, rerun and parameters on a real history, with a clock and a runner that the test moves.
import { describe, expect, test } from "vitest";
import type { Batch } from "../../agent/model/batch.ts";
import type { Execution } from "../../agent/model/execution.ts";
import type { BatchName } from "../../agent/model/ids.ts";
import { selectExpired } from "../../agent/history/port.ts";
import { iso, setUp } from "../helpers/executor.ts";
import { batch, execution, t0 } from "../helpers/make.ts";
import { eventually } from "../helpers/tmp.ts";

const chained = (name: string, fields: Partial<Batch> = {}) =>
  batch({ name: name as BatchName, schedule: null, ...fields });
const retry = { limit: 1, delayMs: 1_000, factor: 1, maxDelayMs: 1_000 };
let commands = 0;
const by = (note: string | null = null) => ({ command: `command-${commands++}`, actor: "kim@host", note });
const shown = ({ status, reason, attempt }: Execution) => `${attempt} ${status}${reason === null ? "" : `/${reason}`}`;
const idsOf = (acted: { executions: readonly Execution[] } | { error: string }) =>
  "error" in acted ? acted.error : acted.executions.map(({ id }) => id);

describe("cancel", () => {
  test("a running one: SIGTERM, 10 s later SIGKILL, no retry, no onFailure, followers judged", async () => {
    const batches = [
      batch({ retry, onFailure: "alert" }),
      chained("alert"),
      chained("next", { after: ["report"] }),
      chained("always", { after: ["report"], independent: true }),
    ];
    const { clock, executor, runner, due, rows, started, status } = await setUp({ batches });
    due(t0, batches[0]);
    await started(1);
    const id = rows()[0]?.id ?? "";
    expect(idsOf(await executor.cancel(id, by("wrong data")))).toEqual([id]);
    await eventually(() => runner.signals.includes("SIGTERM"));
    await clock.advance(9_900);
    expect(runner.signals).toEqual(["SIGTERM"]);
    await clock.advance(200);
    expect(runner.signals).toEqual(["SIGTERM", "SIGKILL"]);
    runner.end(0, { kind: "signal", signal: "SIGKILL" });
    await status(0, "aborted");
    expect(rows()).toMatchObject([{ reason: "cancelled", message: "cancelled by kim@host: wrong data" }]);
    expect([rows("alert"), rows("next").map(shown)]).toEqual([[], ["1 aborted/previous-aborted"]]);
    await started(2);
    expect(idsOf(await executor.cancel(id, by()))).toContain("has ended already: aborted");
  });

  test("a pending retry ends at once, and what it was to free goes on", async () => {
    const one = batch({ retry, concurrency: "queue" });
    const { executor, runner, due, rows, started, status } = await setUp({ batches: [one] });
    due(t0, one);
    await started(1);
    runner.end(0, { kind: "exit", exitCode: 1 });
    await status(1, "queued");
    expect(rows()[1]?.waitingFor).toMatch(/^its retry at /);
    due(t0 + 60_000, one);
    expect(rows()[2]?.waitingFor).toBe("an earlier execution");
    await executor.cancel(rows()[1]?.id ?? "", by());
    expect(rows()[1]).toMatchObject({ status: "aborted", reason: "cancelled", message: "cancelled by kim@host" });
    await started(2);
    expect(rows()[2]?.status).toBe("running");
  });

  test("a run: what is open ends, and the rest is cancelled too, whatever it may do else", async () => {
    const batches = [
      batch(),
      chained("left", { after: ["report"] }),
      chained("right", { after: ["report"] }),
      chained("join", { after: ["left", "right"], independent: true }),
      chained("last", { after: ["join"], independent: true }),
    ];
    const { executor, runner, due, rows, started } = await setUp({ batches, maxParallel: 2 });
    due(t0, batches[0]);
    await started(1);
    runner.end(0);
    await started(3);
    runner.end(1); // left is done before
    await eventually(() => rows("left")[0]?.status === "succeeded");
    const run = rows()[0]?.run ?? "";
    expect(idsOf(await executor.cancel(run, by()))).toEqual([rows("right")[0]?.id]);
    runner.end(2, { kind: "signal", signal: "SIGTERM" });
    await eventually(() => rows("last")[0]?.status === "aborted");
    expect(["right", "join", "last"].map((name) => rows(name).map(shown))).toEqual(
      Array(3).fill(["1 aborted/cancelled"]),
    );
    expect(idsOf(await executor.cancel(run, by()))).toContain("has ended already");
    // Somebody thinks better of it: all of it runs, and nothing is cancelled again.
    const again = await executor.rerun(run, by());
    expect(idsOf(again)).toEqual([rows("right")[1]?.id]);
    for (let i = 3; i < 6; i++) {
      await started(i + 1);
      runner.end(i);
    }
    await eventually(() => rows("last")[1]?.status === "succeeded");
    expect(rows("join").map(shown)).toEqual(["1 aborted/cancelled", "2 succeeded"]);
  });

  test("a batch: all of its open executions; nothing open is said", async () => {
    const one = batch({ concurrency: "allow" });
    const { executor, due, rows, started, runner } = await setUp({ batches: [one] });
    due(t0, one);
    due(t0 + 1, one);
    await started(2);
    expect(idsOf(await executor.cancel("report", by()))).toEqual(rows().map(({ id }) => id));
    runner.end(0, { kind: "signal", signal: "SIGTERM" });
    runner.end(1, { kind: "exit", exitCode: 0 });
    await eventually(() => rows().every(({ reason }) => reason === "cancelled"));
    expect(idsOf(await executor.cancel("report", by()))).toBe("nothing of report is queued or running");
    expect(idsOf(await executor.cancel("reprot", by()))).toContain("did you mean report?");
  });

  test("of one that is being adopted, and one that an earlier agent was cancelling", async () => {
    const one = batch({ concurrency: "allow" });
    const cancelled = { message: "cancelled by kim@host", isRun: false };
    const before = [execution({ status: "running" }), execution({ status: "running", cancelled })];
    const { executor, runner, rows } = await setUp({ batches: [one], before });
    executor.resume();
    await executor.cancel(before[0]?.id ?? "", by());
    await eventually(() => runner.signals.length === 2);
    runner.end(0, { kind: "lost" });
    runner.end(1, { kind: "lost" });
    await eventually(() => rows().every(({ reason }) => reason === "cancelled"));
  });
});

describe("a cancel that races an end: who comes first decides, and nobody starts it again", () => {
  type Step = "exit 0" | "exit 1" | "cancel" | "cancel run" | "cancel batch";
  test.each<{ steps: Step[]; report: string[]; next: string[]; alert: string[] }>([
    { steps: ["exit 0", "cancel"], report: ["1 succeeded"], next: ["1 running"], alert: [] },
    { steps: ["exit 0", "cancel batch"], report: ["1 succeeded"], next: ["1 running"], alert: [] },
    { steps: ["exit 0", "cancel run"], report: ["1 succeeded"], next: ["1 aborted/cancelled"], alert: [] },
    { steps: ["exit 1", "cancel"], report: ["1 failed/exit"], next: ["1 aborted/previous-failed"], alert: [] },
    { steps: ["exit 1", "cancel run"], report: ["1 failed/exit"], next: ["1 aborted/cancelled"], alert: [] },
    { steps: ["cancel", "exit 0"], report: ["1 aborted/cancelled"], next: ["1 aborted/previous-aborted"], alert: [] },
    { steps: ["cancel", "exit 1"], report: ["1 aborted/cancelled"], next: ["1 aborted/previous-aborted"], alert: [] },
    { steps: ["cancel run", "exit 0"], report: ["1 aborted/cancelled"], next: ["1 aborted/cancelled"], alert: [] },
    {
      steps: ["cancel", "cancel run", "exit 1"],
      report: ["1 aborted/cancelled"],
      next: ["1 aborted/cancelled"],
      alert: [],
    },
  ])("$steps", async ({ steps, report, next, alert }) => {
    const batches = [batch({ retry, onFailure: "alert" }), chained("alert"), chained("next", { after: ["report"] })];
    const { clock, executor, runner, due, rows, started } = await setUp({ batches });
    due(t0, batches[0]);
    await started(1);
    await clock.advance(500);
    const { id = "", run = "" } = rows()[0] ?? {};
    const targets = { cancel: id, "cancel run": run, "cancel batch": "report" };
    // All in one turn: nothing of the end is on record yet when it is cancelled.
    const answers: Promise<unknown>[] = [];
    for (const step of steps)
      if (step === "exit 0" || step === "exit 1") runner.end(0, { kind: "exit", exitCode: Number(step.at(-1)) });
      else answers.push(executor.cancel(targets[step], by()));
    await Promise.all(answers);
    await eventually(
      () => rows("next").length === next.length && rows("next")[0]?.status === next[0]?.split(/[ /]/)[1],
    );
    await clock.advance(5_000);
    expect([rows().map(shown), rows("next").map(shown), rows("alert").map(shown)]).toEqual([report, next, alert]);
  });
});

describe("rerun", () => {
  const diamond = [
    batch({ retry }),
    chained("short", { after: ["report"] }),
    chained("long", { after: ["report"] }),
    chained("longer", { after: ["long"] }),
    chained("join", { after: ["short", "longer"], input: "previous" }),
  ];

  test("once its run is over: all that follows is done anew, a join waits for what is still to come", async () => {
    const { executor, runner, due, rows, started, history, known } = await setUp({ batches: diamond });
    due(t0, diamond[0]);
    for (let i = 0; i < 5; i++) {
      await started(i + 1);
      runner.end(i);
    }
    await eventually(() => rows("join")[0]?.status === "succeeded");
    const first = rows()[0] as Execution;
    known.set("report" as BatchName, batch({ retry, onFailure: "short" }));
    const again = await executor.rerun(first.id, by("fixed"));
    const [id] = idsOf(again) as string[];
    expect(rows()[1]).toMatchObject({
      id,
      run: first.run,
      attempt: 2,
      trigger: { kind: "rerun", by: first.id, dueAt: iso(t0), actor: "kim@host", note: "fixed" },
    });
    expect(idsOf(await executor.rerun(first.id, by()))).toContain("still running in this run");
    await started(6);
    runner.end(5);
    await started(8); // short and long
    const at = (name: string) => runner.orders.findLastIndex((order) => order.execution.batch === name);
    runner.end(at("short"));
    await eventually(() => rows("short")[1]?.status === "succeeded");
    expect(rows("join")).toHaveLength(1);
    runner.end(at("long"));
    await started(9);
    expect(rows("join")).toHaveLength(1);
    runner.end(at("longer"));
    await started(10);
    expect(rows("join")[1]).toMatchObject({ attempt: 2, previous: [rows("short")[1]?.id, rows("longer")[1]?.id] });
    runner.end(at("join"));
    await eventually(async () => (await history.reader.run(first.run)).every(({ status }) => status === "succeeded"));
    expect(await history.reader.run(first.run)).toHaveLength(10);
  });

  test("of one in the middle: a join takes the latest of each other previous batch; retries count anew", async () => {
    const batches = diamond.map((one) => (one.name === "longer" ? { ...one, retry } : one));
    const { clock, executor, runner, due, rows, started } = await setUp({ batches });
    due(t0, batches[0]);
    const end = async (name: string, exitCode: number) => {
      const index = await eventually(() => {
        const at = runner.orders.findLastIndex((order) => order.execution.batch === name);
        return at >= 0 &&
          rows(name).at(-1)?.status === "running" &&
          runner.orders[at]?.execution.id === rows(name).at(-1)?.id
          ? at + 1
          : 0;
      });
      runner.end(index - 1, { kind: "exit", exitCode });
    };
    await end("report", 0);
    await end("short", 0);
    await end("long", 0);
    await end("longer", 1);
    await eventually(() => rows("longer")[1]?.status === "queued");
    await clock.advance(1_100);
    await end("longer", 1);
    await eventually(() => rows("join")[0]?.status === "aborted");
    await executor.rerun(rows()[0]?.run ?? "", by());
    await end("longer", 1);
    await eventually(() => rows("longer")[3]?.status === "queued");
    await clock.advance(1_100);
    await end("longer", 0);
    await end("join", 0);
    expect(rows("longer").map(shown)).toEqual(["1 failed/exit", "2 failed/exit", "3 failed/exit", "4 succeeded"]);
    expect(rows("short")).toHaveLength(1);
    expect(rows("join")[1]?.previous).toEqual([rows("short")[0]?.id, rows("longer")[3]?.id]);
    await started(8);
  });
});

describe("parameters", () => {
  const batches = [
    batch({ params: { DAY: "today", SIZE: "s" } }),
    chained("next", { after: ["report"], params: { DAY: "never", OTHER: "o" } }),
    chained("plain", { after: ["report"] }),
  ];

  test("those that are set are in force for all of the run that declare them, and for a rerun", async () => {
    const { executor, runner, rows, started } = await setUp({ batches });
    const answer = await executor.manual("report", { params: { DAY: "monday" }, dueAt: t0 - 5 }, by());
    expect("id" in answer).toBe(true);
    await started(1);
    expect(runner.orders[0]?.ownEnv).toMatchObject({ DAY: "monday", SIZE: "s", BATCH_DUE_AT: iso(t0 - 5) });
    runner.end(0);
    await started(3);
    expect(rows("next")[0]?.params).toEqual({ DAY: "monday", OTHER: "o" });
    expect(rows("plain")[0]?.params).toBeUndefined();
    runner.end(1);
    runner.end(2);
    await eventually(() => [rows("next"), rows("plain")].every(([row]) => row?.status === "succeeded"));
    await executor.rerun(rows()[0]?.id ?? "", by());
    expect(rows()[1]).toMatchObject({ params: { DAY: "monday", SIZE: "s" }, trigger: { dueAt: iso(t0 - 5) } });
  });

  test.each([
    ["DYA", "did you mean DAY?"],
    ["NOTHING_LIKE_IT", "it declares DAY, SIZE"],
  ])("%s is not declared: %s", async (name, why) => {
    const { executor } = await setUp({ batches });
    const answer = await executor.manual("report", { params: { [name]: "x" } });
    expect(answer).toEqual({ error: expect.stringContaining(why) as string });
  });
});

test("whatever is due, rerun and swept in whatever order, no start finds the logs of its input deleted", async () => {
  const keep = { executions: 1, ageMs: null };
  const batches = [
    batch({ keep, concurrency: "allow" }),
    chained("mail", { after: ["report"], input: "previous", keep: { ...keep, executions: 6 } }),
  ];
  const { executor, runner, rows, due, history } = await setUp({ batches });
  let seed = 7;
  const draw = (most: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 16) % most; // the low digits of such a number repeat soon
  };
  const ended = new Set<number>();
  let [refused, done] = [0, 0];
  for (let step = 0; step < 300; step++) {
    const open = runner.orders.map((_, i) => i).filter((i) => !ended.has(i));
    const past = rows("mail").filter(({ status }) => status !== "queued" && status !== "running");
    const kind = draw(4);
    if (kind === 0 && open.length < 4) due(t0 + step * 1_000, batches[0]);
    else if (kind === 1 && past.length > 0) {
      const target = past[draw(past.length)] as Execution;
      const acted = executor.rerun(target.id, by());
      if (draw(2) === 0) due(t0 + step * 1_000 + 500, batches[0]); // before it is answered
      if ("error" in (await acted)) refused += 1;
      else done += 1;
    } else if (open.length > 0) {
      const index = open[draw(open.length)] as number;
      ended.add(index);
      runner.end(index);
    }
    await history.recorder.durable();
    for (const one of batches) {
      const gone = selectExpired(history.recorder.recent(one.name), one.keep, executor.isRunRead, t0);
      if (gone.length > 0) await history.recorder.commit([{ kind: "delete", batch: one.name, ids: gone }]);
    }
    for (const row of [...rows("report"), ...rows("mail")].filter(
      ({ status }) => status === "queued" || status === "running",
    ))
      for (const id of row.previous ?? []) expect([step, history.recorder.runKeyOf(id)]).not.toEqual([step, undefined]);
  }
  expect(refused).toBeGreaterThan(0);
  expect(done).toBeGreaterThan(0);
});

test("a rerun right after the end of its run knows the rows that are not durable yet", async () => {
  const batches = [batch({}), chained("mail", { after: ["report"] }), chained("last", { after: ["mail"] })];
  const { executor, runner, rows, due, started } = await setUp({ batches });
  due(t0, batches[0]);
  await started(1);
  const run = rows()[0]?.run ?? "";
  runner.end(0, { kind: "exit", exitCode: 1 });
  // No turn of the event loop ends here, so that nothing of it is written yet.
  for (let i = 0; i < 1_000 && rows("last").length === 0; i++) await Promise.resolve();
  expect(rows("last")[0]?.status).toBe("aborted");
  expect(idsOf(await executor.rerun(run, by()))).toEqual([rows("report")[1]?.id]);
  await started(2);
  for (let i = 1; i < 4; i++) {
    await started(i + 1);
    runner.end(i);
  }
  await eventually(() => rows("last")[1]?.status === "succeeded");
  expect(["report", "mail", "last"].map((name) => rows(name).map(({ attempt }) => attempt))).toEqual([
    [1, 2],
    [1, 2],
    [1, 2],
  ]);
});

test("a rerun whose input's logs are gone is refused; without that input it goes on", async () => {
  const keep = { executions: 1, ageMs: null };
  const mail = chained("mail", { after: ["report"], input: "previous" });
  const { executor, runner, due, rows, started, status, known } = await setUp({ batches: [batch({ keep }), mail] });
  for (const round of [0, 1]) {
    due(t0 + round * 60_000, batch({ keep }));
    await started(2 * round + 1);
    runner.end(2 * round);
    await started(2 * round + 2);
    runner.end(2 * round + 1);
    await status(round, "succeeded", "mail");
  }
  const [first] = rows("mail");
  expect(rows("report")).toHaveLength(1);
  expect(idsOf(await executor.rerun(first?.id ?? "", by()))).toContain("the input of mail is no longer kept");
  known.set("mail" as BatchName, { ...mail, input: "none" });
  expect(idsOf(await executor.rerun(first?.id ?? "", by()))).toHaveLength(1);
});
