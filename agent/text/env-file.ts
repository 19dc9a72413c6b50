// Text of `NAME=value` lines → variables. Node's own reader passes over a bad line together with the good one after it, and cuts
// a value at any `#`; for passwords that will not do.
import type { Place } from "../model/problem.ts";

const assignment = /^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=[ \t]*(.*)$/s;

/**
 * The variables, or the first line (from 1) that is none. Blank lines and those that begin with `#` are passed over, a ` #` ends a
 * value, quotes around the whole value are taken off; a quoted value may go on over several lines, and `\n` in double quotes is a line's end.
 */
export function parseEnvFile(text: string): { env: Record<string, string> } | Pick<Place, "line"> {
  const env: Record<string, string> = {};
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/);
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] as string;
    if (/^[ \t]*(#|$)/.test(line)) continue;
    if (line.includes("\0")) return { line: at + 1 }; // what no environment can carry, Node would refuse by showing it
    const [, name, raw] = assignment.exec(line) ?? [];
    if (name === undefined || raw === undefined) return { line: at + 1 };
    const value = quoted(raw);
    if (value !== null) {
      env[name] = value;
      continue;
    }
    const end = lastLineOf(raw, lines, at);
    if (end !== null && lines.slice(at, end + 1).some((part) => part.includes("\0"))) return { line: at + 1 };
    env[name] =
      end === null ? uncommented(raw).trimEnd() : (quoted([raw, ...lines.slice(at + 1, end + 1)].join("\n")) ?? "");
    at = end ?? at;
  }
  return { env };
}

function uncommented(raw: string): string {
  const at = raw.search(/(?:^|[ \t])#/);
  return at < 0 ? raw : raw.slice(0, at);
}

/** What stands between the quotes; null where they do not surround all of it. */
function quoted(raw: string): string | null {
  const [, quote, inner] = /^(["'])([\s\S]*?)\1[ \t]*(?:[ \t]#.*)?$/s.exec(raw) ?? [];
  if (inner === undefined) return null;
  return quote === '"' ? inner.replaceAll("\\n", "\n") : inner;
}

/** Index of the line with the quote that closes a value begun in line `at`; null where it is no quoted value. */
function lastLineOf(raw: string, lines: readonly string[], at: number): number | null {
  const [quote] = raw;
  if ((quote !== '"' && quote !== "'") || raw.indexOf(quote, 1) >= 0) return null;
  const closing = new RegExp(`^[^${quote}]*${quote}[ \\t]*(?:[ \\t]#.*)?$`);
  for (let end = at + 1; end < lines.length; end++) {
    const line = lines[end] as string;
    if (closing.test(line)) return end;
    if (line.includes(quote)) return null;
  }
  return null;
}
