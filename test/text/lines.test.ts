import { expect, test } from "vitest";
import { wholeCharacters, wholeLines } from "../../agent/text/lines.ts";

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
