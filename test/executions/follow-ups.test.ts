import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { buildGraph } from "../../agent/definitions/chain-graph.ts";
import { permitOwnTime, planFollowUps, standingOf } from "../../agent/executions/follow-ups.ts";
import { outlineOf } from "../../agent/history/port.ts";
import type { Batch } from "../../agent/model/batch.ts";
import { isOpen, runState, type Execution, type ExecutionStatus } from "../../agent/model/execution.ts";
import type { RunId, BatchName } from "../../agent/model/ids.ts";
import { batch, execution, schedule, t0 } from "../helpers/make.ts";

const run = "run" as RunId;
const row = (name: string, status: ExecutionStatus, fields: Partial<Execution> & { at?: number } = {}) =>
  execution({ batch: name as BatchName, status, run, ...fields });
const make = (name: string, fields: Partial<Batch> = {}) =>
  batch({ name: name as BatchName, schedule: null, ...fields });

describe("permission after one previous batch", () => {
  const rows: { status: ExecutionStatus; reason?: Execution["reason"]; independent: boolean; want: string }[] = [
    { status: "succeeded", independent: false, want: "start" },
    { status: "succeeded", independent: true, want: "start" },
    ...(["exit", "signal", "timeout", "spawn", "lost", "log-limit"] as const).flatMap((reason) => [
      { status: "failed" as const, reason, independent: false, want: "previous-failed" },
      { status: "failed" as const, reason, independent: true, want: "start" },
    ]),
    ...(["previous-failed", "overlap", "replaced", "deadline", "shutdown", "disabled"] as const).flatMap((reason) => [
      { status: "aborted" as const, reason, independent: false, want: "previous-aborted" },
      { status: "aborted" as const, reason, independent: true, want: "start" },
    ]),
  ];
  test.each(rows)(
    "$status/$reason, independent $independent → $want",
    ({ status, reason = null, independent, want }) => {
      const batches = [batch({ name: "a" as BatchName }), make("b", { after: ["a"], independent })];
      const finished = row("a", status, { reason });
      const [plan] = plans(batches, finished, [finished]);
      expect(plan?.batch).toBe("b");
      expect(plan?.refused?.reason ?? "start").toBe(want);
      expect(plan?.previous).toEqual([finished.id]);
    },
  );
});

const latestOf = (rows: readonly Execution[]) => (name: string) => rows.findLast(({ batch: of }) => of === name);

function plans(batches: Batch[], finished: Execution, all: Execution[]) {
  const known = new Map<string, Batch>(batches.map((one) => [one.name, one]));
  const graph = buildGraph(batches, new Set(known.keys()));
  const rows = { latest: latestOf(all), all: () => new Map(all.map((each) => [each.batch, each])).values() };
  return planFollowUps(finished, rows, graph, (name) =>
    ((one) => (one?.enabled === true ? one : null))(known.get(name)),
  );
}

describe("planFollowUps", () => {
  const root = batch({ name: "a" as BatchName, onFailure: "alert" });
  const fanIn = [
    root,
    make("b", { after: ["a"] }),
    make("c", { after: ["a"] }),
    make("d", { after: ["b", "c"] }),
    make("alert"),
  ];

  test("a fan-in waits for the last, and is judged by all in the order of after", () => {
    const [a, b, c] = [row("a", "succeeded"), row("b", "failed"), row("c", "aborted")] as const;
    expect(plans(fanIn, b, [a, b, row("c", "running")])).toEqual([]);
    expect(plans(fanIn, c, [a, b, c])).toMatchObject([
      { batch: "d", refused: { reason: "previous-failed" }, previous: [b.id, c.id] },
    ]);
  });

  test("asked twice it gives nothing twice", () => {
    const a = row("a", "succeeded");
    expect(plans(fanIn, a, [a]).map(({ batch: name }) => name)).toEqual(["b", "c"]);
    expect(plans(fanIn, a, [a, row("b", "queued")]).map(({ batch: name }) => name)).toEqual(["c"]);
  });

  test.each([
    ["failed", ["alert", "b", "c"]],
    ["aborted", ["b", "c"]],
    ["succeeded", ["b", "c"]],
  ] as const)("onFailure answers a failure only: %s", (status, want) => {
    const a = row("a", status);
    expect(plans(fanIn, a, [a]).map(({ batch: name }) => name)).toEqual(want);
  });

  test("what answers a failure of what it comes after too is started once", () => {
    const a = row("a", "failed");
    for (const independent of [false, true]) {
      const batches = [batch({ name: "a" as BatchName, onFailure: "c" }), make("c", { after: ["a"], independent })];
      expect(plans(batches, a, [a])).toMatchObject([{ batch: "c", kind: "onFailure", refused: null }]);
      const well = row("a", "succeeded");
      expect(plans(batches, well, [well])).toMatchObject([{ batch: "c", kind: "after" }]);
    }
  });

  test("a disabled or invalid batch leaves no row", () => {
    const a = row("a", "succeeded");
    expect(plans([root, make("b", { after: ["a"], enabled: false }), make("alert")], a, [a])).toEqual([]);
  });

  test("a follower with a cron of its own is left to it", () => {
    const a = row("a", "succeeded");
    expect(plans([root, make("b", { after: ["a"], schedule: schedule() }), make("alert")], a, [a])).toEqual([]);
  });
});

