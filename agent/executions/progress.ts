// Describes what a script says of its progress: `42` or `42 loading rows`. Untrusted text, so cut to size and cleaned.
import type { Execution } from "../model/execution.ts";
import type { Iso } from "../model/ids.ts";

const maxMessage = 200;

/** Progress from what the first line of `text` says; null when that is none. */
export function parseProgress(text: string, at: Iso): Execution["progress"] {
  const match = /^\s*(-?\d{1,9}(?:\.\d{1,9})?)(?:\s*%)?(?:\s+(.*))?\s*$/.exec(text.split("\n", 1)[0] ?? "");
  if (match === null) return null;
  const percent = Math.round(Math.min(100, Math.max(0, Number(match[1]))) * 10) / 10;
  // Control and invisible formatting characters could play tricks on whoever reads them.
  const message = Array.from((match[2] ?? "").replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "").trim())
    .slice(0, maxMessage)
    .join("");
  return { percent: percent + 0, message: message === "" ? null : message, at };
}

/** Returns whether two say the same, whenever they said it. */
export function isSameProgress(a: Execution["progress"], b: Execution["progress"]): boolean {
  return a?.percent === b?.percent && a?.message === b?.message;
}
