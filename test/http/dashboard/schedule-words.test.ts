import { expect, test } from "vitest";
import { patternWords, scheduleWords } from "../../../agent/http/dashboard/schedule-words.ts";
import { parsePattern } from "../../../agent/schedule/schedule.ts";
import { schedule } from "../../helpers/make.ts";

test.each([
  ["*/5 * * * *", "every 5 minutes"],
  ["* * * * *", "every minute"],
  ["*/30 * * * * *", "every 30 seconds"],
  ["0 7 * * 1-5", "weekdays 07:00"],
  ["0 7 * * MON-FRI", "weekdays 07:00"],
  ["30 4 * * *", "daily 04:30"],
  ["15 30 4 * * *", "daily 04:30:15"],
  ["@daily", "daily 00:00"],
  ["@hourly", "every hour"],
  ["5 * * * *", "hourly at :05"],
  ["15 * * * *", "hourly at :15"],
  ["0 5 * * 1", "Mondays 05:00"],
  ["0 5 * * 0", "Sundays 05:00"],
  ["0 5 * * 7", "Sundays 05:00"],
  ["0 22 L * *", "22:00, on the last day of the month"],
  ["0 9 15W * *", "09:00, on the weekday nearest day 15 of the month"],
  ["0 9 * * 5#2", "09:00, on the second Friday of the month"],
  ["0 9 * * 5L", "09:00, on the last Friday of the month"],
  ["0 0 1 1 *", "00:00, on day 1 of the month, only in January"],
  ["*/7 9-17 * * *", "every 7 minutes, between 09:00 and 17:59"],
  ["0 8,12,18 * * *", "08:00, 12:00 and 18:00"],
])("%s is %s", (text, words) => {
  const parsed = parsePattern(text);
  expect("pattern" in parsed).toBe(true); // croner reads it too
  expect(patternWords({ kind: "cron", text })).toBe(words);
});

test.each([["0 9 * * L"], ["? nonsense"], [""]])("%j stays as it is written", (text) =>
  expect(patternWords({ kind: "cron", text })).toBe(text),
);

test("a single start, and several patterns", () => {
  expect(patternWords({ kind: "once", text: "2026-12-24T18:00" })).toBe("once, 2026-12-24 18:00");
  expect(scheduleWords(schedule("@daily"))).toBe("daily 00:00");
});
