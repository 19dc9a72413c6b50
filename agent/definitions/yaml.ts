// YAML text → plain data with the places of its keys and values. Knows YAML's traps, nothing of batches.
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Document,
  type Node,
  type YAMLMap,
} from "yaml";
import type { Place } from "../model/problem.ts";
import type { Fault } from "./text-file.ts";
import { shownKey, syntaxFaults } from "./yaml-errors.ts";
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
function toData(doc: Document, addFault: (fault: Omit<Fault, "place">, offset: number) => void): unknown {
  let aliases = 0;
  let values = 0;
  const open = new Set<unknown>();

  function fail(code: Fault["code"], offset: number, message: string, hint: string | null): never {
    addFault({ code, path: [], message, hint }, offset);
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
        addFault(
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
