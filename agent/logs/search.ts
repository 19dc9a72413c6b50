// Searches the whole of a log for a plain text, chunk by chunk: others have their turn between two of them.
import type { FileHandle } from "node:fs/promises";
import { openPlain } from "../platform/files.ts";

/** Small enough for the processor's cache: larger ones take several times as long. */
const chunkBytes = 64 * 1024;
/** Bytes of a line that are shown, around what was found where the line is longer. */
const maxTextBytes = 1_000;
const textBeforeBytes = 200;
const newline = 0x0a;

export interface Found {
  /** Counts from 1. */
  line: number;
  /** For the line's first byte. */
  offset: number;
  text: string;
}

/** A text to look for: its case counts only where it has an upper-case letter. */
export interface Needle {
  text: string;
  /** Finds it among bytes read as Latin-1, or in decoded text where `isDecoded`. */
  pattern: RegExp;
  /** True where its bytes cannot be told: it holds the sign that stands for broken ones. */
  isDecoded: boolean;
}

export function needleOf(text: string): Needle {
  const ignoresCase = !/\p{Lu}/u.test(text);
  const isAscii = /^[\x20-\x7e\t]*$/.test(text);
  const isDecoded = text.includes("\ufffd");
  if (isAscii || isDecoded)
    return { text, isDecoded, pattern: new RegExp(escaped(text), `g${ignoresCase ? "i" : ""}${isAscii ? "" : "u"}`) };
  const spellings = Array.from(text).map((char) => (ignoresCase ? spellingsOf(char) : [char]));
  return { text, isDecoded, pattern: new RegExp(spellings.map(bytesPattern).join(""), "g") };
}

const escaped = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");

/** Matches each of these characters by its UTF-8 bytes, read as Latin-1. */
function bytesPattern(chars: readonly string[]): string {
  const all = chars.map((char) => escaped(Buffer.from(char).toString("latin1")));
  return all.length === 1 ? (all[0] as string) : `(?:${all.join("|")})`;
}

/** The characters that are the same when case is ignored, as far as one stands for one. */
function spellingsOf(char: string): string[] {
  if (/^[\x00-\x7f]$/.test(char)) return [...new Set([char, char.toUpperCase()])];
  cased ??= casedCharacters();
  return [...new Set([char, ...(cased.get(folded(char)) ?? [])])];
}

/** `Σ`, `σ`, `ς` are all `σ`; a character that becomes several in upper case (`ß`) is only put in lower case. */
function folded(char: string): string {
  const upper = char.toUpperCase();
  return (Array.from(upper).length === 1 ? upper : char).toLowerCase();
}

/** Characters beyond ASCII by what they are in lower case; made when first needed, in about 20 ms. */
let cased: ReadonlyMap<string, readonly string[]> | null = null;
/** No letter that has a case lies beyond it. */
const lastCased = 0x1e943;

function casedCharacters(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (let code = 0x80; code <= lastCased; code++) {
    if (code >= 0xd800 && code <= 0xdfff) continue; // halves of characters
    const char = String.fromCodePoint(code);
    const lower = folded(char);
    if (lower === char && char.toUpperCase() === char) continue;
    const same = found.get(lower);
    if (same === undefined) found.set(lower, [char]);
    else same.push(char);
  }
  return found;
}

/** Finds at most `limit` lines; nothing in what is no plain file. Stops early once `isGone`. */
export async function searchLog(path: string, needle: Needle, limit: number, isGone: () => boolean): Promise<Found[]> {
  const file = await openPlain(path);
  if (file === null) return [];
  try {
    return await searchFile(file, needle, limit, isGone);
  } finally {
    await file.close();
  }
}

async function searchFile(file: FileHandle, needle: Needle, limit: number, isGone: () => boolean): Promise<Found[]> {
  const found: Found[] = [];
  const buffer = Buffer.allocUnsafeSlow(2 * chunkBytes);
  const { size } = await file.stat();
  const overlap = Buffer.byteLength(needle.text) * 3 + 4;
  let line = 1;
  let lineStart = 0;
  let at = 0; // of the buffer's first byte
  let kept = 0; // bytes of the chunk before, which this one goes on from
  while (at + kept < size && found.length < limit && !isGone()) {
    const wanted = Math.min(chunkBytes, size - at - kept);
    const { bytesRead } = await file.read(buffer, kept, wanted, at + kept);
    if (bytesRead === 0) break;
    const filled = kept + bytesRead;
    const isEnd = at + filled >= size;
    const lines = buffer.lastIndexOf(newline, filled - 1) + 1;
    const length = lines > 0 && !isEnd ? lines : filled;
    const bytes = buffer.subarray(0, length);
    const plain = bytes.toString("latin1"); // ten times faster than UTF-8, and has the same newlines
    for (const match of matchesIn(bytes, plain, needle, limit - found.length + 1)) {
      const first = match.line === 0 ? lineStart : at + match.start;
      if (found.at(-1)?.offset === first) continue;
      if (found.length < limit) found.push({ line: line + match.line, offset: first, text: shownText(bytes, match) });
    }
    const ended = countLines(plain);
    line += ended;
    if (ended > 0) lineStart = at + bytes.lastIndexOf(newline) + 1;
    // In a line that is longer than a chunk, what is looked for may lie on both sides of the cut.
    const next = lines > 0 || isEnd ? length : Math.max(0, length - overlap);
    kept = filled - next;
    buffer.copyWithin(0, next, filled);
    at += next;
    if (isEnd) break;
  }
  return found;
}

interface Match {
  /** Newlines before it. */
  line: number;
  /** Bytes of its line among those that were searched. */
  start: number;
  end: number;
  /** About where in them it was found. */
  at: number;
}

/** Finds the first few lines that hold it, each once. */
function matchesIn(bytes: Buffer, plain: string, { pattern, isDecoded }: Needle, limit: number): Match[] {
  const hay = isDecoded ? bytes.toString("utf8") : plain;
  const matches: Match[] = [];
  let line = 0;
  let [charStart, byteStart] = [0, 0];
  pattern.lastIndex = 0;
  for (let found = pattern.exec(hay); found !== null && matches.length < limit; found = pattern.exec(hay)) {
    const at = found.index;
    for (let next = hay.indexOf("\n", charStart); next >= 0 && next < at; next = hay.indexOf("\n", charStart)) {
      line += 1;
      charStart = next + 1;
      byteStart = bytes.indexOf(newline, byteStart) + 1;
    }
    const newlineAt = bytes.indexOf(newline, byteStart);
    const end = newlineAt < 0 ? bytes.length : newlineAt;
    const before = isDecoded ? Buffer.byteLength(hay.slice(charStart, at)) : at - charStart;
    matches.push({ line, start: byteStart, end, at: Math.min(end, byteStart + before) });
    const rest = hay.indexOf("\n", at);
    if (rest < 0) break;
    pattern.lastIndex = rest + 1;
  }
  return matches;
}

function shownText(bytes: Buffer, { start, end, at }: Match): string {
  if (end - start <= maxTextBytes) return bytes.toString("utf8", start, end);
  let from = at - start < maxTextBytes / 2 ? start : at - textBeforeBytes;
  while (from > start && ((bytes[from] ?? 0) & 0xc0) === 0x80) from += 1; // inside a character
  let to = Math.min(end, from + maxTextBytes);
  while (to < end && to > from && ((bytes[to] ?? 0) & 0xc0) === 0x80) to -= 1;
  return `${from > start ? "…" : ""}${bytes.toString("utf8", from, to)}${to < end ? "…" : ""}`;
}

function countLines(text: string): number {
  let lines = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) lines += 1;
  return lines;
}
