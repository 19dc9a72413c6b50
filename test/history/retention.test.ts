import { expect, test } from "vitest";
import { outlineOf, runKey } from "../../agent/history/port.ts";
import { isForgotten, selectExpired } from "../../agent/history/retention.ts";
import type { Execution } from "../../agent/model/execution.ts";
import { execution, t0 } from "../helpers/make.ts";

const day = 86_400_000;
const past = (given: readonly Execution[]) => given.map(outlineOf).reverse();
const rows: { name: string; given: Execution[]; keep: { executions: number; ageMs: number | null }; want: number[] }[] =
  [
    {
      name: "nothing over the count",
      given: [execution({ status: "succeeded" })],
      keep: { executions: 1, ageMs: null },
      want: [],
    },
    {
      name: "the oldest go first",
      given: [execution({ status: "succeeded" }), execution({ status: "failed" }), execution({ status: "succeeded" })],
      keep: { executions: 1, ageMs: null },
      want: [0, 1],
    },
    {
      name: "a running one stays though it is the oldest",
      given: [execution({ status: "running" }), execution({ status: "succeeded" }), execution({ status: "succeeded" })],
      keep: { executions: 1, ageMs: null },
      want: [1],
    },
    {
      name: "by age, and a queued one never",
      given: [
        execution({ at: t0 - 3 * day, status: "queued" }),
        execution({ at: t0 - 3 * day, status: "aborted" }),
        execution({ status: "succeeded" }),
      ],
      keep: { executions: 100, ageMs: 2 * day },
      want: [1],
    },
  ];

test.each(rows)("$name", ({ given, keep, want }) => {
  expect(selectExpired(past(given), keep, () => false, t0)).toEqual(want.map((index) => given[index]?.id));
});

test("what belongs to a run that goes on stays", () => {
  const [old, fresh] = [execution({ status: "succeeded" }), execution({ status: "succeeded" })];
  expect(
    selectExpired(past([old, fresh]), { executions: 1, ageMs: null }, (run) => run === runKey(old.run), t0),
  ).toEqual([]);
});

test("a removed batch is forgotten after its time, unless something of it still runs", () => {
  const removedAt = new Date(t0 - 31 * day).toISOString();
  expect(isForgotten({ removedAt }, 0, 30 * day, t0)).toBe(true);
  expect(isForgotten({ removedAt }, 0, 32 * day, t0)).toBe(false);
  expect(isForgotten({ removedAt: null }, 0, 0, t0)).toBe(false);
  expect(isForgotten({ removedAt }, 1, 30 * day, t0)).toBe(false);
});
