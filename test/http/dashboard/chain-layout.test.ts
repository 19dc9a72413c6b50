import { expect, test } from "vitest";
import type { Edge } from "../../../agent/definitions/chain-graph.ts";
import { layOut, neighbourhood, nodeHeight } from "../../../agent/http/dashboard/drawing/chain-layout.ts";

const after = (from: string, to: string): Edge => ({ from, to, kind: "after" });

/** Names by column, each column from top to bottom. */
function columns(names: string[], edges: Edge[]): string[][] {
  const { nodes } = layOut(names, edges);
  const xs = [...new Set(nodes.map(({ x }) => x))].sort((a, b) => a - b);
  return xs.map((x) =>
    nodes
      .filter((node) => node.x === x)
      .sort((a, b) => a.y - b.y)
      .map(({ name }) => name),
  );
}

test.each<[string, string[], Edge[], string[][]]>([
  ["a chain", ["c", "b", "a"], [after("a", "b"), after("b", "c")], [["a"], ["b"], ["c"]]],
  [
    "a fan",
    ["a", "b", "c", "d"],
    [after("a", "b"), after("a", "c"), after("b", "d"), after("c", "d")],
    [["a"], ["b", "c"], ["d"]],
  ],
  [
    "a long way and a short one",
    ["a", "b", "c"],
    [after("a", "b"), after("b", "c"), after("a", "c")],
    [["a"], ["b"], ["c"]],
  ],
  [
    "no crossing",
    ["a", "b", "x", "y"],
    [after("a", "y"), after("b", "x")],
    [
      ["b", "a"],
      ["x", "y"],
    ],
  ],
  ["a cycle", ["a", "b"], [after("a", "b"), after("b", "a")], [["a"], ["b"]]],
  ["itself", ["a"], [after("a", "a")], [["a"]]],
  ["what is not there", ["a"], [after("a", "z"), after("z", "a")], [["a"]]],
  ["nothing", [], [], []],
])("%s", (_name, names, edges, want) => expect(columns(names, edges)).toEqual(want));

test("boxes never overlap and lie within the picture", () => {
  const names = Array.from({ length: 40 }, (_, i) => `job-${i}`);
  const edges = names.flatMap((name, i) =>
    i === 0 ? [] : [after(`job-${Math.floor((i - 1) / 3)}`, name), after(`job-${i >> 1}`, name)],
  );
  const { nodes, width, height } = layOut(names, edges);
  for (const a of nodes) {
    expect(a.x >= 0 && a.y >= 0 && a.x + a.width <= width && a.y + nodeHeight <= height).toBe(true);
    for (const b of nodes) if (a !== b && a.x === b.x) expect(Math.abs(a.y - b.y)).toBeGreaterThanOrEqual(nodeHeight);
  }
});

test("an edge that passes over a layer is led around its boxes", () => {
  const { edges, nodes } = layOut(["a", "b", "c"], [after("a", "b"), after("b", "c"), after("a", "c")]);
  const box = nodes.find(({ name }) => name === "b");
  const [, y] =
    /H\d+/.exec(edges[2]?.path ?? "") === null ? [] : [0, Number(/ (\d+)H/.exec(edges[2]?.path ?? "")?.[1])];
  expect(y).toBeDefined();
  expect((y ?? 0) < (box?.y ?? 0) || (y ?? 0) > (box?.y ?? 0) + nodeHeight).toBe(true);
});

test("a neighbourhood is what hangs together, nearest first, and says what it leaves out", () => {
  const edges = [after("a", "b"), after("b", "c"), after("c", "d"), after("x", "y")];
  expect(neighbourhood(["b"], edges, 10)).toEqual({ names: ["b", "a", "c", "d"], hidden: 0 });
  expect(neighbourhood(["b"], edges, 2)).toEqual({ names: ["b", "a"], hidden: 2 });
});
