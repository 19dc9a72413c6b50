// Counts of the gate are those of the last run of each file, and what passed only when run again is named.
import { expect, test } from "vitest";
import { filesAgain, sum } from "../../.ci/verdict.mjs";

type Status = "passed" | "failed" | "skipped";

const file = (name: string, ...statuses: Status[]) => ({
  name,
  status: statuses.length === 0 || statuses.includes("failed") ? ("failed" as const) : ("passed" as const),
  assertionResults: statuses.map((status, index) => ({ fullName: `test ${index + 1}`, status })),
});
const report = (...testResults: ReturnType<typeof file>[]) => ({ testResults });
const none = { passed: 0, failed: 0, passedOver: 0, onlyAgain: [] as string[] };

test.each([
  ["nothing fails", report(file("a", "passed", "skipped")), undefined, [], { passed: 1, passedOver: 1 }],
  ["fails, not run again", report(file("a", "passed", "failed")), undefined, ["a"], { passed: 1, failed: 1 }],
  [
    "passes when run again",
    report(file("a", "passed", "failed"), file("b", "passed")),
    report(file("a", "passed", "passed")),
    ["a"],
    { passed: 3, onlyAgain: ["a: test 2"] },
  ],
  [
    "fails again, otherwise",
    report(file("a", "passed", "failed")),
    report(file("a", "failed", "passed")),
    ["a"],
    { passed: 1, failed: 1 },
  ],
  ["cannot be loaded", report(file("a")), report(file("a")), ["a"], { failed: 1 }],
  ["could not be loaded once", report(file("a")), report(file("a", "passed")), ["a"], { passed: 1, onlyAgain: ["a"] }],
  [
    "too many for an accident",
    report(file("a", "failed"), file("b", "failed"), file("c", "failed"), file("d", "failed")),
    undefined,
    [],
    { failed: 4 },
  ],
])("%s", (_name, first, second, again, counts) => {
  expect(filesAgain(first)).toEqual(again);
  expect(sum(first, second)).toEqual({ ...none, ...counts });
});
