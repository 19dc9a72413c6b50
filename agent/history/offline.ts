// Reads the record of a data folder without an agent, running or not, and writes nothing.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../errors.ts";
import type { Execution } from "../model/execution.ts";
import type { BatchName, ExecutionId } from "../model/ids.ts";
import { errorCode } from "../platform/files.ts";
import type { Change } from "./change.ts";
import { newHead, type Head } from "./document.ts";
import { readDocument } from "./document-file.ts";
import { readJournal } from "./journal-segments.ts";

export interface OfflineRecord {
  batches: Map<string, { head: Head; rows: Map<ExecutionId, Execution> }>;
  /** Files that cannot be read, whole or in part, and why. */
  unreadable: { file: string; reason: string }[];
}

/** Returns whether an agent has used this folder. */
export function isDataFolder(dataDir: string): boolean {
  return existsSync(join(dataDir, "batches")) || existsSync(join(dataDir, "journal"));
}

/**
 * Reads documents and journal; what cannot be read is passed over and told. Throws on I/O errors other than of single
 * files.
 */
export function readRecord(dataDir: string): OfflineRecord {
  const record: OfflineRecord = { batches: new Map(), unreadable: [] };
  const folder = join(dataDir, "journal");
  // First the journal: a checkpoint that is made meanwhile says the same again.
  const onUnreadable = (segment: number, error: unknown) =>
    record.unreadable.push({ file: join(folder, `${segment}.jsonl`), reason: messageOf(error) });
  const lines = readJournal(folder, onUnreadable).flatMap(({ segment, parsed }) => {
    if (parsed.corrupt.length > 0)
      record.unreadable.push({ file: join(folder, `${segment}.jsonl`), reason: "lines cannot be read" });
    return parsed.lines;
  });
  for (const name of batchFolders(dataDir)) {
    const file = join(dataDir, "batches", name, "history.json");
    const found = readOrReason(file, name);
    if (typeof found === "string") record.unreadable.push({ file, reason: found });
    if (found === null || typeof found === "string") continue;
    const { executions, ...head } = found.document;
    record.batches.set(name, { head, rows: new Map(executions.map((row) => [row.id, row])) });
  }
  for (const { changes } of lines) for (const change of changes) apply(record, change);
  return record;
}

function readOrReason(file: string, name: string): ReturnType<typeof readDocument> {
  try {
    return readDocument(file, name);
  } catch (error) {
    return messageOf(error);
  }
}

function batchFolders(dataDir: string): string[] {
  try {
    const entries = readdirSync(join(dataDir, "batches"), { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith(".")).map(({ name }) => name);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
}

function apply({ batches }: OfflineRecord, change: Change): void {
  const of = (name: BatchName, seenAt: string) => {
    const known = batches.get(name) ?? { head: newHead(name, seenAt), rows: new Map<ExecutionId, Execution>() };
    batches.set(name, known);
    return known;
  };
  if (change.kind === "put")
    of(change.execution.batch, change.execution.createdAt).rows.set(change.execution.id, change.execution);
  else if (change.kind === "head") {
    const known = of(change.batch, change.fields.firstSeenAt ?? new Date(0).toISOString());
    known.head = { ...known.head, ...change.fields };
  } else if (change.kind === "delete") for (const id of change.ids) batches.get(change.batch)?.rows.delete(id);
  else if (change.kind === "forget") batches.delete(change.batch);
}
