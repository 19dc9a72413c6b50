// YAML text → plain data with the places of its keys and values. Knows YAML's traps, nothing of batches.
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type Node,
  type YAMLError,
  type YAMLMap,
} from "yaml";
import type { Place } from "../model/problem.ts";
import type { Fault } from "./text-file.ts";
import { findExcess, maxAliases, maxValues, tooDeep } from "./yaml-limits.ts";

const maxDepth = 20;

export type Path = readonly (string | number)[];

export interface YamlFile {
  /** Maps as objects, lists as arrays; undefined when the text cannot be read, null when it holds nothing. */
  data: unknown;
  faults: Fault[];
  /**
   * Returns where the value (or the key) at `path` is; what is not there gives the place of the nearest thing around
   * it.
   */
  place: (path: Path, of: "key" | "value") => Place;
  /**
   * Text of the scalar at `path`, letter by letter as it stands in the file (`0x1F`, `1.10`); null for anything else.
   */
  written: (path: Path) => string | null;
}

/** Reads one document. Never throws. */
export function readYaml(text: string): YamlFile {
  try {
    return read(text);
  } catch (error) {
    // The stack is used up: by the parser, or by a walk over what it made.
    if (!(error instanceof RangeError)) throw error;
    const fault: Fault = { code: "yaml-syntax", path: [], place: null, message: tooDeep, hint: null };
    return { data: undefined, faults: [fault], place: () => ({ line: 1, column: 1 }), written: () => null };
  }
}

function read(text: string): YamlFile {
  const excess = findExcess(text);
  if (excess !== null) {
    const { offset, ...fault } = excess;
    const before = text.slice(0, offset);
    const at = { line: before.split("\n").length, column: offset - before.lastIndexOf("\n") };
    return {
      data: undefined,
      faults: [{ ...fault, path: [], place: at }],
      place: () => ({ line: 1, column: 1 }),
      written: () => null,
    };
  }
  const lines = new LineCounter();
  // Keys are compared below: the parser's own comparison takes quadratic time.
  const doc = parseQuietly(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
    schema: "core",
    resolveKnownTags: false,
    merge: false,
    logLevel: "error",
  });
  const placeOf = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return line === 0 ? { line: 1, column: 1 } : { line, column: col };
  };
  const place = (path: Path, of: "key" | "value") => placeOf(offsetOf(doc, path, of));
  const written = (path: Path): string | null => {
    const node = doc.getIn(path, true);
    return isScalar(node) && node.range != null ? text.slice(node.range[0], node.range[1]) : null;
  };
  const faults = syntaxFaults(text, doc, placeOf);
  if (faults.length > 0) return { data: undefined, faults, place, written };
  const data = toData(doc, (fault, offset) => faults.push({ ...fault, place: placeOf(offset) }));
  return { data, faults, place, written };
}

