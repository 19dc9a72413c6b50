import { expect, test } from "vitest";
import { parseProgress } from "../../agent/executions/progress.ts";

const at = "2026-11-24T12:00:00.000Z";

test.each([
  ["42", 42, null],
  ["42\n", 42, null],
  ["42 loading rows\n", 42, "loading rows"],
  ["42% loading", 42, "loading"],
  ["  7.25   almost  \nsecond line", 7.3, "almost"],
  ["-5 below", 0, "below"],
  ["250", 100, null],
  ["50 red\u001b[31m\u0007 \u202etxt", 50, "red[31m txt"],
  [`1 ${"𝄞".repeat(300)}`, 1, "𝄞".repeat(200)],
  ["42\r\n", 42, null],
])("%j", (text, percent, message) => expect(parseProgress(text, at)).toEqual({ percent, message, at }));

test.each(["", "\n42", "done", "4x", "42loading", "NaN", "1e3 x", "%"])("%j says nothing", (text) =>
  expect(parseProgress(text, at)).toBeNull(),
);
