// Slips of the finger and other tools' words.
import { describe, expect, test } from "vitest";
import { closest, suggestKey } from "../../agent/definitions/suggest.ts";

describe("closest", () => {
  test.each<[string, string[], string | null]>([
    ["report", ["report"], "report"],
    ["reprot", ["report", "extract"], "report"],
    ["repor", ["report"], "report"],
    ["reportt", ["report"], "report"],
    ["RE-PORT", ["report"], "report"],
    ["extract", ["report"], null],
    ["ab", ["ba"], "ba"],
    ["ab", ["cd"], null],
    ["a", ["b"], null],
    ["", ["a"], null],
    ["A", ["a"], "a"],
    ["", ["ab"], null],
    ["abcdefghi", ["abcdefxyz"], "abcdefxyz"],
    ["abcdefghi", ["abcdewxyz"], null],
    ["abcdefghijkl", ["abcdefghwxyz"], null],
    ["one", ["two", "ore", "ones"], "ore"],
    ["x".repeat(100_000), ["y".repeat(100)], null],
    ["report", [], null],
  ])("%j among %j", (word, candidates, want) => expect(closest(word, candidates)).toBe(want));
});

describe("a hint for a key", () => {
  test.each([
    ["time-zone", "", "did you mean `timeZone`?"],
    ["attempts", "retry", "did you mean `limit`?"],
    ["limt", "retry", "did you mean `limit`?"],
    ["multiplyer", "retry", "did you mean `factor`?"],
    ["webhook", "retry", "`webhook` belongs below `notify`"],
    ["cron", "retry", "`cron` belongs at the top, not below `retry`: check the indentation"],
    ["qqqqqqqq", "keep", "known here: executions, age"],
    ["qqqqqqqq", "env", "no key is known here"],
    ["qqqqqqqq", "kubernetes.resources", "known here: requests, limits"],
    ["priorityClassName", "kubernetes", "did you mean `priorityClass`?"],
    ["env", "kubernetes", "`env` belongs at the top, not below `kubernetes`: check the indentation"],
    ["tolerationseconds", "kubernetes.tolerations.0", "did you mean `tolerationSeconds`?"],
    ["image", "", "`image` belongs below `kubernetes`"],
    ["hasOwnProperty", "retry", "known here: limit, delay, factor, maxDelay, codes"],
  ])("%s below %j", (key, path, want) => expect(suggestKey(key, path === "" ? [] : path.split("."))).toBe(want));
  test.each([
    ["crom", [], "defaults", "known here: tags, enabled, timeZone"],
    ["cron", ["retry"], "defaults", "known here: limit"],
    ["timeout", ["retry"], "defaults", "`timeout` belongs directly below `defaults`: check the indentation"],
    ["tz", [], "defaults", "did you mean `timeZone`?"],
    ["timeZone", [], "group", "`timeZone` belongs below `defaults`"],
    ["cron", [], "group", "each batch has its own `cron`: set it in batch.yaml"],
    ["calender", [], "group", "did you mean `calendars`?"],
    ["date", ["calendars", "a"], "group", "did you mean `dates`?"],
    ["until", ["calendars", "a", "ranges", "0"], "group", "known here: from, to"],
  ] as const)("%s below %j of %s", (key, path, scope, want) => expect(suggestKey(key, path, scope)).toContain(want));
});
