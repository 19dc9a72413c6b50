// data/history.index: the index and all heads as they stood when it was written, so that a start need not read every
// document. A cache: checked against each document's size and time, and made anew when it is missing, damaged or of
// another form.
import { closeSync, readSync, statSync } from "node:fs";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { InvariantError } from "../errors.ts";
import type { BatchName } from "../model/ids.ts";
import { yieldToEventLoop } from "../async/yield.ts";
import { errorCode, openFileSync, openFresh, removeTree } from "../platform/files.ts";
import { isHead, type Head } from "./document.ts";
import { RowIndex, type IndexColumns } from "./row-index.ts";

/** Another form has another number; it is also the first thing in the file. */
const form = "batch-agent index 1\n";
const maxHeaderBytes = 256 * 1024 * 1024;
/** Written at once, so that nobody waits for the whole. */
const chunkBytes = 4 * 1024 * 1024;

/** A document by what its file says of itself. */
interface Stamp {
  size: number;
  mtimeMs: number;
  ino: number;
}

interface Header extends Omit<IndexColumns, "columns"> {
  count: number;
  crc: number;
  documents: { head: Head; stamp: Stamp }[];
}

/** Describes what the file holds that is still true. */
export interface LoadedIndex {
  heads: Map<BatchName, Head>;
  columns: IndexColumns;
}

const pathOf = (dataDir: string) => join(dataDir, "history.index");

/** Returns what a document's file says of itself; null where there is none. */
function stampOf(dataDir: string, name: string): Stamp | null {
  const info = statSync(join(dataDir, "batches", name, "history.json"), { throwIfNoEntry: false });
  return info === undefined ? null : { size: info.size, mtimeMs: info.mtimeMs, ino: info.ino };
}

/**
 * Writes the index of documents that are up to date. `head`: undefined for a batch whose document is not. Rejects on
 * I/O errors.
 */
export async function saveIndex(
  dataDir: string,
  index: RowIndex,
  head: (name: BatchName) => Head | undefined,
  names: readonly BatchName[],
): Promise<void> {
  const documents: Header["documents"] = [];
  for (const name of names) {
    const [current, stamp] = [head(name), stampOf(dataDir, name)];
    if (current !== undefined && stamp !== null) documents.push({ head: current, stamp });
    await yieldToEventLoop();
  }
  // A row that the index cannot lead to must not be left out in silence: its document is read again at the next start.
  const incomplete = index.withoutOffsets();
  const known = documents.filter(({ head: { name } }) => !incomplete.has(name));
  const written = new Set<string>(known.map((document) => document.head.name));
  // Whatever is checkpointed from here on has another stamp.
  const { columns, ...rest } = index.dump((name) => written.has(name));
  const bytes = columns.map(bytesOf);
  const crc = bytes.reduce((sum, part) => crc32(part, sum), 0);
  const header: Header = { ...rest, count: columns[1]?.length ?? 0, crc, documents: known };
  const text = Buffer.from(JSON.stringify(header));
  const lead = Buffer.from(`${form}${text.length} ${crc32(text)}\n`);
  const temporary = `${pathOf(dataDir)}.tmp`;
  const file = await openFresh(temporary);
  try {
    for (const part of [lead, text, ...bytes])
      for (let at = 0; at < part.length; at += chunkBytes) await file.write(part.subarray(at, at + chunkBytes));
  } finally {
    await file.close();
  }
  await rename(temporary, pathOf(dataDir)).catch(async (error: unknown) => {
    if (errorCode(error) !== "EISDIR") throw error;
    await removeTree(pathOf(dataDir)); // a cache, and a folder is none
    await rename(temporary, pathOf(dataDir));
  });
}

/** Reads what is still true of the index; null where there is none that can be used. Never throws. */
export function loadIndex(dataDir: string): LoadedIndex | null {
  let file: number;
  try {
    file = openFileSync(pathOf(dataDir), "refuse");
  } catch {
    return null;
  }
  try {
    return read(file, dataDir);
  } catch {
    return null;
  } finally {
    closeSync(file);
  }
}

function read(file: number, dataDir: string): LoadedIndex | null {
  const lead = Buffer.alloc(form.length + 40);
  readSync(file, lead, 0, lead.length, 0);
  const match = /^(\d{1,12}) (\d{1,10})\n/.exec(lead.toString("latin1", form.length));
  if (match === null || lead.toString("latin1", 0, form.length) !== form) return null;
  const length = Number(match[1]);
  if (length > maxHeaderBytes) return null;
  let at = form.length + match[0].length;
  const text = Buffer.allocUnsafe(length);
  if (readSync(file, text, 0, length, at) !== length || crc32(text) !== Number(match[2])) return null;
  at += length;
  const header = JSON.parse(text.toString("utf8")) as Header;
  const columns = RowIndex.columns(header.count);
  let crc = 0;
  for (const part of columns.map(bytesOf)) {
    fill(file, part, at);
    at += part.length;
    crc = crc32(part, crc);
  }
  if (crc !== header.crc) return null;
  const heads = new Map<BatchName, Head>();
  for (const { head, stamp } of header.documents) {
    const now = stampOf(dataDir, head.name);
    const isSame = now?.size === stamp.size && now.mtimeMs === stamp.mtimeMs && now.ino === stamp.ino;
    if (isSame && isHead(head, head.name)) heads.set(head.name, head);
  }
  const { names, revisions, reasons, odd } = header;
  return { heads, columns: { names, revisions, reasons, odd, columns } };
}

function fill(file: number, part: Uint8Array, from: number): void {
  for (let at = 0; at < part.length;) {
    const count = readSync(file, part, at, part.length - at, from + at);
    if (count === 0) throw new InvariantError("the index is shorter than it says");
    at += count;
  }
}

function bytesOf(column: IndexColumns["columns"][number]): Uint8Array {
  return new Uint8Array(column.buffer, column.byteOffset, column.byteLength);
}
