// One end, and all that it sets off, as a decision: rows of what is known and what is wanted.
import { describe, expect, test } from "vitest";
import { buildGraph } from "../../agent/definitions/chain-graph.ts";
import { planDue, planEnd, planStart, type World } from "../../agent/executions/plan-end.ts";
import { outlineOf } from "../../agent/history/port.ts";
import type { Batch } from "../../agent/model/batch.ts";
import { isOpen, type Execution } from "../../agent/model/execution.ts";
import type { BatchName, Revision, RunId } from "../../agent/model/ids.ts";
import { createIds } from "../../agent/platform/clock.ts";
import { setUp } from "../helpers/executor.ts";
import { batch, execution, t0 } from "../helpers/make.ts";
import { eventually } from "../helpers/tmp.ts";

const run = execution().id as string as RunId;
const one = (name: string, fields: Partial<Batch> = {}) =>
  batch({ name: name as BatchName, schedule: null, ...fields });
const row = (name: string, fields: Parameters<typeof execution>[0] = {}) =>
  execution({ batch: name as BatchName, run, ...fields });

/** `rows`: all that is known, oldest first. `told`: says what people are told of. */
function world(batches: Batch[], rows: Execution[] = [], more: Partial<World> = {}): World {
  const known = new Map<string, Batch>(batches.map((each) => [each.name, each]));
  const graph = buildGraph(batches, new Set(known.keys()));
  return {
    graph: () => graph,
    inForce(name) {
      const found = known.get(name);
      return found === undefined ? null : { batch: found, revision: "aaaaaaaaaaaa" as Revision, commit: null };
    },
    openRun: (of) => new Map(rows.filter((each) => each.run === of).map((each) => [each.batch as string, each])),
    past: (name) =>
      rows
        .filter((each) => each.batch === name)
        .map(outlineOf)
        .reverse(),
    openOf: (name) => rows.filter((each) => each.batch === name && isOpen(each)),
    isParked: () => false,
    told: () => undefined,
    notice: (_final, told) => ({ told, due: null }),
    ...more,
  };
}
const ids = () => ({ newId: createIds(null) });
const retry = { limit: 1, delayMs: 1_000, factor: 1, maxDelayMs: 1_000 };

/** `batch status/reason` of each row that the plan records, in order. */
const recorded = ({ changes }: ReturnType<typeof planEnd>) =>
  changes.flatMap((change) =>
    change.kind === "put"
      ? `${change.execution.batch} ${change.execution.status}${change.execution.reason === null ? "" : `/${change.execution.reason}`}`
      : [],
  );

