import { expect, test } from "vitest";
import { eventBytes, wholeCharacters, wholeLines } from "../../agent/text/lines.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

test.each([
  ["", 0],
  ["a", 0],
  ["a\n", 2],
  ["a\nb", 2],
  ["\n", 1],
  ["é\nü", 3],
])("whole lines of %j: %i bytes", (text, want) => expect(wholeLines(bytes(text))).toBe(want));

test("a character is never cut, wherever the bytes end", () => {
  const all = bytes("aé€𝄞z");
  for (let end = 0; end <= all.length; end++) {
    const kept = all.subarray(0, wholeCharacters(all.subarray(0, end)));
    expect(end - kept.length).toBeLessThan(4);
    expect("aé€𝄞z".startsWith(new TextDecoder("utf-8", { fatal: true }).decode(kept))).toBe(true);
  }
});

test.each([
  ["continuation bytes alone", [0x80, 0x80, 0x80, 0x80], 4],
  ["a byte that begins nothing", [0x61, 0xff], 2],
  ["Latin-1 text before more of it", [0x61, 0xe9, 0x61], 3],
])("what is no UTF-8 does not wait for ever: %s", (_what, values, want) =>
  expect(wholeCharacters(Uint8Array.from(values))).toBe(want),
);

test.each([
  ["a line that fits", "abc\n", 1_000, 4],
  ["no line at all", "a".repeat(2_000), 1_064, 1_000],
  ["up to the last line that fits", `${"a".repeat(500)}\n${"b".repeat(900)}`, 1_064, 501],
  ["empty lines cost their prefix", "\n".repeat(10_000), 7_064, 1_000],
  ["carriage returns are sent as three bytes", "\r".repeat(10_000), 3_064, 1_000],
  ["never half a character", "é".repeat(1_000), 1_065, 1_000],
])("an event is bounded as it is sent: %s", (_name, text, max, expected) =>
  expect(eventBytes(bytes(text), max)).toBe(expected),
);

test("bytes that are no text cost three each", () =>
  expect(eventBytes(new Uint8Array(9_000).fill(0xff), 3_064)).toBe(1_000));
