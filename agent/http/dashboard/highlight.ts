// Tells comments, strings, variables and keywords apart in scripts and settings, line by line, for reading only: it
// knows no grammar, and what it does not recognise is plain. Pure.

type TokenKind = "comment" | "string" | "variable" | "keyword" | "key" | "plain";
export interface Token {
  kind: TokenKind;
  text: string;
}

/** Longer lines are no text that somebody wrote: they stay plain. */
const maxLineChars = 1_000;

/** A double quote that is not closed reaches to the end of its line: else each quote would be looked at anew. */
const strings = /'[^']*'|"(?:\\.|[^"\\])*(?:"|\\?$)/.source;
const shellWords =
  "if|then|elif|else|fi|for|in|do|done|while|until|case|esac|" +
  "function|return|exit|set|export|local|readonly|trap|source";
const shell = new RegExp(
  [
    /(?<comment>(?<=^|[\s;])#.*$)/.source,
    `(?<string>${strings})`,
    /(?<variable>\$\{[^}]*\}|\$\w+|\$[@#?*!$-])/.source,
    String.raw`(?<keyword>(?<![\w./-])(?:${shellWords})(?![\w./=-]))`,
  ].join("|"),
  "g",
);
const yaml = new RegExp(
  [
    /(?<comment>(?<=^|\s)#.*$)/.source,
    /(?<key>(?<![\w.-])(?=[\w.-])(?<=^\s*(?:- +)*|[{,] *)[\w.-]+(?=:(?:\s|$)))/.source,
    `(?<string>${strings})`,
    /(?<keyword>(?=[tfn\d])(?<=[:,[-] +)(?:true|false|null|\d[\w.:-]*)(?=\s*(?:$|[,\]}#])))/.source,
  ].join("|"),
  "g",
);

/** Lines of a file as tokens, by its name and its first line. */
export function highlight(path: string, text: string): Token[][] {
  const lines = text.replace(/\n$/, "").split("\n");
  const pattern = patternOf(path, lines[0] ?? "");
  return lines.map((line) => (pattern === null || line.length > maxLineChars ? [plain(line)] : tokens(line, pattern)));
}

function patternOf(path: string, firstLine: string): RegExp | null {
  if (/\.ya?ml$/.test(path)) return yaml;
  return /\.(?:sh|bash)$/.test(path) || /^#!.*\b(?:bash|sh)\b/.test(firstLine) ? shell : null;
}

const plain = (text: string): Token => ({ kind: "plain", text });

function tokens(line: string, pattern: RegExp): Token[] {
  const found: Token[] = [];
  let at = 0;
  for (const match of line.matchAll(pattern)) {
    const groups: Record<string, string | undefined> = match.groups ?? {};
    const kind = Object.keys(groups).find((name) => groups[name] !== undefined);
    if (match.index > at) found.push(plain(line.slice(at, match.index)));
    found.push({ kind: (kind ?? "plain") as TokenKind, text: match[0] });
    at = match.index + match[0].length;
  }
  if (at < line.length) found.push(plain(line.slice(at)));
  return found;
}
