// How often executions are looked at, alone and among thousands.
import { expect, test } from "vitest";
import { lookInterval } from "../../agent/executions/look-interval.ts";

test.each([
  { name: "the first minute", ranMs: 0, count: 1, want: 100 },
  { name: "the first minute, as many as are bearable", ranMs: 59_999, count: 500, want: 100 },
  { name: "the first minute of ten thousand", ranMs: 1_000, count: 10_000, want: 2_000 },
  { name: "after it", ranMs: 60_000, count: 1_000, want: 1_000 },
  { name: "ten thousand that go on", ranMs: 3_600_000, count: 10_000, want: 10_000 },
  { name: "a clock that was set back", ranMs: -3_600_000, count: 1, want: 1_000 },
  { name: "it waits", ranMs: null, count: 64, want: 250 },
  { name: "ten thousand wait", ranMs: null, count: 10_000, want: 10_000 },
])("$name", ({ ranMs, count, want }) => {
  expect(lookInterval(ranMs, count)).toBe(want);
});