/** Each of its errors would note the whole stack, which takes longer than the parsing. */
function parseQuietly(...args: Parameters<typeof parseDocument>): Document {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return parseDocument(...args);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

class Stop extends Error {}

/** The document as plain data. Faults that leave the data in doubt end it with undefined. */
function toData(doc: Document, tell: (fault: Omit<Fault, "place">, offset: number) => void): unknown {
  let aliases = 0;
  let values = 0;
  const open = new Set<unknown>();

  function fail(code: Fault["code"], offset: number, message: string, hint: string | null): never {
    tell({ code, path: [], message, hint }, offset);
    throw new Stop();
  }

  function convert(node: unknown, path: Path, around: number): unknown {
    const offset = startOf(node) ?? around;
    if (++values > maxValues)
      fail("too-large", offset, `holds more than ${maxValues} values`, "keep data in a file of its own");
    if (path.length > maxDepth) fail("yaml-syntax", offset, `values are nested more than ${maxDepth} deep`, null);
    if (isAlias(node)) {
      if (++aliases > maxAliases)
        fail(
          "yaml-alias",
          offset,
          `aliases such as *${node.source} are followed more than ${maxAliases} times`,
          "write the values out",
        );
      const target = node.resolve(doc);
      if (target === undefined)
        fail(
          "yaml-syntax",
          offset,
          "a value that begins with * refers to an anchor, and there is none of that name",
          "quote it if the * belongs to the value",
        );
      if (open.has(target))
        fail("yaml-alias", offset, `the alias *${node.source} stands within what it refers to`, "write the values out");
      return convert(target, path, offset);
    }
    if (!isMap(node) && !isSeq(node)) return isScalar(node) ? node.value : null;
    open.add(node);
    const data = isSeq(node)
      ? node.items.map((item, index) => convert(item, [...path, index], offset))
      : convertMap(node, path, offset);
    open.delete(node);
    return data;
  }

  function convertMap(node: YAMLMap, path: Path, offset: number): Record<string, unknown> {
    const data: Record<string, unknown> = {};
    const seen = new Map<string, number>();
    for (const pair of node.items) {
      const at = startOf(pair.key) ?? offset;
      const key = keyText(pair.key);
      if (key === null) fail("yaml-syntax", at, "a key must be a plain word", "quote it if it is meant as text");
      const value = convert(pair.value, [...path, key], at);
      if (seen.has(key)) {
        tell(
          {
            code: "yaml-duplicate-key",
            path: [...path, key],
            message: `${shownKey(key)} is here a second time`,
            hint: "keep one of them",
          },
          at,
        );
        continue;
      }
      seen.set(key, at);
      Object.defineProperty(data, key, { value, enumerable: true, writable: true, configurable: true });
    }
    return data;
  }

  try {
    return convert(doc.contents, [], 0);
  } catch (error) {
    if (error instanceof Stop) return undefined;
    throw error;
  }
}

function keyText(key: unknown): string | null {
  if (!isScalar(key) || key.value === null) return null;
  return typeof key.value === "string" ? key.value : (key.source ?? JSON.stringify(key.value));
}

function startOf(node: unknown): number | null {
  return (node as Node | null | undefined)?.range?.[0] ?? null;
}

function offsetOf(doc: Document, path: Path, of: "key" | "value"): number {
  let node: unknown = doc.contents;
  let offset = startOf(node) ?? 0;
  for (const [index, step] of path.entries()) {
    if (isAlias(node)) node = node.resolve(doc);
    if (isSeq(node)) {
      node = node.items[Number(step)];
      offset = startOf(node) ?? offset;
      continue;
    }
    const pair = isMap(node) ? node.items.find((candidate) => keyText(candidate.key) === String(step)) : undefined;
    if (pair === undefined) return offset;
    const wantKey = (of === "key" && index === path.length - 1) || (isScalar(pair.value) && pair.value.value === null);
    offset = (wantKey ? null : startOf(pair.value)) ?? startOf(pair.key) ?? offset;
    node = pair.value;
  }
  return offset;
}

/** The first error of each line: what follows it there is mostly its echo. */
function syntaxFaults(text: string, doc: Document, placeOf: (offset: number) => Place): Fault[] {
  const faults: Fault[] = [];
  const lines = new Set<number>();
  let tabs = false;
  const tags = doc.warnings.filter((warning) => warning.code === "TAG_RESOLVE_FAILED");
  for (const error of [...doc.errors, ...tags].slice(0, 50)) {
    const told = tell(text, doc, error);
    const place = placeOf(told.offset ?? Math.min(error.pos[0], text.length));
    if (faults.length === 10) break;
    if (lines.has(place.line) || (told.code === "yaml-tab" && tabs)) continue;
    lines.add(place.line);
    tabs ||= told.code === "yaml-tab";
    faults.push({ code: told.code, path: [], place, message: told.message, hint: told.hint });
  }
  return faults;
}

interface Told {
  code: Fault["code"];
  message: string;
  hint: string | null;
  /** Tells where it really begins, if not where the parser gave up. */
  offset?: number;
}

function tell(text: string, doc: Document, error: YAMLError): Told {
  // At the end of the text is where it was given up; what was left open there is the cause.
  const atEnd = text.slice(error.pos[0]).trim() === "";
  const at = atEnd ? Math.min(error.pos[0], text.trimEnd().length) : error.pos[0];
  const lineStart = text.lastIndexOf("\n", at - 1) + 1;
  const line = text.slice(lineStart, lineStart + 500).split("\n", 1)[0] ?? "";
  const syntax = (message: string, hint: string | null, offset?: number): Told => ({
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
      hint: "a batch.yaml is one document: take out what follows the line ---",
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
