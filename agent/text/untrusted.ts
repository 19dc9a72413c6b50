// The end of a log as plain text: what a script printed, without what would steer a terminal, a mail reader or a page.

import { trimEndOf } from "./trim.ts";

/** CSI, OSC and the other strings, then what is left of two-letter escapes. */
const escapes = /\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|$)|\x1b[ -/]*[0-~]?/g;
/** Control characters but for line break and tab, marks that turn the direction of writing, halves of characters. */
const invisible = /[\p{Cf}\p{Cs}\u2028\u2029]|(?![\n\t])\p{Cc}/gu;

const lineLength = 2_000;

/** `text` on one line without any of it, at most `maxChars` characters. */
export function plainLine(text: string, maxChars = 300): string {
  const line = text.replace(escapes, "").replace(/\s+/g, " ").replace(invisible, "").trim();
  return line.length > maxChars ? `${line.slice(0, maxChars - 1)}…` : line;
}

/**
 * The last `lines` lines of a log whose last bytes are `bytes`; where the log begins before them, the first line is
 * only part of one and is marked. A line that was drawn over again and again (progress) is what it was in the end.
 */
export function plainTail(bytes: Uint8Array, logSize: number, lines: number): string[] {
  const all = new TextDecoder()
    .decode(bytes)
    .split("\n")
    .map((line) => trimEndOf(line, "\r"))
    .join("\n")
    .replace(escapes, "")
    .replace(/\n$/, "")
    .split("\n")
    .map((line) => line.slice(line.lastIndexOf("\r", line.length - 2) + 1).replace(invisible, ""))
    .map((line) => (line.length > lineLength ? `${line.slice(0, lineLength - 1)}…` : line));
  if (bytes.length === 0) return [];
  const whole = bytes.length >= logSize || all.length > lines;
  if (!whole) all[0] = `…${all[0]?.replace(/^\ufffd+/, "") ?? ""}`;
  return all.slice(-lines);
}

/** Our own colours (text/table.ts), a tab, and what would steer a terminal or turn the direction of writing. */
const controls = /\u001b\[(?:[12]|22|3[1236]|39)m|\t|(?!\n)[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu;

/** `text` for a terminal: line breaks and our own colours pass, other control characters are shown as `\u001b`. */
export function escapeControls(text: string): string {
  return text.replace(controls, (found) => {
    if (found.length > 1 && found.startsWith("\u001b")) return found;
    if (found === "\t") return "    ";
    return Array.from(found, (char) => `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`).join("");
  });
}
