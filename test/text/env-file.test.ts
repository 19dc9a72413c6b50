import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseEnvFile } from "../../agent/text/env-file.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

test.each([
  { name: "a name and a value", text: "A=1\nB=two words\n", want: { A: "1", B: "two words" } },
  { name: "nothing", text: "", want: {} },
  { name: "nothing but blanks and comments", text: "\n  \n# A=1\n  # B=2\n", want: {} },
  { name: "an empty value", text: "A=\nB=''\nC= # none\n", want: { A: "", B: "", C: "" } },
  { name: "a BOM, and lines of Windows", text: "\uFEFFA=1\r\nB=2\r\n", want: { A: "1", B: "2" } },
  { name: "no line's end", text: "A=1", want: { A: "1" } },
  { name: "blanks around all", text: "  A = 1  \n\texport B=2\t\n", want: { A: "1", B: "2" } },
  {
    name: "# is a comment after a blank only",
    text: "A=pa$$w#rd\nB=x#\nC=#x\nD=a #b\nE=a\t# b\nF=#S3cret! # mine\nG= #x\nH=\t# x\nI = #x\nJ=##",
    want: { A: "pa$$w#rd", B: "x#", C: "#x", D: "a", E: "a", F: "#S3cret!", G: "", H: "", I: "", J: "##" },
  },
  {
    name: "quotes around it all",
    text: `A="a b"\nB='a # b'\nC="a" # b\nD='it"s'\nE=" x "`,
    want: { A: "a b", B: "a # b", C: "a", D: 'it"s', E: " x " },
  },
  {
    name: "quotes within it",
    text: `A=it's\nB={"a":"b"}\nC="{"a":"b"}"\nD="a"b\nE='a\nF=\`b\``,
    want: { A: "it's", B: '{"a":"b"}', C: '{"a":"b"}', D: '"a"b', E: "'a", F: "`b`" },
  },
  {
    name: "\\n stays what it is, as in sh",
    text: [String.raw`A="a\nb"`, String.raw`B='a\nb'`, String.raw`C=a\nb`, String.raw`D="C:\new\table"`].join("\n"),
    want: { A: "a\\nb", B: "a\\nb", C: "a\\nb", D: "C:\\new\\table" },
  },
  {
    name: "escapes in double quotes, as in sh",
    text: [
      String.raw`A="it\"s"`,
      String.raw`B="a\\b"`,
      'C="\\$5 \\`x\\`"',
      '"'.padStart(3, "D=") + 'one \\\ntwo"',
      String.raw`E='it'\''s'`,
      String.raw`F="ends in \\"`,
      String.raw`G='a\\b"c'`,
    ].join("\n"),
    want: { A: 'it"s', B: "a\\b", C: "$5 `x`", D: "one two", E: "it's", F: "ends in \\", G: 'a\\\\b"c' },
  },
  {
    name: "$ and backquotes stay what they are",
    text: 'A="pa$word"\nB=`id`\nC=$HOME',
    want: { A: "pa$word", B: "`id`", C: "$HOME" },
  },
  {
    name: "a value of several lines",
    text: 'KEY="-----BEGIN\nabc=\n-----END" # mine\nA=1\n',
    want: { KEY: "-----BEGIN\nabc=\n-----END", A: "1" },
  },
  { name: "the last of two", text: "A=1\nA=2\n", want: { A: "2" } },
  { name: "= in it", text: "A=b=c==\n", want: { A: "b=c==" } },
])("$name", ({ text, want }) => {
  expect(parseEnvFile(Buffer.from(text))).toEqual({ env: want });
});

test.each([
  { text: "garbage line\nA=1\n", line: 1 },
  { text: "A=1\n\nB\n", line: 3 },
  { text: "=x\n", line: 1 },
  { text: "A=1\nB=hunter2\0x\n", line: 2 },
  { text: 'A=1\nB="hunter2\n\0x"\n', line: 2 },
  { text: "1A=x\n", line: 1 },
  { text: "A B=x\n", line: 1 },
])("$text is told with its line", ({ text, line }) => {
  const found = parseEnvFile(Buffer.from(text));
  expect(found).toMatchObject({ line });
  expect(JSON.stringify(found)).not.toContain("hunter2");
});

test.each([
  { name: "Latin-1", bytes: Buffer.from("A=1\nB=M\u00fcller\n", "latin1"), line: 2 },
  {
    name: "Latin-1 in a comment, which may be a value's end",
    bytes: Buffer.from("# f\u00fcr\nA=1\n", "latin1"),
    line: 1,
  },
  { name: "UTF-16", bytes: Buffer.from("\uFEFFA=1\n", "utf16le"), line: 1 },
  { name: "a cut letter", bytes: Buffer.from([0x41, 0x3d, 0xc3]), line: 1 },
])("$name is told with its line", ({ bytes, line }) => {
  expect(parseEnvFile(bytes)).toEqual({ line, why: "holds bytes that are no UTF-8" });
});

test("UTF-8 is kept, also the mark that stands for what is none elsewhere", () => {
  expect(parseEnvFile(Buffer.from("A=M\u00fcller \u2713 \uFFFD\n"))).toEqual({
    env: { A: "M\u00fcller \u2713 \uFFFD" },
  });
});

test.each([
  "A=#S3cret!",
  "A=a#b",
  "A=x # y",
  String.raw`A="a
b"`,
  String.raw`A="it\"s \\ \$5"`,
  String.raw`A='it'\''s'`,
  'A="one\\\ntwo"',
  'A="one\ntwo" # three',
  "A='# no' # yes",
  "export A=1",
])("%j has the value that sh reads", (text) => {
  const script = join(temporaryFolder(), "e");
  writeFileSync(script, text);
  const shown = execFileSync("sh", ["-c", `. ${script}; printf %s "$A"`], { encoding: "utf8" });
  expect(parseEnvFile(Buffer.from(text))).toEqual({ env: { A: shown } });
});