describe("planEnd", () => {
  const chain = [
    one("a", { onFailure: "alert" }),
    one("b", { after: ["a"] }),
    one("c", { after: ["b"] }),
    one("always", { after: ["b"], independent: true }),
    one("join", { after: ["c", "always"] }),
    one("alert"),
  ];
  test.each<{ name: string; batches?: Batch[]; ended: Execution; others?: Execution[]; want: string[] }>([
    {
      name: "a success starts what follows",
      ended: row("a", { status: "succeeded" }),
      want: ["a succeeded", "b queued"],
    },
    {
      name: "a failure: its answer, and the refused ones with what follows them",
      ended: row("a", { status: "failed" }),
      want: [
        "a failed/exit",
        "alert queued",
        "b aborted/previous-failed",
        "always queued",
        "c aborted/previous-aborted",
      ],
    },
    {
      name: "the refused one that comes last decides a join",
      ended: row("b", { status: "failed" }),
      others: [row("a", { status: "succeeded" }), row("always", { status: "succeeded" })],
      want: ["b failed/exit", "c aborted/previous-failed", "join aborted/previous-aborted"],
    },
    {
      name: "a failure with an attempt left is followed by nothing else",
      batches: [one("a", { retry, onFailure: "alert" }), ...chain.slice(1)],
      ended: row("a", { status: "failed" }),
      want: ["a failed/exit", "a queued"],
    },
    {
      name: "a disabled one leaves no row",
      batches: [chain[0] as Batch, one("b", { after: ["a"], enabled: false }), ...chain.slice(2)],
      ended: row("a", { status: "succeeded" }),
      want: ["a succeeded"],
    },
    {
      name: "one that runs already, in another run, is an overlap, and what follows it is judged",
      ended: row("a", { status: "succeeded" }),
      others: [execution({ batch: "b" as BatchName, status: "running" })],
      want: ["a succeeded", "b aborted/overlap", "always queued", "c aborted/previous-aborted"],
    },
    {
      name: "one that replaces a waiting one ends that, with what follows it in its own run",
      batches: [...chain.slice(0, 1), one("b", { after: ["a"], concurrency: "replace" }), ...chain.slice(2, 3)],
      ended: row("a", { status: "succeeded" }),
      others: [execution({ batch: "b" as BatchName })],
      want: ["a succeeded", "b queued", "b aborted/replaced", "c aborted/previous-aborted"],
    },
  ])("$name", ({ batches = chain, ended, others = [], want }) => {
    const before: Execution = { ...ended, status: "running", reason: null };
    const plan = planEnd(ended, world(batches, [before, ...others]), ids(), t0);
    expect(recorded(plan)).toEqual(want);
    const ofRun = plan.changes.flatMap((change) => (change.kind === "put" ? change.execution : []));
    expect(
      ofRun.filter(({ run: of }) => of === run).every(({ trigger }) => trigger.dueAt === ended.trigger.dueAt),
    ).toBe(true);
    expect(plan.ended.every((each) => !isOpen(each))).toBe(true);
  });

  test("what people are told is in the same commit, and counted once a batch", () => {
    const told = { failures: 1, heard: true, streaks: [], last: {} };
    const plan = planEnd(
      row("a", { status: "failed" }),
      world(chain.slice(0, 3), [row("a", { status: "running" })], {
        notice: (final, known) =>
          final.batch === "a" ? { told, due: { event: "failure", count: 1, since: null } } : { told: known, due: null },
      }),
      ids(),
      t0,
    );
    expect(plan.changes.filter(({ kind }) => kind === "head")).toEqual([
      { kind: "head", batch: "a", fields: { told } },
    ]);
    expect(plan.ended.map(({ batch: of, notifyDue }) => [of, notifyDue?.event])).toEqual([
      ["a", "failure"],
      ["b", undefined],
      ["c", undefined],
    ]);
  });

  test("10,000 refused in a chain are one decision", () => {
    const count = 10_000;
    const batches = Array.from({ length: count }, (_, i) => one(`b${i}`, i === 0 ? {} : { after: [`b${i - 1}`] }));
    const plan = planEnd(
      row("b0", { status: "failed" }),
      world(batches, [row("b0", { status: "running" })]),
      ids(),
      t0,
    );
    expect(plan.ended).toHaveLength(count);
    expect(plan.ended[1]?.reason).toBe("previous-failed");
    expect(plan.ended.slice(2).every(({ reason }) => reason === "previous-aborted")).toBe(true);
    expect(new Set(plan.ended.map(({ id }) => id)).size).toBe(count);
    expect(plan.starts).toEqual([]);
  });
});

