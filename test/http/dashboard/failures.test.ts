import { expect, test } from "vitest";
import { failuresInRow, failuresUpTo } from "../../../agent/http/dashboard/failures.ts";
import { failingSince } from "../../../agent/views.ts";
import { outlineOf, type Outline } from "../../../agent/history/port.ts";
import { execution, t0 } from "../../helpers/make.ts";

/** Executions of a batch from oldest to newest, a minute apart, as letters: succeeded, failed, aborted, running. */
function past(letters: string): Outline[] {
  const statuses = { s: "succeeded", f: "failed", a: "aborted", r: "running" } as const;
  return [...letters]
    .map((letter, i) => execution({ status: statuses[letter as keyof typeof statuses], at: t0 + i * 60_000 }))
    .map(outlineOf)
    .reverse();
}
const at = (minute: number) => new Date(t0 + minute * 60_000).toISOString();

test.each([
  ["", null],
  ["s", null],
  ["fs", null],
  ["a", null],
  ["sf", { since: at(1), count: 1, success: true }],
  ["sffr", { since: at(1), count: 2, success: true }],
  ["sfafa", { since: at(1), count: 2, success: true }],
  ["ff", { since: at(0), count: 2, success: false }],
])("%s: failures in a row", (letters, want) => {
  const found = failuresInRow(past(letters));
  expect(
    found === null ? null : { since: found.since, count: found.count, success: found.lastSuccess !== null },
  ).toEqual(want);
});

test("attempts of one run that were tried again count as one failure, as in the API", () => {
  const first = execution({ status: "failed", at: t0 });
  const again = { ...execution({ status: "failed", at: t0 + 60_000 }), run: first.run, attempt: 2 };
  const retry = { ...again, trigger: { ...again.trigger, kind: "retry" as const } };
  const outlines = [outlineOf(retry), outlineOf(first)];
  expect(failuresInRow(outlines)?.count).toBe(1);
  expect(failingSince(outlines)?.count).toBe(1);
});

test.each([
  ["sffs", 1, { count: 1, recoveredAt: 3 }],
  ["sffs", 2, { count: 2, recoveredAt: 3 }],
  ["sffsfs", 2, { count: 2, recoveredAt: 3 }],
  ["sff", 2, { count: 2, recoveredAt: null }],
])("%s: the failure at %d among the others", (letters, index, want) => {
  const all = past(letters);
  const { streak, recovery } = failuresUpTo(all, all.toReversed()[index]?.id ?? "");
  const minute = recovery === null ? null : (Date.parse(recovery.createdAt) - t0) / 60_000;
  expect({ count: streak?.count, recoveredAt: minute }).toEqual(want);
});
