import TinyQueue from "tinyqueue";
import { expect, test } from "vitest";
import { prune } from "../../agent/async/prune.ts";

test("a pruned queue gives back in order what was kept, and what came after", () => {
  const queue = new TinyQueue<number>([], (a, b) => a - b);
  let seed = 7;
  const numbers = Array.from({ length: 2_000 }, () => (seed = (seed * 48_271) % 2_147_483_647) % 500);
  for (const number of numbers) queue.push(number);
  prune(queue, (number) => number % 3 !== 0);
  queue.push(-1);
  const want = [-1, ...numbers.filter((number) => number % 3 !== 0)].sort((a, b) => a - b);
  expect(queue.peek()).toBe(-1);
  expect(Array.from({ length: queue.length }, () => queue.pop())).toEqual(want);
  expect(queue.pop()).toBeUndefined();
});
