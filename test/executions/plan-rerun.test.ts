// What a rerun does again, and why it is refused: rows of a run, and what is wanted.
import { describe, expect, test } from "vitest";
import { buildGraph } from "../../agent/definitions/chain-graph.ts";
import { planRerun, type RerunScope } from "../../agent/executions/plan-rerun.ts";
import type { Batch } from "../../agent/model/batch.ts";
import type { Execution, ExecutionStatus } from "../../agent/model/execution.ts";
import type { BatchName, Revision, RunId } from "../../agent/model/ids.ts";
import { batch, execution } from "../helpers/make.ts";

const run = "01JAAAAAAAAAAAAAAAAAAAAAAA" as RunId;
const one = (name: string, fields: Partial<Batch> = {}) =>
  batch({ name: name as BatchName, schedule: null, ...fields });
const row = (name: string, status: ExecutionStatus, fields: Partial<Execution> = {}) =>
  execution({ batch: name as BatchName, run, status, ...fields });

function scope(batches: Batch[], more: Partial<RerunScope> = {}): RerunScope {
  const known = new Map<string, Batch>(batches.map((each) => [each.name, each]));
  return {
    graph: buildGraph(batches, new Set(known.keys())),
    inForce(name) {
      const found = known.get(name);
      return found === undefined ? null : { batch: found, revision: "aaaaaaaaaaaa" as Revision, commit: null };
    },
    isKept: () => true,
    openOf: () => [],
    ...more,
  };
}
const chain = [one("a"), one("b", { after: ["a"] }), one("c", { after: ["b"] }), one("side", { after: ["a"] })];

describe("rerun <run>", () => {
  const table: { name: string; rows: Execution[]; want: string[] | string }[] = [
    {
      name: "what failed, not what that kept from running",
      rows: [
        row("a", "succeeded"),
        row("b", "failed"),
        row("c", "aborted", { reason: "previous-failed" }),
        row("side", "succeeded"),
      ],
      want: ["b"],
    },
    {
      name: "aborted for a reason of its own",
      rows: [row("a", "succeeded"), row("b", "aborted", { reason: "cancelled" }), row("side", "failed")],
      want: ["b", "side"],
    },
    {
      name: "of several on one path only the first",
      rows: [row("a", "succeeded"), row("b", "failed"), row("c", "failed"), row("side", "succeeded")],
      want: ["b"],
    },
    {
      name: "the latest of each counts",
      rows: [row("a", "failed"), row("a", "succeeded")],
      want: "nothing of the run has failed",
    },
    { name: "one that goes on", rows: [row("a", "failed"), row("side", "running")], want: "the run goes on" },
    { name: "none", rows: [row("a", "succeeded")], want: "nothing of the run has failed" },
  ];
  test.each(table)("$name", ({ rows, want }) => {
    const plan = planRerun(null, rows, scope(chain));
    if (typeof want === "string") expect(plan).toEqual({ refused: expect.stringContaining(want) as string });
    else expect("reruns" in plan && plan.reruns.map(({ execution: { batch: name } }) => name)).toEqual(want);
  });
});

describe("rerun <execution>", () => {
  const failed = row("b", "failed", { attempt: 2, previous: [execution().id] });
  const table: {
    name: string;
    rows?: Execution[];
    batches?: Batch[];
    more?: Partial<RerunScope>;
    want: string | null;
  }[] = [
    { name: "one that has ended", want: null },
    { name: "one that succeeded too", rows: [{ ...failed, status: "succeeded" }], want: null },
    { name: "still running", rows: [{ ...failed, status: "running" }], want: "is still running" },
    { name: "a later attempt is queued", rows: [failed, row("b", "queued")], want: "is still queued in this run" },
    { name: "gone", batches: [one("a")], want: "b is gone" },
    { name: "disabled", batches: [one("b", { enabled: false })], want: "b is disabled" },
    {
      name: "runs in another run",
      more: { openOf: () => [row("b", "running", { run: "other" as RunId })] },
      want: "in run other",
    },
    {
      name: "runs in another run, and may",
      batches: [one("b", { concurrency: "allow" })],
      more: { openOf: () => [row("b", "running", { run: "other" as RunId })] },
      want: null,
    },
    { name: "logs gone, and not its input", more: { isKept: () => false }, want: null },
    {
      name: "its input gone",
      batches: [one("b", { input: "previous" })],
      more: { isKept: () => false },
      want: "the input of b is no longer kept",
    },
  ];
  test.each(table)("$name", ({ rows = [failed], batches = chain, more, want }) => {
    const plan = planRerun(failed.id, rows, scope(batches, more));
    if (want === null)
      expect(plan).toMatchObject({ reruns: [{ execution: { id: failed.id }, attemptsBefore: 2, pass: 1 }] });
    else expect(plan).toEqual({ refused: expect.stringContaining(want) as string });
  });

  test("attempts and passes count on from all of the run", () => {
    const rows = [failed, row("b", "failed", { attempt: 3, pass: 1 }), row("a", "succeeded", { pass: 4 })];
    expect(planRerun(failed.id, rows, scope(chain))).toMatchObject({ reruns: [{ attemptsBefore: 3, pass: 5 }] });
  });
});

test("an execution that is not of the run", () => {
  const other = row("a", "failed");
  expect(planRerun(other.id, [row("a", "succeeded")], scope(chain))).toEqual({
    refused: `there is no execution ${other.id}`,
  });
});

test("paths that meet again are walked once, and a batch that answers failures lies behind", () => {
  const diamond = [
    one("a", { onFailure: "alert" }),
    one("b", { after: ["a"] }),
    one("c", { after: ["a"] }),
    one("d", { after: ["b", "c"] }),
    one("alert"),
  ];
  const rows = ["a", "b", "c", "d", "alert"].map((name) => row(name, "failed"));
  const plan = planRerun(null, rows, scope(diamond));
  expect("reruns" in plan && plan.reruns.map(({ execution: { batch: name } }) => name)).toEqual(["a"]);
});
