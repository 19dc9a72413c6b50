import { expect, test } from "vitest";
import { parseEnvFile } from "../../agent/text/env-file.ts";

test.each([
  { name: "a name and a value", text: "A=1\nB=two words\n", want: { A: "1", B: "two words" } },
  { name: "nothing", text: "", want: {} },
  { name: "nothing but blanks and comments", text: "\n  \n# A=1\n  # B=2\n", want: {} },
  { name: "an empty value", text: "A=\nB=''\nC= # none\n", want: { A: "", B: "", C: "" } },
  { name: "a BOM, and lines of Windows", text: "\uFEFFA=1\r\nB=2\r\n", want: { A: "1", B: "2" } },
  { name: "no line's end", text: "A=1", want: { A: "1" } },
  { name: "blanks around all", text: "  A = 1  \n\texport B=2\t\n", want: { A: "1", B: "2" } },
  {
    name: "# within a word is none of a comment",
    text: "A=pa$$w#rd\nB=x#\nC=#x\nD=a #b\nE=a\t# b",
    want: { A: "pa$$w#rd", B: "x#", C: "", D: "a", E: "a" },
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
    name: "\\n",
    text: String.raw`A="a\nb"` + "\n" + String.raw`B='a\nb'` + "\n" + String.raw`C=a\nb`,
    want: { A: "a\nb", B: "a\\nb", C: "a\\nb" },
  },
  {
    name: "a value of several lines",
    text: 'KEY="-----BEGIN\nabc=\n-----END" # mine\nA=1\n',
    want: { KEY: "-----BEGIN\nabc=\n-----END", A: "1" },
  },
  { name: "the last of two", text: "A=1\nA=2\n", want: { A: "2" } },
  { name: "= in it", text: "A=b=c==\n", want: { A: "b=c==" } },
])("$name", ({ text, want }) => {
  expect(parseEnvFile(text)).toEqual({ env: want });
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
  expect(parseEnvFile(text)).toEqual({ line });
});
