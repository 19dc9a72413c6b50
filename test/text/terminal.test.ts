import fc from "fast-check";
import { expect, test } from "vitest";
import { createTerminalFilter } from "../../agent/text/terminal.ts";

function shown(...pieces: (string | Uint8Array)[]): string {
  const filter = createTerminalFilter();
  return (
    pieces.map((piece) => filter.push(typeof piece === "string" ? new TextEncoder().encode(piece) : piece)).join("") +
    filter.end()
  );
}

test.each([
  { name: "plain text, tabs and line breaks", given: "a\tb\r\nc\n", want: "a\tb\r\nc\n" },
  {
    name: "colours",
    given: "\x1b[1;31mred\x1b[0m \x1b[38:2::1:2:3mx\x1b[m\n",
    want: "\x1b[1;31mred\x1b[0m \x1b[38:2::1:2:3mx\x1b[m\n",
  },
  { name: "a colour left on is ended", given: "\x1b[32mgreen", want: "\x1b[32mgreen\x1b[0m" },
  { name: "a window title", given: "\x1b]0;mine\x07", want: "^[]0;mine^G" },
  { name: "clearing, moving, the other screen", given: "\x1b[2J\x1b[1A\x1b[?1049h", want: "^[[2J^[[1A^[[?1049h" },
  {
    name: "questions that the terminal would answer into the shell",
    given: "\x1b[c\x1b[6n\x1b]52;c;AAAA\x1b\\",
    want: "^[[c^[[6n^[]52;c;AAAA^[\\",
  },
  { name: "C1 controls", given: "\x9b31m\x9d0;t\x9c", want: "M-^[31mM-^]0;tM-^\\" },
  { name: "backspace, bell, delete, NUL", given: "a\bb\x07\x7f\0", want: "a^Hb^G^?^@" },
  { name: "an escape at the very end", given: "x\x1b", want: "x^[" },
  { name: "a colour that never ends", given: `\x1b[${"1;".repeat(100)}m`, want: `^[[${"1;".repeat(100)}m` },
  {
    name: "what turns the direction of writing, but not letters written from right to left or a joined emoji",
    given: "rm \u202egpj.exe\u202c \u2066x\u2069 שלום 👩\u200d👧",
    want: "rm <U+202E>gpj.exe<U+202C> <U+2066>x<U+2069> שלום 👩\u200d👧",
  },
  { name: "a private form of SGR", given: "\x1b[>4;2m", want: "^[[>4;2m" },
])("$name", ({ given, want }) => expect(shown(given)).toBe(want));

test("bytes that are no UTF-8 are marked", () => expect(shown(Uint8Array.of(0x61, 0x9b, 0x62))).toBe("a\ufffdb"));

test("however it is cut, the same is shown, and nothing but colours steers", () => {
  const atom = fc.constantFrom(
    "\x1b",
    "[",
    "0",
    ";",
    "m",
    "31",
    "]",
    "H",
    "é",
    "🙂",
    "\x9b",
    "\n",
    "\r",
    "\b",
    "x",
    ":",
    "?",
  );
  fc.assert(
    fc.property(fc.array(atom, { maxLength: 60 }), fc.array(fc.nat(100), { maxLength: 10 }), (atoms, cuts) => {
      const bytes = new TextEncoder().encode(atoms.join(""));
      const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
      const pieces = at.slice(1).map((end, i) => bytes.subarray(at[i], end));
      const whole = shown(bytes);
      expect(shown(...pieces)).toBe(whole);
      expect(whole.replace(/\x1b\[[0-9;:]{0,64}m/g, "")).not.toMatch(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/);
    }),
  );
});
