// Text of others on one line, at the end of a mail, and on a terminal: nothing in it steers.
import { expect, test } from "vitest";
import { escapeControls, plainLine, plainTail } from "../../agent/text/untrusted.ts";

test.each([
  ["a\tb\r\n c", "a b c"],
  ["\u001b]0;title\u0007red \u001b[31mtext\u001b[0m", "red text"],
  ["a\u202eb\u200bc\u0000d", "abcd"],
  ["x".repeat(301), `${"x".repeat(299)}…`],
  ["x".repeat(300), "x".repeat(300)],
])("plainLine(%j)", (text, line) => expect(plainLine(text)).toBe(line));

const tail = (text: string | Uint8Array, size?: number, lines = 3) => {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  return plainTail(bytes, size ?? bytes.length, lines);
};

test("plainTail: the last lines, with what was cut off marked", () => {
  expect(tail("")).toEqual([]);
  expect(tail("a\nb\n")).toEqual(["a", "b"]);
  expect(tail("a\nb\nc\nd\n")).toEqual(["b", "c", "d"]);
  expect(tail("half a line\nb\n", 1_000)).toEqual(["…half a line", "b"]);
  expect(tail("1 %\r50 %\r100 %\ndone\r\n")).toEqual(["100 %", "done"]);
  expect(tail(`${"x".repeat(2_001)}\n`)).toEqual([`${"x".repeat(1_999)}…`]);
  // The first byte is the second half of a letter.
  expect(tail(Uint8Array.of(0xbc, 0x61, 0x0a), 100)).toEqual(["…a"]);
});

test.each([
  ["our own colours stay\u001b[31m red\u001b[39m", "our own colours stay\u001b[31m red\u001b[39m"],
  ["a\tb\nc", "a    b\nc"],
  ["\u001b[2J\u0007", "\\u001b[2J\\u0007"],
  ["\u202e\u2028", "\\u202e\\u2028"],
  ["\u{e0041}", "\\ue0041"],
  ["\r", "\\u000d"],
])("escapeControls(%j)", (text, shown) => expect(escapeControls(text)).toBe(shown));
