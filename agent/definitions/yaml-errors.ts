// Errors of the YAML parser → what is wrong, in plain words and at the place where it begins.
import { isMap, isScalar, isSeq, visit, type Document, type YAMLError } from "yaml";
import type { Place } from "../model/problem.ts";
import type { Fault } from "./text-file.ts";
import { tooDeep } from "./yaml-limits.ts";

/** Returns the first error of each line: what follows it there is mostly its echo. */
export function syntaxFaults(text: string, doc: Document, placeOf: (offset: number) => Place): Fault[] {
  const faults: Fault[] = [];
  const lines = new Set<number>();
  let tabs = false;
  const tags = doc.warnings.filter((warning) => warning.code === "TAG_RESOLVE_FAILED");
  for (const error of [...doc.errors, ...tags].slice(0, 50)) {
    const told = explainError(text, doc, error);
    const place = placeOf(told.offset ?? Math.min(error.pos[0], text.length));
    if (faults.length === 10) break;
    if (lines.has(place.line) || (told.code === "yaml-tab" && tabs)) continue;
    lines.add(place.line);
    tabs ||= told.code === "yaml-tab";
    faults.push({ code: told.code, path: [], place, message: told.message, hint: told.hint });
  }
  return faults;
}

/** An error of the parser in words of ours. */
interface Explained {
  code: Fault["code"];
  message: string;
  hint: string | null;
  /** Tells where it really begins, if not where the parser gave up. */
  offset?: number;
}

function explainError(text: string, doc: Document, error: YAMLError): Explained {
  // At the end of the text is where it was given up; what was left open there is the cause.
  const atEnd = text.slice(error.pos[0]).trim() === "";
  const at = atEnd ? Math.min(error.pos[0], text.trimEnd().length) : error.pos[0];
  const lineStart = text.lastIndexOf("\n", at - 1) + 1;
  const line = text.slice(lineStart, lineStart + 500).split("\n", 1)[0] ?? "";
  const syntax = (message: string, hint: string | null, offset?: number): Explained => ({
    code: "yaml-syntax",
    message,
    hint,
    ...(offset === undefined ? {} : { offset }),
  });

  const tab = /^[ -]*\t/.exec(line);
  if (error.code === "TAB_AS_INDENT" || (tab !== null && error.code !== "MULTIPLE_DOCS")) {
    const offset = tab === null ? at : lineStart + tab[0].length - 1;
    return {
      code: "yaml-tab",
      message: "a tab stands where YAML wants spaces",
      hint: "indent with spaces, two for each level",
      offset,
    };
  }
  if (error.code === "MULTIPLE_DOCS") {
    return {
      code: "yaml-multiple",
      message: "a second document begins here",
      hint: "the file is one document: take out what follows the line ---",
    };
  }
  // `cron: * * * * *` and `cron: @daily`: both signs mean something to YAML.
  const sign = /^(\s*(?:[\w-]+\s*:\s+|-\s+)*(?:\[\s*)?)([*@!].*)$/.exec(line);
  if (
    sign !== null &&
    ["BAD_ALIAS", "UNEXPECTED_TOKEN", "BAD_SCALAR_START", "MISSING_CHAR", "TAG_RESOLVE_FAILED"].includes(error.code)
  ) {
    const [, before = "", rest = ""] = sign;
    const value = (rest.split(/\s#/, 1)[0] ?? "").trimEnd();
    // Values of other keys may be secrets, and problems are shown to many.
    const ofCron = /^\s*-\s+$/.test(before) ? /^cron\s*:/.test(keyAbove(text, lineStart)) : /^cron\s*:/.test(line);
    const shown = ofCron && !/[[\]"{}]/.test(value) ? `: "${value.slice(0, 100)}"` : "";
    return syntax(
      `a value cannot begin with ${value[0]} unless it is quoted`,
      `quote it${shown}`,
      lineStart + before.length,
    );
  }
  if (error.code === "TAG_RESOLVE_FAILED")
    return syntax(
      "a tag (a word that begins with !) means nothing here",
      "take it out, or quote the value if it is meant as text",
    );
  if (/closing .*quote/.test(error.message))
    return syntax("a quote is opened and never closed", null, openedAt(doc, error.pos[0], "quote") ?? at);
  if (error.code === "BAD_INDENT" && /end with a [\]}]/.test(error.message)) {
    const message = atEnd
      ? "a bracket is opened and never closed"
      : "a bracket is never closed, or what is in it is not indented";
    return syntax(
      message,
      atEnd ? null : "close it, and indent every line up to the closing one",
      openedAt(doc, error.pos[0], "bracket") ?? at,
    );
  }
  if (/map values/.test(error.message))
    return syntax("there is no value for this key", "write key: value, with a colon and a space");
  const [message, hint] = own[error.code] ?? [];
  return syntax(message ?? reworded(error.message), hint ?? null, at);
}

/** The nearest line above that begins with a key; empty for none. */
function keyAbove(text: string, lineStart: number): string {
  return (
    text
      .slice(0, lineStart)
      .split("\n")
      .findLast((line) => /^\s*[\w-]+\s*:/.test(line)) ?? ""
  );
}

/** A key as it may be shown: of `PASSWORD:secret`, where a space is missing, the rest is a value. */
export function shownKey(key: string): string {
  const plain = /^[\w.-]{0,100}/.exec(key)?.[0] ?? "";
  return plain.length < key.length ? `${plain}…` : plain;
}

/** Own words for errors of the parser: message (null keeps the parser's) and hint. */
const own: Partial<Record<YAMLError["code"], readonly [string | null, string]>> = {
  BLOCK_AS_IMPLICIT_KEY: [
    "there is a second colon on this line, or the indentation is off",
    "quote the value if the colon belongs to it; else give keys of one level the same indentation",
  ],
  MULTILINE_IMPLICIT_KEY: ["a key runs over more than one line", "is there a colon missing, or a quote?"],
  KEY_OVER_1024_CHARS: ["a key is longer than 1,024 characters", "is there a quote missing?"],
  BAD_DQ_ESCAPE: [
    "a backslash in double quotes begins an escape that there is not",
    "use single quotes, or double the backslash",
  ],
  BAD_SCALAR_START: [null, "quote the value"],
  RESOURCE_EXHAUSTION: [tooDeep, "take a level out"],
  BAD_INDENT: [null, "check the indentation"],
};

/** Returns where the quote or bracket begins that is still open at `at`. */
function openedAt(doc: Document, at: number, what: "quote" | "bracket"): number | null {
  let offset: number | null = null;
  visit(doc, {
    Node(_key, node) {
      const open =
        what === "quote" ? isScalar(node) && node.type?.startsWith("QUOTE") : (isMap(node) || isSeq(node)) && node.flow;
      const [start, end] = node.range ?? [Infinity, -Infinity];
      if (open === true && start < at && end >= at - 1) offset = what === "quote" ? start : (offset ?? start);
    },
  });
  return offset;
}

/** The parser's message without what it quotes of the text, which may be a secret. */
function reworded(message: string): string {
  return message.charAt(0).toLowerCase() + message.slice(1, 200).replace(/(\w): .*$/s, "$1");
}
