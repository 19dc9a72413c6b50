import { expect, test } from "vitest";
import { formatDuration, parseDuration } from "../../agent/text/duration.ts";

test.each([
  ["90s", 90_000],
  ["15m", 900_000],
  ["1h30m", 5_400_000],
  ["2d", 172_800_000],
  ["0s", 0],
  ["1d2h3m4s", 93_784_000],
  ["007s", 7_000],
  ["", null],
  [" 5m", null],
  ["5m\n", null],
  ["5", null],
  ["5 m", null],
  ["5min", null],
  ["1.5h", null],
  ["-5m", null],
  ["30m1h", null],
  ["1m1m", null],
  ["5M", null],
  ["5ms", null],
  ["9999999999s", null],
])("%j is %s ms", (text, ms) => expect(parseDuration(text)).toBe(ms));

test.each([
  [0, "0s"],
  [0.2, "1ms"],
  [345, "345ms"],
  [999.9, "999ms"],
  [1_000, "1s"],
  [1_499, "1s"],
  [59_600, "1m"],
  [5_400_000, "1h30m"],
  [172_800_000, "2d"],
  [93_784_000, "1d2h3m4s"],
  [-61_000, "-1m1s"],
])("%d ms is %s", (ms, text) => expect(formatDuration(ms)).toBe(text));

test("what is formatted reads back", () => {
  for (let seconds = 1; seconds < 2_000_000; seconds = seconds * 3 + 7) {
    expect(parseDuration(formatDuration(seconds * 1_000))).toBe(seconds * 1_000);
  }
});
