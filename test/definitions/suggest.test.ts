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
    ["a", ["b"], "b"],
    ["", ["a"], "a"],
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
    ["qqqqqqqq", "env", "known here: "],
    ["hasOwnProperty", "retry", "known here: limit, delay, factor, maxDelay, codes"],
  ])("%s below %j", (key, path, want) => expect(suggestKey(key, path)).toBe(want));
});
