// The line of a batch.yaml that a problem names, to be shown beside it. Never shown are values of `env` and `notify`
// (a webhook's address may hold a secret), and of keys that may be one of them misspelt. Pure.
import { batchSchema } from "../model/batch-schema.gen.ts";

const maxChars = 160;
const open = new Set(Object.keys(batchSchema.properties).filter((key) => !["env", "notify"].includes(key)));

/**
 * Line `line` (from 1) of `text`, cut to 160 characters; null where there is none, or where what it belongs to cannot
 * be told for sure. A line shows in full only below a known top-level key other than these; of any other key just the
 * key itself.
 */
export function excerptOf(text: string, line: number): string | null {
  const lines = text.split(/\r?\n/, line);
  const wanted = lines[line - 1];
  if (wanted === undefined || wanted.trim() === "" || wanted.trimStart().startsWith("#")) return null;
  for (let at = line - 1; at >= 0; at--) {
    const owner = lines[at] ?? "";
    if (owner.trim() === "" || /^[\s#]/.test(owner)) continue;
    const key = /^(["']?)([A-Za-z][\w-]*)\1\s*:(?=\s|$)/.exec(owner)?.[2];
    if (key === undefined) return null;
    if (open.has(key)) return cut(wanted);
    return at === line - 1 ? `${key}: …` : null;
  }
  return null;
}

function cut(line: string): string {
  const plain = line.replace(/\t/g, "  ").replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "\ufffd");
  return plain.length > maxChars ? `${plain.slice(0, maxChars)}…` : plain;
}
