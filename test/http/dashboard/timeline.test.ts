import { expect, test } from "vitest";
import {
  busiestFirst,
  foresee,
  goOn,
  laneOf,
  loadOf,
  medianMs,
  withinWindow,
} from "../../../agent/http/dashboard/drawing/timeline.ts";
import { timelineWidth } from "../../../agent/http/dashboard/drawing/window.ts";
import type { TimeWindow } from "../../../agent/http/dashboard/drawing/window.ts";
import { execution, t0 } from "../../helpers/make.ts";

const minute = 60_000;
const hour = 60 * minute;
const at = (ms: number) => new Date(t0 + ms).toISOString();
/** A day around t0, of which eight hours are still to come: a minute is a unit. */
const day: TimeWindow = { from: t0 - 16 * hour, to: t0 + 8 * hour, zoom: "day", isLive: true };
const ran = (from: number, to: number, status: "succeeded" | "failed" = "succeeded") =>
  execution({ status, createdAt: at(from), startedAt: at(from), finishedAt: at(to), durationMs: to - from });

test("a window holds what was at work in it, at least in part", () => {
  const [old, overlapping, fresh] = [ran(-18 * hour, -17 * hour), ran(-17 * hour, -15 * hour), ran(-hour, -hour + 1)];
  const later = ran(9 * hour, 10 * hour);
  expect(withinWindow([old, overlapping, fresh, later, execution({ status: "queued" })], day, t0)).toEqual([
    overlapping,
    fresh,
  ]);
});

test("a window holds what has been at work since before it, whatever came and went meanwhile", () => {
  const [running, skipped, fresh] = [
    execution({ status: "running", createdAt: at(-48 * hour), startedAt: at(-48 * hour) }),
    execution({ status: "aborted", createdAt: at(-36 * hour), finishedAt: at(-36 * hour) }),
    ran(-hour, -minute),
  ];
  expect(withinWindow([running, skipped, fresh], day, t0)).toEqual([running, fresh]);
});

test("what failed first, then the busiest", () => {
  const batches = [
    { name: "idle", spans: [] },
    { name: "short", spans: [{ from: 0, to: 1_000 }] },
    { name: "long", spans: [{ from: 0, to: hour }] },
    { name: "failed", spans: [{ from: 0, to: 1 }] },
  ];
  expect(busiestFirst(batches, new Set(["failed"]))).toEqual(["failed", "long", "short", "idle"]);
});

test("lanes do not change places for a few milliseconds more or less", () => {
  const order = (...ms: number[]) =>
    busiestFirst(
      ms.map((to, index) => ({ name: "abc".charAt(index), spans: [{ from: 0, to }] })),
      new Set("abc"),
    );
  expect(order(20, 30, 25)).toEqual(["a", "b", "c"]);
  expect(order(hour, hour + 2_000, hour + 1_000)).toEqual(["a", "b", "c"]);
});

test("a bar lies where its time lies: a minute of a day is a unit", () => {
  expect(laneOf("a", [ran(-2 * hour, -hour)], [{ from: t0 + hour, to: t0 + 2 * hour }], day, t0)).toMatchObject({
    bars: [{ tone: "succeeded", path: "M840 0h60v19h-60z" }],
    coming: "M1020 4h60v12h-60z",
    counts: { ran: 1, failed: 0, coming: 1 },
  });
});

test("overlaps lie below each other, and what failed or runs can be followed", () => {
  const failed = ran(-2 * hour, -hour, "failed");
  const lane = laneOf(
    "a",
    [failed, ran(-90 * minute, -80 * minute), execution({ status: "running", at: t0 - minute })],
    [],
    day,
    t0,
  );
  expect(lane.bars).toEqual([
    { tone: "succeeded", path: "M870 10h10v9h-10z" },
    { tone: "running", path: "M959 0h3v9h-3z" },
    { tone: "failed", path: "M840 0h60v9h-60z" },
  ]);
  expect(lane.links.map((link) => link.execution.status)).toEqual(["failed", "running"]);
});

