// What takes a YAML parser longest, at the size that a batch.yaml may have: a problem long before, and nobody waits
// for it.
import { expect, test } from "vitest";
import { readYaml } from "../../agent/definitions/yaml.ts";

const size = 256 * 1024;
/** A tenth of that on a machine that does nothing else; some of these took 3 s. */
const maxMs = 1_500;
const fill = (unit: string, before = "", after = "") =>
  before + unit.repeat(Math.floor((size - before.length - after.length) / unit.length)) + after;
const each = (count: number, line: (index: number) => string) =>
  Array.from({ length: count }, (_, i) => line(i)).join("");

const tooMany = "holds more than 5000 values";
const tooDeep = "lists or keys are nested too deeply to be read";
const tagged = "more than 100 values begin with !, the first of them here";
const followed = "aliases such as *a are followed more than 100 times";
const rows: [name: string, text: string, message: string][] = [
  ["12,000 aliases", `a: &a 1\nb: [${"*a, ".repeat(12_000)}]\n`, followed],
  ["aliases without end", fill("*a,", "a: &a 1\nb: [", "]\n"), followed],
  ["merges", fill("<<: *a\n", "a: &a {}\n"), followed],
  ["40,000 tags", `tags: [${"!a ,".repeat(40_000)}]\n`, tagged],
  ["tags in a list", fill("- !t\n", "tags:\n"), tagged],
  ["20,000 anchors", each(20_000, (i) => `- &a${i} x\n`), tooMany],
  ["open brackets", fill("["), tooDeep],
  ["closed brackets", "[".repeat(100_000) + "]".repeat(100_000), tooDeep],
  ["open braces", fill("[{a: "), tooDeep],
  ["nested dashes", fill("- "), tooMany],
  ["30,000 keys", each(15_000, (i) => `k${i}: 1\n`), tooMany],
  ["one key again and again", fill("a: 1\n"), tooMany],
  ["commas", fill(",", "a: ["), tooMany],
  ["quotes", fill('"'), tooMany],
  ["second colons", fill("a: b: c\n"), tooMany],
  ["brackets that close nothing", fill("]\n"), tooMany],
  ["documents", fill("---\n"), tooMany],
  ["directives", fill("%T a\n"), tooMany],
  ["lines", fill("\n"), "has more than 20000 lines"],
  ["comments", fill("#\n"), "has more than 20000 lines"],
];

test.each(rows)("%s: a problem, at once", (_name, text, message) => {
  const began = performance.now();
  const { data, faults } = readYaml(text);
  expect(performance.now() - began).toBeLessThan(maxMs);
  expect(data).toBeUndefined();
  expect(faults).toHaveLength(1);
  expect(faults[0]?.message).toBe(message);
});

test.each([
  ["19,000 commas", `a: [${",".repeat(19_000)}`],
  ["100 tags", `a: [${"!a ,".repeat(100)}]`],
  ["19,000 dashes", "- ".repeat(19_000)],
  ["brackets that close nothing", "]\n".repeat(9_900)],
  ["one long scalar", fill("a\n ", "a: ").slice(0, 50_000)],
  ["backslashes", fill("\\", 'a: "')],
  ["blanks", fill(" ", "a:")],
])("%s, just within the limits, hold nobody up either", (_name, text) => {
  const began = performance.now();
  readYaml(text);
  expect(performance.now() - began).toBeLessThan(maxMs);
});

test("the place of what is too much is told", () => {
  expect(readYaml(`a: &a 1\nb: [${"*a, ".repeat(101)}]\n`).faults[0]?.place).toEqual({ line: 2, column: 405 });
});
