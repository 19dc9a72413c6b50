import { describe, expect, test } from "vitest";
import type { BatchName } from "../../agent/model/ids.ts";
import type { DueDecision } from "../../agent/schedule/catchup.ts";
import { createScheduler } from "../../agent/schedule/scheduler.ts";
import { fakeClock } from "../helpers/fakes.ts";
import { batch, schedule, t0 } from "../helpers/make.ts";

const minute = 60_000;

function setUp() {
  const clock = fakeClock(t0);
  const decisions: (DueDecision & { name: string; at: number })[] = [];
  const scheduler = createScheduler({
    clock,
    onDue: ({ name }, decision) => decisions.push({ ...decision, name, at: clock.now() }),
  });
  scheduler.start();
  return { clock, scheduler, decisions, starts: () => decisions.map((decision) => decision.start) };
}

describe("scheduler", () => {
  test("starts each due time once, on time", async () => {
    const { clock, scheduler, decisions, starts } = setUp();
    scheduler.set(batch(), t0);
    await clock.advance(3 * minute);
    expect(starts()).toEqual([t0 + minute, t0 + 2 * minute, t0 + 3 * minute]);
    expect(decisions.every((decision) => decision.at === decision.start)).toBe(true);
  });

  test("keeps a single timer however many batches there are", async () => {
    const { clock, scheduler } = setUp();
    for (let i = 0; i < 500; i++) scheduler.set(batch({ name: `b-${i}` as BatchName }), t0);
    expect(clock.timers()).toBe(1);
    await clock.advance(minute);
    expect(clock.timers()).toBe(1);
  });

  test("1,000 due at once all start in the very second, in slices", async () => {
    const { clock, scheduler, decisions } = setUp();
    for (let i = 0; i < 1_000; i++) scheduler.set(batch({ name: `b-${i}` as BatchName }), t0);
    await clock.advance(minute);
    expect(new Set(decisions.map((decision) => decision.name)).size).toBe(1_000);
    expect(decisions).toHaveLength(1_000);
  });

  test.each([
    { name: "takes long over each start", sleepMs: 0, missed: 0, started: 1_000 },
    { name: "sleeps for an hour after the first slice", sleepMs: 60 * minute, missed: 800, started: 200 },
  ])("a machine that $name, with 1,000 due at once", async ({ sleepMs, missed, started }) => {
    const clock = fakeClock(t0);
    const decisions: DueDecision[] = [];
    const scheduler = createScheduler({
      clock,
      onDue(_, decision) {
        decisions.push(decision);
        clock.jump(clock.now() + 20 + (decisions.length === 200 ? sleepMs : 0));
      },
    });
    scheduler.start();
    const once = schedule(new Date(t0 + minute).toISOString());
    for (let i = 0; i < 1_000; i++) scheduler.set(batch({ name: `b-${i}` as BatchName, schedule: once }), t0);
    await clock.advance(minute + 1_000);
    expect(decisions).toHaveLength(1_000);
    expect(decisions.filter((one) => one.missed !== null)).toHaveLength(missed);
    expect(decisions.filter((one) => one.start === t0 + minute)).toHaveLength(started);
  });

  test("a clock that stood years ahead and is put right does not hold a batch back", async () => {
    const { clock, scheduler, starts } = setUp();
    scheduler.set(batch(), t0);
    clock.jump(t0 + 5 * 365 * 86_400_000);
    await clock.advance(1_000);
    expect(starts()).toHaveLength(1);
    clock.jump(t0 + minute / 2);
    await clock.advance(minute);
    expect(starts().slice(1)).toEqual([t0 + minute]);
  });

  test("an unchanged batch keeps its next due time", async () => {
    const { clock, scheduler, starts } = setUp();
    scheduler.set(batch(), t0);
    await clock.advance(30_000);
    scheduler.set(batch({ env: { NEW: "1" } }), t0);
    await clock.advance(30_000);
    expect(starts()).toEqual([t0 + minute]);
  });

  test("a changed schedule takes the place of the old one", async () => {
    const { clock, scheduler, starts } = setUp();
    scheduler.set(batch(), t0);
    await clock.advance(30_000);
    scheduler.set(batch({ cron: "*/5 * * * *" }), clock.now());
    await clock.advance(6 * minute);
    expect(starts()).toEqual([t0 + 5 * minute]);
  });

  test("what was removed does not start", async () => {
    const { clock, scheduler, starts } = setUp();
    scheduler.set(batch(), t0);
    scheduler.remove("report" as BatchName);
    expect(scheduler.next("report", 3)).toEqual([]);
    await clock.advance(5 * minute);
    expect(starts()).toEqual([]);
  });

  test("a start further off than Node's timers reach comes on its day", async () => {
    const { clock, scheduler, starts } = setUp();
    scheduler.set(batch({ cron: "2027-03-01T00:00:00" }), t0);
    expect(scheduler.next("report", 5)).toEqual([Date.parse("2027-03-01T00:00:00Z")]);
    clock.jump(Date.parse("2027-02-28T23:59:58Z"));
    await clock.advance(3_000);
    expect(starts()).toEqual([Date.parse("2027-03-01T00:00:00Z")]);
  });

  test("a machine that slept: seen within a second, the latest starts, the gap is told", async () => {
    const { clock, scheduler, decisions } = setUp();
    scheduler.set(batch(), t0);
    await clock.advance(10_000);
    clock.jump(t0 + 5 * minute + 10_000);
    await clock.advance(1_000);
    expect(decisions).toMatchObject([
      { start: t0 + 5 * minute, missed: { from: t0 + minute, to: t0 + 5 * minute, count: 5 } },
    ]);
    await clock.advance(minute);
    expect(decisions[1]).toMatchObject({ start: t0 + 6 * minute, missed: null });
  });

  test("a clock set back an hour starts nothing twice", async () => {
    const { clock, scheduler, starts } = setUp();
    scheduler.set(batch(), t0);
    await clock.advance(2 * minute);
    clock.jump(t0 - 60 * minute);
    await clock.advance(61 * minute);
    expect(starts()).toEqual([t0 + minute, t0 + 2 * minute]);
    await clock.advance(2 * minute);
    expect(starts()).toEqual([t0 + minute, t0 + 2 * minute, t0 + 3 * minute]);
  });

  test("jitter puts off the start by the batch's share; the due time stays", async () => {
    const { clock, scheduler, decisions } = setUp();
    scheduler.set({ ...batch(), schedule: schedule("* * * * *", "UTC", 17_000) }, t0);
    await clock.advance(2 * minute);
    const offset = (decisions[0]?.at ?? 0) - (decisions[0]?.start ?? 0);
    expect(decisions[0]?.start).toBe(t0 + minute);
    expect(offset).toBe(17_000);
  });

  test("what is to come is told with its jitter, also while it waits that out", async () => {
    const { clock, scheduler } = setUp();
    scheduler.set({ ...batch(), schedule: schedule("1 12 * * *", "UTC", 30 * minute) }, t0);
    const start = t0 + 31 * minute;
    expect([scheduler.first("report"), scheduler.next("report", 2)]).toEqual([
      start,
      [start, start + 24 * 60 * minute],
    ]);
    await clock.advance(5 * minute);
    expect([scheduler.first("report"), scheduler.next("report", 2)]).toEqual([
      start,
      [start, start + 24 * 60 * minute],
    ]);
    await clock.advance(27 * minute);
    expect(scheduler.next("report", 1)).toEqual([start + 24 * 60 * minute]);
  });

  test("an edit of the jitter loses no due time that waits it out", async () => {
    const { clock, scheduler, starts } = setUp();
    const daily = (jitterMs: number) => ({ ...batch(), schedule: schedule("1 12 * * *", "UTC", jitterMs) });
    scheduler.set(daily(30 * minute), t0);
    await clock.advance(5 * minute);
    expect(starts()).toEqual([]);
    expect(daily(0).schedule.key).toBe(daily(30 * minute).schedule.key); // else it would count from now on
    scheduler.set(daily(0), t0);
    await clock.advance(60 * minute);
    expect(starts()).toEqual([t0 + minute]);
  });
});
