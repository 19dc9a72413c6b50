// What `cron` may hold, and words for what it may not.
import { describe, expect, test } from "vitest";
import { bothDays, nextWall, parsePattern } from "../../agent/schedule/pattern.ts";

describe("what is wrong with a pattern", () => {
  const rows: [string, string, RegExp, RegExp?][] = [
    ["", "bad-cron", /empty/],
    ["* * * *", "bad-cron", /4 fields/, /minute hour day-of-month month day-of-week/],
    ["* * * * * * 2027", "bad-cron", /7 fields/, /single start/],
    ["60 * * * *", "bad-cron", /60 is not a valid minute/, /0 to 59/],
    ["* 24 * * *", "bad-cron", /24 is not a valid hour/],
    ["* * 32 * *", "bad-cron", /32 is not a valid day/, /1 to 31/],
    ["* * * 13 *", "bad-cron", /13 is not a valid month/, /1 to 12/],
    ["* * 0 * *", "bad-cron", /0 is not a valid day/],
    ["* * * * 8", "bad-cron", /8 is not a valid day of the week/],
    ["5/15 * * * *", "bad-cron", /5\/15/, /5-59\/15/],
    ["0 0 * * FRI-MON", "bad-cron", /FRI-MON/, /comma/],
    ["@reboot", "bad-cron", /@reboot/],
    ["@every 5m", "bad-cron", /not supported/, /\*\/5/],
    ["@fortnightly", "bad-cron", /no nickname/, /@daily/],
    ["H 2 * * *", "bad-cron", /H is not supported/, /jitter/],
    ["a b c d e", "bad-cron", /"a" \(field 1\)/],
    ["*", "bad-cron", /has 1 field$/],
    ["60 * * * * *", "bad-cron", /60 is not a valid second/, /0 to 59/],
    ["* * * * MON#9", "bad-cron", /./, /docs\/batch-yaml\.md/],
    ["2027-02-20T10:60:00", "bad-cron", /no time 10:60/],
    ["2027-02-20T10:00:60", "bad-cron", /no time 10:00:60/],
    ["0 0 30 2 *", "never-due", /never due/],
    ["2027-02-30T00:00:00", "bad-cron", /no day 2027-02-30/],
    ["2027-13-01T00:00:00", "bad-cron", /no day/],
    ["2027-02-20T24:00:00", "bad-cron", /no time 24:00/],
    ["2027-02-20", "bad-cron", /without a time/, /2027-02-20T00:00:00/],
    ["2027-02-20T1:00", "bad-cron", /not an ISO/],
  ];
  test.each(rows)("%s", (pattern, code, message, hint) => {
    const result = parsePattern(pattern);
    expect(result).toMatchObject({ code, message: expect.stringMatching(message) as string });
    if (hint !== undefined) expect(result).toMatchObject({ hint: expect.stringMatching(hint) as string });
  });
});

test.each<[string, object]>([
  ["30 2 * * *", { kind: "cron", text: "30 2 * * *", repeats: false }],
  ["  30   2 * * *  ", { kind: "cron", text: "30   2 * * *", repeats: false }],
  ["*/15 2 * * *", { kind: "cron", repeats: true }],
  ["30 * * * *", { kind: "cron", repeats: true }],
  ["30 1-3 * * *", { kind: "cron", repeats: false }],
  ["15 30 2 * * *", { kind: "cron", repeats: false }],
  ["15 * 2 * * *", { kind: "cron", repeats: true }],
  ["@Daily", { kind: "cron", text: "@Daily", repeats: false }],
  ["@hourly", { kind: "cron", repeats: true }],
  ["2026-12-24T18:00", { kind: "once", wallMs: Date.UTC(2026, 11, 24, 18), exact: false }],
  ["2026-12-24 18:00:30.5", { kind: "once", wallMs: Date.UTC(2026, 11, 24, 18, 0, 30, 500), exact: false }],
  ["2026-12-24T18:00:00Z", { kind: "once", wallMs: Date.UTC(2026, 11, 24, 18), exact: true }],
  ["2026-12-24T18:00:00+01:30", { kind: "once", wallMs: Date.UTC(2026, 11, 24, 16, 30), exact: true }],
  ["2026-12-24T18:00:00-0130", { kind: "once", wallMs: Date.UTC(2026, 11, 24, 19, 30), exact: true }],
])("%j is a pattern", (text, want) => expect(parsePattern(text)).toMatchObject({ pattern: want }));

test.each([
  ["0 0 13 * FRI", true],
  ["0 0 0 13 * FRI", true],
  ["0 0 13 * *", false],
  ["0 0 ? * FRI", false],
  ["0 0 13 * +FRI", false],
  ["@weekly", false],
  ["13 FRI", false],
])("%j restricts both kinds of day: %s", (text, want) => expect(bothDays(text)).toBe(want));

test("the next time by the wall is at or after the one that is given", () => {
  const noon = Date.UTC(2026, 10, 24, 12);
  expect(nextWall("0 12 * * *", noon)).toBe(noon);
  expect(nextWall("0 12 * * *", noon + 1)).toBe(noon + 86_400_000);
  // A year field of another pattern is not left behind in what is kept.
  expect(nextWall("0 0 1 1 *", Date.UTC(2099, 5, 1))).toBe(Date.UTC(2100, 0, 1));
});
