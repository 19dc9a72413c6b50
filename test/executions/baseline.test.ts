import { describe, expect, test } from "vitest";
import { estimatedEnd, detectAnomaly } from "../../agent/executions/baseline.ts";
import { outlineOf } from "../../agent/history/port.ts";
import type { Execution } from "../../agent/model/execution.ts";
import { execution, t0 } from "../helpers/make.ts";

const success = (durationMs: number, stdoutBytes = 1_000, stderrBytes = 0): Execution => ({
  ...execution({ status: "succeeded" }),
  durationMs,
  stdoutBytes,
  stderrBytes,
});
const many = (count: number, durationMs: (i: number) => number, bytes: (i: number) => number = () => 1_000) =>
  Array.from({ length: count }, (_, i) => success(durationMs(i), bytes(i)));
/** From 0 up to but without 1, scattered and always the same. */
const scatter = (i: number) => ((i * 7919) % 97) / 97;

const past = (rows: readonly Execution[]) => rows.map(outlineOf).reverse();

describe("unusual", () => {
  const steady = many(
    20,
    (i) => 60_000 + 3_000 * scatter(i),
    (i) => 5_000 + 300 * scatter(i),
  );
  test.each<[string, Execution[], Execution, Execution["unusual"]]>([
    ["as ever", steady, success(61_000, 5_100), null],
    ["a minute's work in a second", steady, success(1_000, 5_100), "too-fast"],
    ["ten times as long", steady, success(600_000, 5_100), "too-slow"],
    ["silent", steady, success(61_000, 0), "too-quiet"],
    ["a tenth of the output", steady, success(61_000, 400), "too-quiet"],
    ["more output than ever is no matter", steady, success(61_000, 5_000_000), null],
    ["half as long again is not far", steady, success(85_000, 5_100), null],
    ["fast and silent: fast is said first", steady, success(100, 0), "too-fast"],
    ["output on stderr counts", steady, { ...success(61_000, 0), stderrBytes: 5_000 }, null],
    ["nine successes are too few", steady.slice(0, 9), success(1_000, 0), null],
    ["ten are enough", steady.slice(0, 10), success(1_000, 0), "too-fast"],
    ["short batches jitter: 50 ms, then 1.5 s", many(50, (i) => 50 + 20 * scatter(i)), success(1_500), null],
    ["short batches jitter: 400 ms, then 5 ms", many(50, () => 400), success(5), null],
    ["a second, then none", many(20, (i) => 1_020 + 30 * scatter(i)), success(15), "too-fast"],
    ["50 ms, then 5 s", many(20, () => 50), success(5_000), "too-slow"],
    ["one that varies widely", many(50, (i) => 10_000 + 50_000 * scatter(i)), success(90_000), null],
    ["a second habit: every fifth is long", many(50, (i) => (i % 5 === 0 ? 600_000 : 10_000)), success(600_000), null],
    [
      "a second habit: every fifth is silent",
      many(
        50,
        () => 10_000,
        (i) => (i % 5 === 0 ? 0 : 900),
      ),
      success(10_000, 0),
      null,
    ],
    [
      "a few bytes less",
      many(
        20,
        () => 10_000,
        () => 60,
      ),
      success(10_000, 10),
      null,
    ],
    [
      "a short word, then none",
      many(
        20,
        () => 10_000,
        () => 6,
      ),
      success(10_000, 0),
      "too-quiet",
    ],
    [
      "always silent",
      many(
        20,
        () => 10_000,
        () => 0,
      ),
      success(10_000, 0),
      null,
    ],
    ["only the last 50 count", [...many(60, () => 100_000), ...many(50, () => 10_000)], success(100_000), "too-slow"],
    [
      "failures are no measure",
      many(30, () => 60_000).map((row) => ({ ...row, status: "failed" as const })),
      success(10),
      null,
    ],
    ["a failure is never unusual", steady, { ...success(10, 0), status: "failed" }, null],
  ])("%s", (_what, before, one, want) => expect(detectAnomaly(one, past([...before, one]))).toBe(want));
});

describe("estimated end", () => {
  const running = (fields: Partial<Execution> = {}) => execution({ status: "running", ...fields });
  const after = (ms: number) => new Date(t0 + ms).toISOString();
  const said = (percent: number, ms: number) => ({ progress: { percent, message: null, at: after(ms) } });
  test.each<[string, Execution[], Execution, string | null]>([
    ["nothing tells", [], running(), null],
    ["the median of its successes", many(5, (i) => 1_000 * (i + 1)), running(), after(3_000)],
    ["an even number of them", many(2, (i) => 1_000 * (i + 1)), running(), after(1_500)],
    ["its progress goes before", many(5, () => 1_000), running(said(25, 10_000)), after(40_000)],
    ["no progress yet", many(5, () => 1_000), running(said(0, 10_000)), after(1_000)],
    ["not running", many(5, () => 1_000), execution({ status: "failed" }), null],
    ["waiting", many(5, () => 1_000), execution(), null],
  ])("%s", (_what, before, one, want) => expect(estimatedEnd(one, past([...before, one]))).toBe(want));
});

test("progress that was said before the start is of no use: its past tells when it ends", () => {
  const running = { ...execution({ status: "running" }), startedAt: new Date(t0).toISOString() };
  const said = (at: number) => ({
    ...running,
    progress: { percent: 50, message: null, at: new Date(at).toISOString() },
  });
  const before = past(many(5, () => 10_000));
  expect(estimatedEnd(said(t0 + 4_000), before)).toBe(new Date(t0 + 8_000).toISOString());
  expect(estimatedEnd(said(t0), before)).toBe(new Date(t0 + 10_000).toISOString());
});
