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

/** Pairs of links whose straight lines cross on the picture. */
function crossings(names: string[], edges: Edge[]): number {
  const { nodes } = layOut(names, edges);
  const at = new Map(nodes.map((node) => [node.name, node]));
  const lines = edges.map(({ from, to }) => {
    const [a, b] = [at.get(from), at.get(to)];
    return { x1: (a?.x ?? 0) + (a?.width ?? 0), y1: a?.y ?? 0, x2: b?.x ?? 0, y2: b?.y ?? 0 };
  });
  const side = (line: (typeof lines)[number], x: number, y: number) =>
    Math.sign((line.x2 - line.x1) * (y - line.y1) - (line.y2 - line.y1) * (x - line.x1));
  const isCrossed = (a: (typeof lines)[number], b: (typeof lines)[number]) =>
    side(a, b.x1, b.y1) * side(a, b.x2, b.y2) < 0 && side(b, a.x1, a.y1) * side(b, a.x2, a.y2) < 0;
  return lines.flatMap((line, index) => lines.slice(index + 1).filter((other) => isCrossed(line, other))).length;
}

test("sweeps go on for as long as they bring fewer crossings, and the best of them is drawn", () => {
  let seed = 11;
  const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
  const names = Array.from({ length: 100 }, (_, i) => `batch-${i}`);
  const layer = (i: number) => Math.floor((i * 8) / 100);
  const edges: Edge[] = [];
  for (const i of names.keys()) {
    const before = [...names.keys()].filter((other) => layer(other) === layer(i) - 1);
    if (before.length === 0) continue;
    edges.push(after(names[before[random(before.length)] as number] as string, names[i] as string));
    if (i % 3 === 0) edges.push(after(names[before[random(before.length)] as number] as string, names[i] as string));
  }
  expect(crossings(names, edges)).toBeLessThan(70); // 83 after four sweeps
});
