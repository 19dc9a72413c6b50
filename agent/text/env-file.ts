// Bytes of `NAME=value` lines → variables. Node's own reader passes over a bad line together with the good one after
// it, and cuts a value at any `#`; for passwords that will not do.

/**
 * A line, from 1, that cannot be used, and why: words after "line N …". Its text is not repeated: it may hold a
 * secret.
 */
export interface EnvFileFault {
  line: number;
  why: string;
}

const assignment = /^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=(.*)$/s;
const noAssignment = "is not NAME=value";

/**
 * The variables, or the first line that is none. Blank lines and those that begin with `#` are passed over; a blank and
 * a `#` end a value. Quotes around the whole value are taken off as sh does it: nothing but `\"`, `\\`, `\$`, "\`" and
 * a `\` at a line's end means something else within double ones, nothing within single ones; a quoted value may go on
 * over several lines. Everything else is kept as it stands: no variable and no command in it is replaced.
 */
export function parseEnvFile(bytes: Uint8Array): { env: Record<string, string> } | EnvFileFault {
  const text = decode(bytes);
  if (typeof text !== "string") return text;
  const env: Record<string, string> = {};
  const lines = text.split(/\r\n|\n|\r/);
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] as string;
    if (/^[ \t]*(#|$)/.test(line)) continue;
    if (line.includes("\0")) return { line: at + 1, why: "holds a NUL character" }; // what no environment can carry
    const [, name, raw] = assignment.exec(line) ?? [];
    if (name === undefined || raw === undefined) return { line: at + 1, why: noAssignment };
    const value = quoted(raw);
    if (value !== null) {
      env[name] = value;
      continue;
    }
    const end = lastLineOf(raw.trimStart(), lines, at);
    if (end !== null && lines.slice(at, end + 1).some((part) => part.includes("\0")))
      return { line: at + 1, why: "begins a value that holds a NUL character" };
    env[name] =
      end === null ? uncommented(raw).trim() : (quoted([raw, ...lines.slice(at + 1, end + 1)].join("\n")) ?? "");
    at = end ?? at;
  }
  return { env };
}

/** A value in another encoding would be handed on as something else: Node writes its environment in UTF-8. */
function decode(bytes: Uint8Array): string | EnvFileFault {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    const loose = new TextDecoder("utf-8").decode(bytes);
    const lines = loose.split(/\r\n|\n|\r/);
    return { line: lines.findIndex((line) => line.includes("\uFFFD")) + 1, why: "holds bytes that are no UTF-8" };
  }
}

/** `#` begins a comment after a blank, and nowhere else. */
function uncommented(raw: string): string {
  const at = raw.search(/[ \t]#/);
  return at < 0 ? raw : raw.slice(0, at);
}

/** Text between quotes that surround all of it; null where they do not. */
function quoted(raw: string): string | null {
  const whole = raw.trimStart();
  const word = quotedWord(whole);
  if (word !== null) return word;
  // Quotes within, as in "{"a":"b"}", which sh would take off too.
  const [, inner] = /^(?:"([\s\S]*?)"|'[\s\S]*?')[ \t]*(?:[ \t]#.*)?$/s.exec(whole) ?? [];
  return inner ?? /^'([\s\S]*?)'[ \t]*(?:[ \t]#.*)?$/s.exec(whole)?.[1] ?? null;
}

/** A word that is quoted from its first to its last letter, in pieces as in 'it'\''s' too; null for any other. */
function quotedWord(text: string): string | null {
  const piece = /^(?:"((?:[^"\\]|\\[\s\S])*)"|'([^']*)'|\\(.))/s;
  let rest = text;
  let value = "";
  if (!/^["']/.test(rest)) return null;
  while (rest !== "" && !/^[ \t]/.test(rest)) {
    const [all, double, single, escaped] = piece.exec(rest) ?? [];
    if (all === undefined) return null;
    value +=
      double?.replace(/\\(["\\$`]|\n)/g, (_all, letter: string) => (letter === "\n" ? "" : letter)) ??
      single ??
      escaped ??
      "";
    rest = rest.slice(all.length);
  }
  return /^[ \t]*(?:[ \t]#.*)?$/s.test(rest) && !rest.includes("\n") ? value : null;
}

/** Index of the line with the quote that closes a value begun in line `at`; null where it is no quoted value. */
function lastLineOf(raw: string, lines: readonly string[], at: number): number | null {
  const [quote] = raw;
  if (quote !== '"' && quote !== "'") return null;
  if (closes(raw.slice(1), quote) !== null) return null;
  for (let end = at + 1; end < lines.length; end++) {
    const rest = closes(lines[end] as string, quote);
    if (rest !== null) return /^[ \t]*(?:[ \t]#.*)?$/.test(rest) ? end : null;
  }
  return null;
}

/** Returns what follows the first quote that closes; null where none does. */
function closes(line: string, quote: string): string | null {
  const match = quote === "'" ? /^[^']*'(.*)$/.exec(line) : /^(?:[^"\\]|\\.)*"(.*)$/.exec(line);
  return match === null ? null : (match[1] ?? "");
}
