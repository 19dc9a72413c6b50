// Text of others, 64 KiB of the characters that hurt most: nothing takes the square of its length, no regular
// expression and no function that a log, a message, a header, a crontab or git's output goes through.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import tseslint from "typescript-eslint";
import { describe, expect, test } from "vitest";
import { importCrontab } from "../../agent/cli/crontab/crontab.ts";
import { parseProgress } from "../../agent/executions/progress.ts";
import { localPath } from "../../agent/http/protocol/access.ts";
import { parseRetryAfter } from "../../agent/notify/delivery-policy.ts";
import { parsePattern } from "../../agent/schedule/pattern.ts";
import { createRefReader, validateGitRef, shownGitMessage, splitGitUrl } from "../../agent/sources/git-remote.ts";
import { plainPen, readLine } from "../../agent/text/ansi.ts";
import { parseDuration } from "../../agent/text/duration.ts";
import { parseEnvFile } from "../../agent/text/env-file.ts";
import { createTerminalFilter } from "../../agent/text/terminal.ts";
import { plainLine, plainTail } from "../../agent/text/untrusted.ts";

const longBytes = 64 * 1024;
/** A square of this many takes 60 ms and more, a line some microseconds. */
const shortBytes = 8 * 1024;

const root = join(import.meta.dirname, "../../agent");
const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) => /\.tsx?$/.test(file));

const parse = tseslint.parser.parseForESLint as (text: string, options: object) => { ast: unknown };

interface Found {
  where: string;
  pattern: string;
  flags: string;
}

