import { describe, expect, test } from "vitest";
import { formatReport } from "../../../agent/cli/report/problems.ts";
import type { Note, Problem } from "../../../agent/model/problem.ts";

const file = "batches.d/x/batch.yaml";

function problem(fields: Partial<Problem> = {}): Problem {
  return {
    batch: "x",
    file,
    line: 1,
    column: 1,
    path: null,
    code: "schema",
    message: "is wrong",
    hint: null,
    ...fields,
  };
}

function note(fields: Partial<Note> = {}): Note {
  return { batch: "x", file, line: 1, column: 7, message: "clocks change", ...fields };
}

function text(problems: Problem[], source = "cron: 5\n", notes: Note[] = [], batches = 40) {
  return formatReport({ problems, notes, batches, sources: new Map([[file, source]]) }, "text");
}

describe("text", () => {
  test("place, code, message, line, caret, hint, summary", () => {
    const all = text([
      problem({ column: 7, hint: "quote it" }),
      problem({ batch: "y", file: "batches.d/y", line: null, column: null, code: "no-script" }),
      problem({ line: 9 }),
    ]);
    expect(all).toBe(`batches.d/x/batch.yaml:1:7: schema: is wrong
  cron: 5
        ^
  hint: quote it
batches.d/y: no-script: is wrong
batches.d/x/batch.yaml:9:1: schema: is wrong
3 problems in 2 of 40 batches
`);
  });

  test.each([
    [[], 40, "40 batches, no problems\n"],
    [[], 1, "1 batch, no problems\n"],
    [[problem({ file: null, line: null, column: null })], 1, "x: schema: is wrong\n1 problem in 1 of 1 batch\n"],
    [[problem({ batch: "", file: "b", line: null, column: null })], 0, "b: schema: is wrong\n1 problem, 0 batches\n"],
  ])("summary", (problems, batches, want) => expect(text(problems, "", [], batches)).toBe(want));

  test.each([
    ["a tab before", "\tcron: 5", 8, "          cron: 5", "                ^"],
    ["tabs between", "a\tb\tc", 5, "  a       b       c", "                  ^"],
    ["wide letters", "日本: 5", 5, "  日本: 5", "        ^"],
    ["emoji", "😀: 5", 5, "  😀: 5", "      ^"],
    ["a Windows line ending", "cron: 5\r\nx", 7, "  cron: 5", "        ^"],
    ["past the end", "cron", 50, "  cron", "      ^"],
    ["a sequence that would steer the terminal", "a: \u001b[31mred\u202e", 4, "  a: �[31mred�", "     ^"],
  ])("caret: %s", (_, source, column, line, caret) => {
    expect(
      text([problem({ column })], source)
        .split("\n")
        .slice(1, 3),
    ).toEqual([line, caret]);
  });

  test("a long line is cut around the column", () => {
    const source = `${"a".repeat(500)}X${"b".repeat(500)}`;
    const [, line = "", caret = ""] = text([problem({ column: 501 })], source).split("\n");
    expect(line.length).toBeLessThan(110);
    expect(line[caret.length - 1]).toBe("X");
    expect(line).toMatch(/^ {2}….*…$/);
  });

  test("names and messages cannot steer the terminal or forge a line", () => {
    const all = text([problem({ file: "batches.d/a\nb/\u001b[2J", message: "x\r\ny", hint: "\u0007" })]);
    expect(all).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
    expect(all.split("\n")).toHaveLength(4);
  });

  test("equal notes are told once", () => {
    expect(text([], "", [note(), note({ batch: "y" }), note({ batch: "z" }), note({ message: "other" })]))
      .toBe(`batches.d/x/batch.yaml:1:7: note: clocks change (and 2 more such notes)
batches.d/x/batch.yaml:1:7: note: other
40 batches, no problems
`);
  });
});

test("json holds problems and notes as they are", () => {
  const [given, said] = [problem({ message: "\u001b" }), note()];
  expect(
    JSON.parse(formatReport({ problems: [given], notes: [said], batches: 1, sources: new Map() }, "json")),
  ).toEqual({ items: [given], notes: [said] });
});

test("github: annotations, escaped", () => {
  const problems = [
    problem({ file: "a,b:c%/batch.yaml", message: "50% is\nwrong", hint: "write: 1, 2" }),
    problem({ file: null, line: null, column: null }),
  ];
  expect(formatReport({ problems, notes: [note()], batches: 2, sources: new Map() }, "github"))
    .toBe(`::error file=a%2Cb%3Ac%25/batch.yaml,line=1,col=1,title=schema::50%25 is�wrong%0Awrite: 1, 2
::error file=x,title=schema::is wrong
::notice file=batches.d/x/batch.yaml,line=1,col=7,title=x::clocks change
2 problems in 1 of 2 batches
`);
});
