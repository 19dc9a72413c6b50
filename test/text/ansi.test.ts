import fc from "fast-check";
import { expect, test } from "vitest";
import { colourRules, plainPen, readLine } from "../../agent/text/ansi.ts";

const read = (line: string) =>
  readLine(line, plainPen).pieces.map(({ text, classes }) => (classes === "" ? text : [text, classes]));

test.each<[string, ReturnType<typeof read>]>([
  ["plain", ["plain"]],
  ["", []],
  ["<script>alert(1)</script>", ["<script>alert(1)</script>"]],
  ["\u001b[31mred\u001b[0m plain", [["red", "fg1"], " plain"]],
  ["\u001b[1;92;44mloud", [["loud", "fg10 bg4 bold"]]],
  ["\u001b[38;5;208morange\u001b[39m.", [["orange", "fg208"], "."]],
  ["\u001b[48;2;255;0;0mtrue", [["true", "bg196"]]],
  ["\u001b[38;5;999mx\u001b[38;5mx\u001b[38mx", ["xxx"]],
  ["\u001b[7minverse", [["inverse", "fg-back bg-fore"]]],
  ["\u001b[7;31minverse", [["inverse", "fg-back bg1"]]],
  ["\u001b[mx\u001b[2K\u001b[10;3H\u001b[?25lgone", ["xgone"]],
  ["\u001b]8;;https://evil.example\u001b\\link\u001b]8;;\u0007", ["link"]],
  ["\u001b]0;title never ends", []],
  ["\u001b(Bcharset\u001b7", ["charset"]],
  ["lone \u001b", ["lone "]],
  ["NUL\u0000 bell\u0007 back\b", ["NUL\ufffd bell\ufffd back\ufffd"]],
  ["\u202egnp.exe", ["\ufffdgnp.exe"]],
  ["10 %\r50 %\r100 %\r", ["100 %"]],
  ["windows\r", ["windows"]],
  ["a\tb", ["a\tb"]],
  ["\u001b[2;3;4mx\u001b[22;23;24my", [["x", "faint italic underline"], "y"]],
  ["\u001b[1mx\u001b[22my", [["x", "bold"], "y"]],
  ["\u001b[7;42mx\u001b[27;49my", [["x", "fg2 bg-fore"], "y"]],
  ["\u001b[90;107mx", [["x", "fg8 bg15"]]],
  ["\u001b[38;2;0;255;0mx", [["x", "fg46"]]],
  ["\u001b[38;2mx", [["x", "fg16"]]],
  ["\u001b[38;9;1mx", [["x", "bold"]]],
  ["\u001b[5mx", ["x"]],
])("%j", (line, want) => expect(read(line)).toEqual(want));

test("a colour lasts until it is taken back, over lines", () => {
  const { pen } = readLine("\u001b[33myellow", plainPen);
  expect(readLine("still", pen).pieces).toEqual([{ text: "still", classes: "fg3" }]);
});

test("a long line is cut, and says so; one of a thousand colours has few pieces", () => {
  expect(read("x".repeat(1_000_000)).at(-1)).toEqual([" … 996000 more characters", "cut"]);
  expect(
    readLine(
      Array.from({ length: 5_000 }, (_, i) => `\u001b[3${i % 8}mx`)
        .join("")
        .slice(0, 4_000),
      plainPen,
    ).pieces.length,
  ).toBeLessThanOrEqual(401);
});

test("whatever comes: no control character is left, and every class has a rule or is known", () => {
  const known = new Set(
    [...colourRules().matchAll(/\.([a-z]+\d+)\{/g)]
      .map((match) => match[1] as string)
      .concat("bold", "faint", "italic", "underline", "fg-back", "bg-fore", "cut"),
  );
  const chunk = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom("\u001b[", "\u001b]", "m", ";", "31", "38;5;", "48;2;1;2;3m", "\u001b[0m", "\r"),
  );
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 30 }), (chunks) => {
      for (const { text, classes } of readLine(chunks.join(""), plainPen).pieces) {
        expect(text).not.toMatch(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
        for (const name of classes.split(" ").filter(Boolean)) expect(known.has(name)).toBe(true);
      }
    }),
  );
});