describe("planStart", () => {
  test.each<{
    concurrency: Batch["concurrency"];
    open: Execution["status"][];
    isParked?: boolean;
    want: string[];
    parked?: boolean;
    replaced?: number;
  }>([
    { concurrency: "forbid", open: [], want: ["a queued"] },
    { concurrency: "forbid", open: ["running"], want: ["a aborted/overlap", "b aborted/previous-aborted"] },
    { concurrency: "allow", open: ["running"], want: ["a queued"] },
    { concurrency: "queue", open: ["running"], want: ["a queued"], parked: true },
    {
      concurrency: "queue",
      open: ["running", "queued"],
      isParked: true,
      want: ["a aborted/overlap", "b aborted/previous-aborted"],
    },
    { concurrency: "replace", open: ["running"], want: ["a queued"], parked: true, replaced: 1 },
    { concurrency: "replace", open: ["queued"], want: ["a queued", "a aborted/replaced"], parked: false },
  ])(
    "$concurrency with $open open → $want",
    ({ concurrency, open, isParked = false, want, parked = false, replaced = 0 }) => {
      const rows = open.map((status) => execution({ batch: "a" as BatchName, status }));
      const batches = [one("a", { concurrency }), one("b", { after: ["a"] })];
      const plan = planStart(row("a"), null, world(batches, rows, { isParked: () => isParked }), ids(), t0);
      expect(
        recorded(plan).filter(
          (text) => !(open.includes("queued") && concurrency === "replace" && text.startsWith("b")),
        ),
      ).toEqual(want);
      expect(plan.starts.map((start) => start.parked)).toEqual(want[0] === "a queued" ? [parked] : []);
      expect(plan.replaced).toHaveLength(replaced);
    },
  );
});

test("a chain of 10,000 whose root fails is refused to its end, in one line of the journal", async () => {
  const count = 10_000;
  const batches = Array.from({ length: count }, (_, i) =>
    i === 0 ? batch({ name: "b0" as BatchName }) : one(`b${i}`, { after: [`b${i - 1}`] }),
  );
  const graph = buildGraph(batches, new Set(batches.map(({ name }) => name as string)));
  const { due, started, runner, rows, history } = await setUp({ batches, graph: () => graph });
  due(t0, batches[0]);
  await started(1);
  runner.end(0, { kind: "exit", exitCode: 1 });
  await eventually(() => rows(`b${count - 1}`).length === 1, 60_000);
  await history.recorder.durable();
  const ended = (await history.reader.run(rows("b0")[0]?.run ?? "")).map(({ status }) => status);
  expect(ended).toHaveLength(count);
  expect(ended.filter((status) => status === "aborted")).toHaveLength(count - 1);
}, 120_000);

test("a gap and the start that is refused after it are told one after the other, from what was told before", () => {
  const told = { failures: 0, heard: true, streaks: [], last: {} };
  const seen: [string | null, number][] = [];
  const asked = world([one("a", { enabled: false })], [], {
    told: () => told,
    notice(final, before) {
      seen.push([final.reason, before?.failures ?? -1]);
      return {
        told: { ...told, failures: (before?.failures ?? 0) + 1 },
        due: { event: "missed", count: 1, since: null },
      };
    },
  });
  const gap = row("a", { status: "aborted", reason: "missed" });
  const refused = { reason: "deadline", message: "late" } as const;
  const plan = planDue(gap, { execution: row("a"), refused }, asked, ids(), t0);
  expect(recorded(plan)).toEqual(["a aborted/missed", "a aborted/deadline"]);
  expect(seen).toEqual([
    ["missed", 0],
    ["deadline", 1],
  ]);
  expect(
    plan.changes.map((change) => (change.kind === "put" ? change.execution.notifyDue?.event : change.kind)),
  ).toEqual(["missed", "missed", "head"]);
  expect(plan.ended.map(({ reason }) => reason)).toEqual(["deadline"]);
});

test("a root start has a run of its own, whose id is no execution's; what follows belongs to it", async () => {
  const { due, rows, runner, started } = await setUp({ batches: [batch(), one("next", { after: ["report"] })] });
  due(t0);
  await started(1);
  runner.end(0);
  await started(2);
  const [root, next] = [rows()[0], rows("next")[0]];
  expect(root?.run).toMatch(/^[0-9A-Z]{26}$/);
  expect([root?.id, next?.id]).not.toContain(root?.run);
  expect(next?.run).toBe(root?.run);
});