test("thousands of short ones are drawn as how many there were, with each failure on top", () => {
  const many = Array.from({ length: 5_000 }, (_, i) => {
    const from = -16 * hour + i * 11_000;
    return ran(from, from + 500, i === 2_500 ? "failed" : "succeeded");
  });
  const lane = laneOf("a", many, [], day, t0);
  expect(lane.density.match(/M/g)?.length).toBeLessThanOrEqual(144);
  expect(lane.density.length).toBeGreaterThan(0);
  expect(lane.bars.map(({ tone, path }) => [tone, path.match(/M/g)?.length])).toEqual([["failed", 1]]);
  expect(lane.links).toHaveLength(1);
  expect(lane.counts).toEqual({ ran: 5_000, failed: 1, coming: 0 });
});

test("few beside many are seen", () => {
  const many = Array.from({ length: 1_000 }, (_, i) => ran(-2 * hour + i, -2 * hour + i + 1));
  const path = laneOf("a", [...many, ran(-10 * hour, -10 * hour + 1)], [], day, t0).density;
  expect([...path.matchAll(/v-(\d+)/g)].map((match) => Number(match[1]))).toEqual([4, 19]);
});

test("a follower is foreseen at the end of the last before it; a cycle is not", () => {
  const outlook = (starts: number[], after: string[], medianMs: number) => ({
    starts: starts.map((ms) => t0 + ms),
    after,
    medianMs,
  });
  const seen = foresee(
    new Map([
      ["d", outlook([], ["b", "c"], 1)],
      ["a", outlook([hour, 2 * hour, 25 * hour], [], 10)],
      ["b", outlook([], ["a"], 5)],
      ["c", outlook([], ["a"], 7)],
      ["x", outlook([], ["y"], 1)],
      ["y", outlook([], ["x"], 1)],
    ]),
    t0 + 24 * hour,
  );
  expect(seen.get("d")).toEqual([
    { from: t0 + hour + 17, to: t0 + hour + 18 },
    { from: t0 + 2 * hour + 17, to: t0 + 2 * hour + 18 },
  ]);
  expect([seen.get("x"), seen.get("y")]).toEqual([[], []]);
});

test("frequent starts go on to the end of the day", () => {
  const first = Array.from({ length: 100 }, (_, i) => t0 + i * 5 * minute);
  const all = goOn(first, 100, t0 + 24 * hour);
  expect([all.length, all.at(-1)]).toEqual([288, t0 + 24 * hour - 5 * minute]);
  expect(goOn(first.slice(0, 3), 100, t0 + 24 * hour)).toHaveLength(3);
  expect(
    goOn(
      Array.from({ length: 100 }, (_, i) => t0 + i * 1_000),
      100,
      t0 + 24 * hour,
    ).length,
  ).toBeLessThan(1_600);
});

test("how much at once", () => {
  const spans = [
    { from: t0 - hour, to: t0 - 30 * minute },
    { from: t0 - 45 * minute, to: t0 + hour },
    { from: t0 - 30 * minute, to: t0 - 20 * minute },
  ];
  expect(loadOf(spans, 40, day).most).toBe(2);
  const oneAfterTheOther = Array.from({ length: 500 }, (_, index) => ({
    from: t0 + index * 20,
    to: t0 + index * 20 + 20,
  }));
  expect(loadOf(oneAfterTheOther, 40, day).most).toBe(1);
  expect(loadOf([{ from: t0, to: t0 }], 40, day).most).toBe(1);
  expect(loadOf([], 40, day)).toEqual({ path: `M0 40L0 40L0 40L${timelineWidth} 40L${timelineWidth} 40z`, most: 0 });
});

test("usual is the median of the successes", () => {
  expect(medianMs([ran(0, 1), ran(0, 900), ran(0, 20), ran(0, 10 * hour, "failed")])).toBe(20);
  expect(medianMs([])).toBe(minute);
});