/** Every regular expression that is written in the program and may match texts of any length. */
function expressions(): Found[] {
  const found: Found[] = [];
  for (const file of files) {
    const { ast } = parse(readFileSync(join(root, file), "utf8"), {
      ecmaFeatures: { jsx: file.endsWith("x") },
      loc: true,
    });
    const rest: unknown[] = [ast];
    while (rest.length > 0) {
      const node = rest.pop();
      if (typeof node !== "object" || node === null) continue;
      const { type, regex, loc } = node as {
        type?: string;
        regex?: { pattern: string; flags: string };
        loc?: { start: { line: number } };
      };
      if (type === "Literal" && regex !== undefined) found.push({ where: `${file}:${loc?.start.line}`, ...regex });
      for (const [key, value] of Object.entries(node)) if (key !== "parent" && key !== "loc") rest.push(value);
    }
  }
  const schema = readFileSync(join(root, "../schemas/batch.schema.json"), "utf8");
  for (const [, pattern = ""] of schema.matchAll(/"pattern": ("(?:[^"\\]|\\.)*")/g))
    found.push({ where: "batch.schema.json", pattern: JSON.parse(pattern) as string, flags: "u" });
  return found.filter(({ pattern }) => /[*+]|\{\d+,/.test(pattern));
}

/** Characters and words that a pattern names, and some that it may mean by a class. */
function unitsOf(pattern: string): string[] {
  const units = new Set(["a", "0", " ", "x", "/", "\r"]);
  const escapes: Record<string, string> = { r: "\r", n: "\n", t: "\t", f: "\f", v: "\v" };
  let word = "";
  for (const [, special, hex, unicode, escaped, plain] of pattern.matchAll(
    /\\([rntfv])|\\x([0-9a-f]{2})|\\u([0-9a-f]{4})|\\(.)|([^\\])/gi,
  )) {
    const code = hex ?? unicode;
    const char =
      special === undefined
        ? code === undefined
          ? escaped
          : String.fromCharCode(parseInt(code, 16))
        : escapes[special.toLowerCase()];
    const unit = char ?? plain ?? "";
    if (units.size < 20) units.add(unit);
    word = plain !== undefined && /[()[\]{}*+?|^$.]/.test(plain) ? "" : word + unit;
    if (word.length > 1 && word.length < 5 && units.size < 30) units.add(word);
  }
  return [...units];
}

function* textsOf(units: readonly string[], length: number): Generator<string> {
  const fill = (unit: string, size: number) => unit.repeat(Math.ceil(size / unit.length));
  for (const one of units) {
    yield fill(one, length);
    yield `${fill(one, length)}\u0001`;
    for (const two of units) {
      if (one === two) continue;
      yield `${two}${fill(one, length)}\u0001`;
      yield `${fill(one + two, length)}\u0001`;
      yield `${fill(one, length / 2)}${fill(two, length / 2)}\u0001`;
    }
  }
}

/** The least of eight tries, in ms of the processor: the machine may be busy with something else meanwhile. */
function timeOf(work: () => unknown): number {
  let least = Infinity;
  for (let tries = 0; tries < 8; tries++) {
    const began = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(began);
    least = Math.min(least, (user + system) / 1_000);
    if (least < 15) break;
  }
  return least;
}

test("no regular expression takes the square of a text's length", () => {
  const found = expressions();
  expect(found.length).toBeGreaterThan(80);
  const slow: string[] = [];
  for (const { where, pattern, flags } of found) {
    const expression = new RegExp(pattern, `${flags.replace(/[gy]/g, "")}g`);
    for (const text of textsOf(unitsOf(pattern), shortBytes)) {
      const ms = timeOf(() => text.replace(expression, ""));
      if (ms < 25) continue;
      slow.push(`${where} /${pattern}/ takes ${Math.round(ms)} ms for ${JSON.stringify(text.slice(0, 8))}…`);
      break;
    }
  }
  expect(slow).toEqual([]);
}, 120_000);

const readers: Record<string, (text: string) => unknown> = {
  "a log's line on a page": (text) => readLine(text, plainPen),
  "a log's tail in a message": (text) => plainTail(Buffer.from(text), longBytes * 2, 50),
  "a message": (text) => plainLine(text),
  "a log on a terminal": (text) => createTerminalFilter().push(Buffer.from(text)),
  progress: (text) => parseProgress(text, "2026-01-01T00:00:00.000Z"),
  "an env file": (text) => parseEnvFile(Buffer.from(text)),
  "a quoted value of an env file": (text) => parseEnvFile(Buffer.from(`A="${text}\nB='${text}`)),
  "a crontab": (text) => importCrontab(text, { form: null, file: "crontab" }),
  "a crontab's command": (text) => importCrontab(`* * * * * ${text}\n`, { form: "user", file: "crontab" }),
  "git's message": (text) => shownGitMessage(text, ["secret", null]),
  "git's refs": (text) => createRefReader("main").push(text),
  "a ref": (text) => validateGitRef(text),
  "a repository's URL": (text) => splitGitUrl(`https://h/${text}`),
  "a pattern": (text) => parsePattern(text),
  "a duration": (text) => parseDuration(text),
  "where to go on after the login": (text) => localPath(`/${text}`),
  "a Retry-After": (text) => parseRetryAfter(text, 0),
};
const hurting = [
  "\r",
  "\n",
  "\t",
  " ",
  "\u001b",
  "\u001b[",
  "\u001b]",
  "\u001b[0",
  "a",
  "a ",
  "0",
  "/",
  "://",
  "a://",
  "@",
  "'",
  '"',
  'a="',
  "%",
  "\\",
  "* ",
  "-",
  "#",
  " #",
  "a=\n",
  "* * * * * a\n",
  "\ufffd",
  "é",
  ",",
  "..",
  "refs/heads/main\t",
];

describe("64 KiB of each of the characters that hurt", () => {
  test.each(Object.entries(readers))("%s", (_name, read) => {
    for (const unit of hurting) {
      const text = unit.repeat(Math.ceil(longBytes / unit.length)).slice(0, longBytes);
      for (const given of [text, `${text}x`, `x${text}`]) {
        const ms = timeOf(() => read(given));
        expect(ms, JSON.stringify(unit)).toBeLessThan(1_500);
      }
    }
  });
});
