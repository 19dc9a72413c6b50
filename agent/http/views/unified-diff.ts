// Unified diffs of text files, within bounds.
import { structuredPatch } from "diff";

/** A file on one side of a comparison. */
export interface DiffSide {
  executable: boolean;
  text: string;
}

/** The event loop stands still meanwhile, and twice as long for what comes before and after the search itself. */
const timeoutMs = 50;
const maxEditLength = 4_000;
/** Maximum lines of both sides between the first and the last that differ: to take them apart costs time as well. */
const maxLines = 100_000;
/** So few are compared however busy the machine is: it takes no longer than that. */
const smallLines = 2_000;
const contextLines = 3;

/** Returns whether bytes are text, as git judges it. */
export function isText(bytes: Uint8Array): boolean {
  return !bytes.subarray(0, 8_000).includes(0);
}

/**
 * The unified diff of one file, null for a side where it is not there; null when working it out would take too long.
 */
export function unifiedDiff(path: string, before: DiffSide | null, after: DiffSide | null): string | null {
  const [from, to] = [before === null ? "/dev/null" : `a/${path}`, after === null ? "/dev/null" : `b/${path}`];
  const { skipped, old, young } = differingPart(before?.text ?? "", after?.text ?? "");
  const lines = countLines(old) + countLines(young);
  if (lines > maxLines) return null;
  const patch = structuredPatch(from, to, old, young, "", "", {
    context: contextLines,
    ...(lines > smallLines ? { timeout: timeoutMs } : {}),
    maxEditLength,
  });
  if (patch === undefined) return null;
  const mode = ({ executable }: DiffSide) => (executable ? "100755" : "100644");
  const modes =
    before !== null && after !== null && before.executable !== after.executable
      ? [`old mode ${mode(before)}`, `new mode ${mode(after)}`]
      : [];
  if (patch.hunks.length === 0) return modes.map((line) => `${line}\n`).join("");
  const hunks = patch.hunks.flatMap((hunk) => [
    `@@ -${range(skipped + hunk.oldStart, hunk.oldLines)} +${range(skipped + hunk.newStart, hunk.newLines)} @@`,
    ...hunk.lines,
  ]);
  return [...modes, `--- ${from}`, `+++ ${to}`, ...hunks].map((line) => `${line}\n`).join("");
}

/**
 * Returns both texts without the lines that they have in common at their beginning and at their end, but for some of
 * context, and how many lines were left out at the beginning.
 */
function differingPart(old: string, young: string): { skipped: number; old: string; young: string } {
  const shorter = Math.min(old.length, young.length);
  let head = 0;
  while (head < shorter && old.charCodeAt(head) === young.charCodeAt(head)) head += 1;
  let tail = 0;
  while (tail < shorter - head && old.charCodeAt(old.length - 1 - tail) === young.charCodeAt(young.length - 1 - tail))
    tail += 1;
  let from = head;
  for (let lines = 0; lines <= contextLines && from > 0; lines++)
    from = from < 2 ? 0 : old.lastIndexOf("\n", from - 2) + 1;
  let to = old.length - tail;
  for (let lines = 0; lines <= contextLines && to < old.length; lines++) {
    const end = old.indexOf("\n", to);
    to = end < 0 ? old.length : end + 1;
  }
  const skipped = countLines(old.slice(0, from));
  return { skipped, old: old.slice(from, to), young: young.slice(from, young.length - (old.length - to)) };
}

function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count += 1;
  return count;
}

/** As diff writes it: an empty side starts a line earlier, a single line has no count. */
function range(start: number, lines: number): string {
  return lines === 1 ? String(start) : `${lines === 0 ? start - 1 : start},${lines}`;
}
