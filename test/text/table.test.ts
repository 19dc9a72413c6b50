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
  expect(tableLines(rows, { width: 1, whole: [0] })[1]).toBe("0123456789  a-ba…  exit…");
});

test("where not even shortened columns have room, some are left out, in order", () => {
  const wide = [
    ["NAME", "STATE", "ID", "TOOK"],
    ["a-long-name", "scheduled", "0123456789", "12 minutes"],
  ];
  const lines = (width: number) => tableLines(wide, { width, whole: [2], leaveOut: [3, 1] });
  expect(lines(31)).toEqual(["NAME   STATE  ID          TOOK", "a-lo…  sche…  0123456789  12 m…"]);
  expect(lines(30)).toEqual(["NAME      STATE     ID", "a-long-…  schedul…  0123456789"]);
  expect(lines(17)).toEqual(["NAME   ID", "a-lo…  0123456789"]);
  expect(lines(1)).toEqual(lines(17));
});

test("names are shortened last and in their middle, so that those that begin alike are told apart", () => {
  const wide = [
    ["NAME", "STATE", "NEXT"],
    ["billing-apac-customers-extract", "scheduled", "after billing-apac-customers"],
    ["billing-apac-customers-publish", "chained", "after billing-apac-customers"],
  ];
  const lines = (width: number) => tableLines(wide, { width, names: [0], leaveOut: [2] });
  expect(lines(48)).toEqual([
    "NAME                     STATE      NEXT",
    "billing…stomers-extract  scheduled  after billi…",
    "billing…stomers-publish  chained    after billi…",
  ]);
});

test("a column that holds nothing but its heading goes first", () => {
  const wide = [
    ["NAME", "PROBLEMS", "NEXT"],
    ["a-long-name-of-a-batch", "", "in 5 minutes"],
  ];
  expect(tableLines(wide)[0]).toBe("NAME                    PROBLEMS  NEXT");
  expect(tableLines(wide, { width: 36 })).toEqual([
    "NAME                    NEXT",
    "a-long-name-of-a-batch  in 5 minutes",
  ]);
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
