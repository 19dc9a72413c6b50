import { expect, test } from "vitest";
import {
  busiestFirst,
  foresee,
  goOn,
  laneOf,
  lastDay,
  loadOf,
  timelineWidth,
  usualMs,
} from "../../../agent/http/dashboard/drawing/timeline.ts";
import { execution, t0 } from "../../helpers/make.ts";

const minute = 60_000;
const hour = 60 * minute;
const at = (ms: number) => new Date(t0 + ms).toISOString();
const ran = (from: number, to: number, status: "succeeded" | "failed" = "succeeded") =>
  execution({ status, createdAt: at(from), startedAt: at(from), finishedAt: at(to), durationMs: to - from });

test("the last day holds what was at work in it, at least in part", () => {
  const [old, overlapping, fresh] = [ran(-26 * hour, -25 * hour), ran(-25 * hour, -23 * hour), ran(-hour, -hour + 1)];
  expect(lastDay([old, overlapping, fresh, execution({ status: "queued" })], t0)).toEqual([overlapping, fresh]);
});

test("the last day holds what has been at work since before it, whatever came and went meanwhile", () => {
  const [running, skipped, fresh] = [
    execution({ status: "running", createdAt: at(-48 * hour), startedAt: at(-48 * hour) }),
    execution({ status: "aborted", createdAt: at(-36 * hour), finishedAt: at(-36 * hour) }),
    ran(-hour, -minute),
  ];
  expect(lastDay([running, skipped, fresh], t0)).toEqual([running, fresh]);
});

test("the busiest first", () => {
  const batches = [
    { name: "idle", spans: [] },
    { name: "short", spans: [{ from: t0 - hour, to: t0 - hour + 1_000 }] },
    { name: "long", spans: [{ from: t0 - hour, to: t0 - minute }] },
  ];
  expect(busiestFirst(batches)).toEqual(["long", "short", "idle"]);
});

test("a bar lies where its time lies: a minute is a unit, now the middle", () => {
  expect(laneOf("a", [ran(-2 * hour, -hour)], [{ from: t0 + hour, to: t0 + 2 * hour }], t0)).toMatchObject({
    bars: [{ tone: "succeeded", path: "M1320 0h60v19h-60z" }],
    coming: "M1500 4h60v12h-60z",
    counts: { ran: 1, failed: 0, coming: 1 },
  });
});

test("overlaps lie below each other, and what failed or runs can be followed", () => {
  const failed = ran(-2 * hour, -hour, "failed");
  const lane = laneOf(
    "a",
    [failed, ran(-90 * minute, -80 * minute), execution({ status: "running", at: t0 - minute })],
    [],
    t0,
  );
  expect(lane.bars).toEqual([
    { tone: "succeeded", path: "M1350 10h10v9h-10z" },
    { tone: "running", path: "M1437 0h3v9h-3z".replace("1437", "1439") },
    { tone: "failed", path: "M1320 0h60v9h-60z" },
  ]);
  expect(lane.links.map((link) => link.execution.status)).toEqual(["failed", "running"]);
});

test("thousands of short ones are few bars", () => {
  const many = Array.from({ length: 5_000 }, (_, i) => ran(-24 * hour + i * 17_000, -24 * hour + i * 17_000 + 500));
  expect(laneOf("a", many, [], t0).bars[0]?.path.length).toBeLessThan(100);
});

test("a follower is foreseen at the end of the last before it; a cycle is not", () => {
  const outlook = (starts: number[], after: string[], usualMs: number) => ({
    starts: starts.map((ms) => t0 + ms),
    after,
    usualMs,
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
    t0,
  );
  expect(seen.get("d")).toEqual([
    { from: t0 + hour + 17, to: t0 + hour + 18 },
    { from: t0 + 2 * hour + 17, to: t0 + 2 * hour + 18 },
  ]);
  expect([seen.get("x"), seen.get("y")]).toEqual([[], []]);
});

test("frequent starts go on to the end of the day", () => {
  const first = Array.from({ length: 100 }, (_, i) => t0 + i * 5 * minute);
  const all = goOn(first, 100, t0);
  expect([all.length, all.at(-1)]).toEqual([288, t0 + 24 * hour - 5 * minute]);
  expect(goOn(first.slice(0, 3), 100, t0)).toHaveLength(3);
  expect(
    goOn(
      Array.from({ length: 100 }, (_, i) => t0 + i * 1_000),
      100,
      t0,
    ).length,
  ).toBeLessThan(1_600);
});

test("how much at once", () => {
  const spans = [
    { from: t0 - hour, to: t0 - 30 * minute },
    { from: t0 - 45 * minute, to: t0 + hour },
    { from: t0 - 30 * minute, to: t0 - 20 * minute },
  ];
  expect(loadOf(spans, 40, t0).most).toBe(2);
  expect(loadOf([], 40, t0)).toEqual({ path: `M0 40L0 40L0 40L${timelineWidth} 40L${timelineWidth} 40z`, most: 0 });
});

test("usual is the median of the successes", () => {
  expect(usualMs([ran(0, 1), ran(0, 900), ran(0, 20), ran(0, 10 * hour, "failed")])).toBe(20);
  expect(usualMs([])).toBe(minute);
});
