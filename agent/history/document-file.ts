// Reads a batch's history.json, whole, as rows or as the text of rows.
import { messageOf } from "../errors.ts";
import type { ExecutionId } from "../model/ids.ts";
import { errorCode, isPassing, readPlainBytes } from "../platform/files.ts";
import {
  isDocument,
  isHead,
  rowId,
  rowText,
  splitDocument,
  type BatchDocument,
  type DocumentText,
} from "./document.ts";

const maxDocumentBytes = 256 * 1024 * 1024;

/**
 * A document as it was found. `offsets`: where each row begins; null where the file must be written anew before rows
 * can be read one by one.
 */
export interface FoundDocument {
  document: BatchDocument;
  offsets: ReadonlyMap<ExecutionId, number> | null;
}

/**
 * Reads a document; null where there is none, the reason where it cannot be read. Throws for what may pass, where
 * descriptors or memory run out or the disk fails: the document may be whole.
 */
export function readDocument(path: string, name: string): FoundDocument | string | null {
  try {
    const text = readPlainBytes(path, maxDocumentBytes, "refuse").toString("utf8");
    const value: unknown = JSON.parse(text);
    if (!isDocument(value, name)) return "it does not hold what a history holds";
    const isOurs = splitDocument(text)?.rows.size === value.executions.length;
    return { document: value, offsets: isOurs ? offsetsOf(text) : null };
  } catch (error) {
    if (isPassing(error)) throw error;
    return errorCode(error) === "ENOENT" ? null : messageOf(error);
  }
}

/**
 * Reads a document as text. Rows that stand line by line are not looked into: they were checked when they were read
 * first. Throws as `readDocument` does.
 */
export function readDocumentText(path: string, name: string): DocumentText | string | null {
  try {
    const split = splitDocument(readPlainBytes(path, maxDocumentBytes, "refuse").toString("utf8"));
    if (split !== null && isHead(split.head, name)) return split;
  } catch (error) {
    if (isPassing(error)) throw error;
    return errorCode(error) === "ENOENT" ? null : messageOf(error);
  }
  const found = readDocument(path, name);
  if (found === null || typeof found === "string") return found;
  const { executions, ...head } = found.document;
  return { head, rows: new Map(executions.map((row) => [row.id, rowText(row)])) };
}

/** Returns where each row begins in a document's text, in bytes. */
export function offsetsOf(text: string): Map<ExecutionId, number> {
  const offsets = new Map<ExecutionId, number>();
  let at = 0;
  for (const line of text.split("\n")) {
    const id = rowId(line);
    if (id !== null) offsets.set(id, at);
    at += Buffer.byteLength(line) + 1;
  }
  return offsets;
}
