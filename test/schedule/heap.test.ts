import { expect, test } from "vitest";
import { createHeap } from "../../agent/schedule/heap.ts";

test("gives back in order whatever goes in, also after some were dropped", () => {
  const heap = createHeap<number>((a, b) => a - b);
  let seed = 7;
  const numbers = Array.from({ length: 2_000 }, () => (seed = (seed * 48_271) % 2_147_483_647) % 500);
  numbers.forEach(heap.push);
  heap.keep((number) => number % 3 !== 0);
  heap.push(-1);
  const want = [-1, ...numbers.filter((number) => number % 3 !== 0)].sort((a, b) => a - b);
  expect(heap.peek()).toBe(-1);
  expect(Array.from({ length: heap.size() }, () => heap.pop())).toEqual(want);
  expect(heap.pop()).toBeUndefined();
});
