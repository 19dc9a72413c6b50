// Unified diffs of text files, within bounds.
import { structuredPatch } from "diff";

/** A file on one side of a comparison. */
export interface DiffSide {
  executable: boolean;
  text: string;
}

const timeoutMs = 200;
const maxEditLength = 4_000;

/** Returns whether bytes are text, as git judges it. */
export function isText(bytes: Uint8Array): boolean {
  return !bytes.subarray(0, 8_000).includes(0);
}

/**
 * The unified diff of one file, null for a side where it is not there; null when working it out would take too long.
 */
export function unifiedDiff(path: string, before: DiffSide | null, after: DiffSide | null): string | null {
  const [from, to] = [before === null ? "/dev/null" : `a/${path}`, after === null ? "/dev/null" : `b/${path}`];
  const patch = structuredPatch(from, to, before?.text ?? "", after?.text ?? "", "", "", {
    context: 3,
    timeout: timeoutMs,
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
    `@@ -${range(hunk.oldStart, hunk.oldLines)} +${range(hunk.newStart, hunk.newLines)} @@`,
    ...hunk.lines,
  ]);
  return [...modes, `--- ${from}`, `+++ ${to}`, ...hunks].map((line) => `${line}\n`).join("");
}

/** As diff writes it: an empty side starts a line earlier, a single line has no count. */
function range(start: number, lines: number): string {
  return lines === 1 ? String(start) : `${lines === 0 ? start - 1 : start},${lines}`;
}
