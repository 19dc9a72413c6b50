import { describe, expect, test } from "vitest";
import { buildGraph, stateOf } from "../../agent/definitions/chain-graph.ts";
import type { Batch } from "../../agent/model/batch.ts";
import type { BatchName } from "../../agent/model/ids.ts";
import type { Problem } from "../../agent/model/problem.ts";
import { batch, schedule } from "../helpers/make.ts";

/** `a: cron`, `b: after a`, `c: cron after a b fails d`, `e: off after c`. */
function chain(lines: string): Batch[] {
  return lines
    .trim()
    .split("\n")
    .map((line) => {
      const [name = "", ...words] = line.trim().replace(":", "").split(/\s+/);
      const after = words.includes("after")
        ? words.slice(words.indexOf("after") + 1).filter((_word, i, all) => !all.slice(0, i + 1).includes("fails"))
        : [];
      const onFailure = words.includes("fails") ? (words[words.indexOf("fails") + 1] ?? null) : null;
      const places = {
        file: `${name}/batch.yaml`,
        top: { line: 1, column: 1 },
        after: after.map((_, i) => ({ line: 2, column: 8 + i })),
        onFailure: onFailure === null ? null : { line: 3, column: 12 },
      };
      return batch({
        name: name as BatchName,
        schedule: words.includes("cron") ? schedule() : null,
        enabled: !words.includes("off"),
        after,
        onFailure,
        places,
      });
    });
}
const graphOf = (lines: string, others: string[] = []) => {
  const batches = chain(lines);
  return buildGraph(batches, new Set([...batches.map(({ name }) => name), ...others]));
};

describe("problems", () => {
  const rows: { name: string; given: string; want: Record<string, string[]> }[] = [
    { name: "a sound chain", given: "a: cron\nb: after a\nc: after b fails d\nd:", want: {} },
    {
      name: "a name that is not there",
      given: "a: cron\nb: after nobody\nc: cron fails nobody",
      want: { b: ["unknown-batch"], c: ["unknown-batch"] },
    },
    { name: "after itself", given: "a: after a\nb: cron fails b", want: { a: ["cycle"], b: ["cycle"] } },
    {
      name: "a cycle is told of each member",
      given: "a: after c\nb: after a\nc: after b\nd: after c",
      want: { a: ["cycle"], b: ["cycle"], c: ["cycle"] },
    },
    {
      name: "a cycle over onFailure",
      given: "a: cron fails b\nb: after c\nc: after b\nd: cron fails e\ne: after x fails d\nx: cron",
      want: { b: ["cycle"], c: ["cycle"], d: ["cycle"], e: ["cycle"] },
    },
    { name: "nothing starts it", given: "a:", want: { a: ["no-start"] } },
    { name: "a diamond shares its root", given: "a: cron\nb: after a\nc: after a\nd: after b c", want: {} },
    { name: "two roots that never meet", given: "a: cron\nb: cron\nc: after a b", want: { c: ["no-common-root"] } },
    { name: "two roots, and a cron of its own", given: "a: cron\nb: cron\nc: cron after a b", want: {} },
    {
      name: "a branch cut off by its own cron",
      given: "a: cron\nb: cron after a\nc: after a b",
      want: { c: ["no-common-root"] },
    },
    { name: "a failure's answer is in the run of what failed", given: "a: cron fails c\nc:\nd: after a c", want: {} },
  ];
  test.each(rows)("$name", ({ given, want }) => {
    const { problems } = graphOf(given);
    expect(Object.fromEntries([...problems].map(([name, list]) => [name, list.map(({ code }) => code)]))).toEqual(want);
  });

  test("they name the line of the key at fault", () => {
    const { problems } = graphOf("a: cron\nb: after a nobody fails gone");
    expect(problems.get("b")).toMatchObject([
      { file: "b/batch.yaml", line: 2, column: 9, path: "after[1]", message: "there is no batch nobody" },
      { line: 3, column: 12, path: "onFailure" },
    ]);
  });

  test("a batch that is there but invalid is no mistake, it blocks", () => {
    const { problems, blockedBy } = graphOf("b: after a\nc: after b", ["a"]);
    expect(problems.size).toBe(0);
    expect([blockedBy.get("b"), blockedBy.get("c")]).toEqual([["a"], ["a"]]);
  });

  test("a long chain is no depth for the cycle search", () => {
    const lines = Array.from({ length: 3_000 }, (_, i) => `b${i}: after b${i === 0 ? 2_999 : i - 1}`).join("\n");
    expect(graphOf(lines).problems.size).toBe(3_000);
  });
});

describe("10,000 batches in one chain", () => {
  const count = 10_000;
  /** Names run against the order of the chain, so that a walk by name starts at its far end. */
  const long = (head: string) =>
    [head, ...Array.from({ length: count - 1 }, (_, i) => `z${count - 2 - i}: after z${count - 1 - i}`)].reverse();
  const nameOf = (batch: Batch) => batch.name as string;

  test("have followers, edges and one root", () => {
    const lines = long(`z${count - 1}: cron`);
    const { problems, followers, edges, blockedBy } = graphOf([...lines, "join: after z0 z5000"].join("\n"));
    expect(problems.size).toBe(0);
    expect(followers.get("z1")).toEqual(["z0"]);
    expect(edges).toHaveLength(count + 1);
    expect(blockedBy.get("join")).toEqual([]);
  });

  test("are blocked by a disabled head, every one", () => {
    const batches = chain(long(`z${count - 1}: off cron`).join("\n"));
    const { blockedBy } = buildGraph(batches, new Set(batches.map(nameOf)));
    const blocked = [...blockedBy.values()].filter((names) => names.length > 0);
    expect(blocked).toHaveLength(count - 1);
    expect(new Set(blocked.map(String))).toEqual(new Set([`z${count - 1}`]));
  });

  test("are in a cycle, every one, and their messages stay short", () => {
    const { problems } = graphOf(long(`z${count - 1}: after z0`).join("\n"));
    expect(problems.size).toBe(count);
    const messages = [...problems.values()].flatMap((list) => list.map(({ message }) => message));
    expect(new Set(messages).size).toBe(1);
    expect(messages[0]?.length).toBeLessThan(300);
    expect(messages[0]).toMatch(/ and 9980 more$/);
  });
});

test("followers are those without a cron; what is disabled blocks what comes after it", () => {
  const { followers, blockedBy, edges } = graphOf(
    "a: cron\nb: off after a\nc: after b\nd: after c a\ne: cron after b\nf: after e",
  );
  expect(Object.fromEntries(followers)).toEqual({ a: ["b", "d"], b: ["c"], c: ["d"], e: ["f"] });
  expect(Object.fromEntries([...blockedBy].filter(([, names]) => names.length > 0))).toEqual({
    c: ["b"],
    d: ["b"],
    e: ["b"],
  });
  expect(edges).toContainEqual({ from: "a", to: "b", kind: "after" });
});

test.each([
  [null, [], "invalid"],
  [batch({ enabled: false }), [], "disabled"],
  [batch({ schedule: null }), [], "chained"],
  [batch(), [], "scheduled"],
  [batch(), [{ code: "cycle" } as Problem], "invalid"],
])("state %#", (definition, problems, state) => expect(stateOf(definition, problems)).toBe(state));
