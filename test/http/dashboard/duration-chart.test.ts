import { expect, test } from "vitest";
import { chartDurations, chartSize } from "../../../agent/http/dashboard/drawing/duration-chart.ts";
import { execution, t0 } from "../../helpers/make.ts";

const ran = (minute: number, durationMs: number) => ({
  ...execution({ status: "succeeded", at: t0 + minute * 60_000 }),
  durationMs,
});

test("nothing that ran: no plot", () => {
  expect(chartDurations([])).toBeNull();
  expect(chartDurations([execution({ status: "aborted" }), execution({ status: "running" })])).toBeNull();
});

test("dots go from left to right in time and up with duration, within the picture", () => {
  const plot = chartDurations([ran(0, 100), ran(5, 200), ran(10, 150)]);
  const [a, b, c] = plot?.dots ?? [];
  expect([a?.x, c?.x]).toEqual([chartSize.left, chartSize.width - chartSize.right]);
  expect((b?.y ?? 0) < (c?.y ?? 0) && (c?.y ?? 0) < (a?.y ?? 0) && (b?.y ?? 0) >= chartSize.top).toBe(true);
  expect(plot?.median).toMatchObject({ ms: 150 });
});

test.each([
  ["even", [100, 900], [500]],
  ["logarithmic from tenfold on", [5, 60_000], [10, 100, 1_000, 10_000]],
  ["one", [40], [20, 40]],
  ["no time at all", [0], [0.5, 1]],
])("levels, %s: %j", (_name, durations, want) => {
  const levels = chartDurations(durations.map((ms, i) => ran(i, ms)))?.levels.map(({ ms }) => ms) ?? [];
  expect(levels).toEqual(expect.arrayContaining(want));
  expect(levels.length).toBeLessThanOrEqual(5);
});
