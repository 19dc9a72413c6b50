import { expect, test } from "vitest";
import type { Edge } from "../../../agent/definitions/chain-graph.ts";
import { chainOrder } from "../../../agent/http/dashboard/chain-order.ts";

const edges = (...pairs: string[]): Edge[] =>
  pairs.map((pair) => ({ from: pair[0] ?? "", to: pair[1] ?? "", kind: "after" }));

test.each([
  ["no chains", "cab", [], "abc"],
  ["a chain stays together, in its order", "abcz", edges("zb", "ba"), "zbac"],
  ["a fan-out and a join", "abcde", edges("ea", "eb", "ac", "bc"), "eabcd"],
  ["a cycle is in it too", "abc", edges("ab", "ba"), "abc"],
  ["an edge to what is not there", "ab", edges("xa"), "ab"],
])("%s", (_name, names, given, want) => {
  const order = chainOrder([...names], given);
  expect([...names].sort((a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0)).join("")).toBe(want);
});

test("ten thousand in one chain", () => {
  const names = Array.from({ length: 10_000 }, (_, i) => `n${i}`);
  const order = chainOrder(
    names,
    names.slice(1).map((to, i) => ({ from: `n${i}`, to, kind: "after" })),
  );
  expect(names.every((name, i) => order.get(name) === i)).toBe(true);
});
