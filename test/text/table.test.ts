import fc from "fast-check";
import { expect, test } from "vitest";
import { widthOf } from "../../agent/text/glyphs.ts";
import { shortened, tableLines } from "../../agent/text/table.ts";

const rows = [
  ["ID", "BATCH", "MESSAGE"],
  ["0123456789", "a-batch-with-a-rather-long-name", "exit code 3"],
  ["0123456789", "short", "a message that goes on and on"],
];

test("without a width nothing is shortened", () =>
  expect(tableLines(rows)).toEqual([
    "ID          BATCH                            MESSAGE",
    "0123456789  a-batch-with-a-rather-long-name  exit code 3",
    "0123456789  short                            a message that goes on and on",
  ]));

test("the widest columns are shortened until a line fits; those that must be whole are not", () => {
  expect(tableLines(rows, { width: 50, whole: [0] })).toEqual([
    "ID          BATCH               MESSAGE",
    "0123456789  a-batch-with-a-ra…  exit code 3",
    "0123456789  short               a message that go…",
  ]);
  expect(tableLines(rows, { width: 1, whole: [0] })[1]).toBe("0123456789  a-bat…  exit …");
});

test.each([
  ["plain", 5, "plain"],
  ["plain", 4, "pla…"],
  ["日本語", 5, "日本…"],
  ["日本語", 4, "日…"],
])("%s in %i columns is %s", (text, columns, want) => expect(shortened(text, columns)).toBe(want));

test("whatever is in it, lines fit where every column may be shortened", () => {
  const cell = fc.string({ unit: fc.constantFrom("a", "é", "日", "🙂", " "), maxLength: 60 });
  fc.assert(
    fc.property(fc.array(fc.array(cell, { minLength: 3, maxLength: 3 }), { minLength: 1, maxLength: 8 }), (table) => {
      for (const line of tableLines(table, { width: 30 })) expect(widthOf(line)).toBeLessThanOrEqual(30);
    }),
  );
});