describe("permitOwnTime: after with cron", () => {
  const since = new Date(t0).toISOString();
  const at = (minutes: number, status: ExecutionStatus, fields: Partial<Execution> = {}) =>
    row("a", status, { at: t0 + minutes * 60_000, ...fields });
  const rows: { name: string; given: Execution[]; independent?: boolean; want: string }[] = [
    { name: "never ran", given: [], want: "previous-not-run" },
    { name: "finished before the previous due time", given: [at(-1, "succeeded")], want: "previous-not-run" },
    { name: "succeeded since", given: [at(1, "succeeded")], want: "start" },
    { name: "failed since", given: [at(1, "failed")], want: "previous-failed" },
    { name: "failed since, independent", given: [at(1, "failed")], independent: true, want: "start" },
    { name: "aborted since", given: [at(1, "aborted", { reason: "deadline" })], want: "previous-aborted" },
    { name: "failed, then succeeded", given: [at(1, "failed"), at(2, "succeeded")], want: "start" },
    { name: "succeeded, then failed", given: [at(1, "succeeded"), at(2, "failed")], want: "previous-failed" },
    { name: "still running", given: [at(1, "running")], want: "previous-not-run" },
    {
      name: "a newer run of it still running",
      given: [at(1, "succeeded"), at(2, "running")],
      want: "previous-not-run",
    },
    { name: "a retry pending", given: [at(1, "failed"), at(2, "queued")], want: "previous-not-run" },
    { name: "independent waives success, not having run", given: [], independent: true, want: "previous-not-run" },
    {
      name: "a start that was left out while it ran is no run",
      given: [at(1, "succeeded"), at(2, "aborted", { reason: "overlap" })],
      want: "start",
    },
    {
      name: "a gap's row is no run",
      given: [at(1, "succeeded"), at(2, "aborted", { reason: "missed" })],
      want: "start",
    },
  ];
  test.each(rows)("$name → $want", ({ given, independent = false, want }) => {
    const { refused } = permitOwnTime({ after: ["a"], independent }, since, () =>
      standingOf(given.map(outlineOf).reverse(), given.some(isOpen)),
    );
    expect(refused?.reason ?? "start").toBe(want);
  });
});

test.each([
  [[], "succeeded"],
  [[row("a", "succeeded"), row("b", "running")], "running"],
  [[row("a", "succeeded"), row("b", "aborted")], "failed"],
  [[row("a", "failed"), row("a", "succeeded")], "succeeded"],
  [[row("a", "failed"), row("a", "queued")], "running"],
] as const)("runState of %#", (rows, want) => expect(runState(rows)).toBe(want));

/** A random graph without cycles: batch i may come after some of those before it, and may answer a failure. */
const graphs = fc.integer({ min: 1, max: 9 }).chain((size) =>
  fc.tuple(
    ...Array.from({ length: size }, (_, i) =>
      fc.record({
        after:
          i === 0 ? fc.constant<number[]>([]) : fc.uniqueArray(fc.integer({ min: 0, max: i - 1 }), { maxLength: 3 }),
        independent: fc.boolean(),
        enabled: fc.boolean().map((coin) => coin || i % 3 > 0),
        answer: i === 0 ? fc.constant(null) : fc.option(fc.integer({ min: 0, max: i - 1 })),
      }),
    ),
  ),
);

test("random graphs: a run ends, one row a batch, nothing runs without permission, followers start once", () => {
  fc.assert(
    fc.property(graphs, fc.infiniteStream(fc.nat()), (nodes, luck) => {
      const name = (i: number) => `b${i}` as BatchName;
      const answers = nodes.map((_node, i) =>
        nodes.findIndex((other, j) => j > i && other.answer === i && other.after.length === 0),
      );
      const batches = nodes.map((node, i) =>
        batch({
          name: name(i),
          schedule: i === 0 ? schedule() : null,
          after: node.after.map(name),
          independent: node.independent,
          enabled: i === 0 || node.enabled,
          onFailure: (answers[i] ?? -1) > i ? name(answers[i] as number) : null,
        }),
      );
      const known = new Map<string, Batch>(batches.map((one) => [one.name, one]));
      const graph = buildGraph(batches, new Set(known.keys()));
      const batchOf = (of: string) =>
        ((one) => (one?.enabled === true && !graph.problems.has(of) ? one : null))(known.get(of));
      const next = () => Number(luck.next().value ?? 0);

      const rows: Execution[] = [execution({ batch: name(0), run, status: "queued" })];
      for (let steps = 0; rows.some((one) => one.status === "queued"); steps++) {
        expect(steps, "a run ends").toBeLessThan(100);
        const open = rows.filter((one) => one.status === "queued");
        const picked = open[next() % open.length] as Execution;
        const finish = (one: Execution, status: ExecutionStatus) => {
          const final = { ...one, status };
          rows[rows.indexOf(one)] = final;
          for (const plan of planFollowUps(final, { latest: latestOf(rows), all: () => rows }, graph, batchOf)) {
            const follower = execution({ batch: plan.batch, run, status: "queued" });
            rows.push(follower);
            const previous = plan.previous.map((id) => rows.find((other) => other.id === id) as Execution);
            if (plan.kind === "after") {
              const permitted =
                previous.every((other) => other.status === "succeeded") || batchOf(plan.batch)?.independent === true;
              expect(plan.refused === null, "permission").toBe(permitted);
              expect(previous.map((other) => other.batch)).toEqual(known.get(plan.batch)?.after);
            }
            if (plan.refused !== null) finish(follower, "aborted");
          }
        };
        finish(picked, (["succeeded", "succeeded", "failed"] as const)[next() % 3] as ExecutionStatus);
      }
      const ran = rows.map((one) => one.batch);
      expect(new Set(ran).size, "one row a batch").toBe(ran.length);
      for (const follower of batches) {
        const last = follower.after.map((before) => rows.find((other) => other.batch === before));
        if (follower.after.length === 0 || batchOf(follower.name) === null || follower.schedule !== null) continue;
        expect(ran.includes(follower.name), `${follower.name} has its row`).toBe(
          last.every((other) => other !== undefined),
        );
      }
    }),
    { numRuns: 500 },
  );
});
