// Opens the record: documents, then what the journal says beyond them.
import { join } from "node:path";
import type { Clock } from "../async/clock.ts";
import { periodic } from "../async/periodic.ts";
import type { Logger } from "../logger.ts";
import { isOpen, type Execution } from "../model/execution.ts";
import type { BatchName } from "../model/ids.ts";
import type { Problem } from "../model/problem.ts";
import { messageOf, type StoreError } from "../errors.ts";
import { syncFolder } from "../platform/durable.ts";
import type { EnsureFolder } from "../platform/folders.ts";
import type { Head } from "./document.ts";
import { Documents } from "./documents.ts";
import { loadIndex, saveIndex } from "./index-file.ts";
import { openJournal } from "./journal.ts";
import { quarantinedLines } from "./journal-segments.ts";
import type { HistoryReader, Recorder } from "./port.ts";
import { createReader } from "./reader.ts";
import { RowIndex, runKey } from "./row-index.ts";
import { State } from "./state.ts";
import { Store } from "./store.ts";

/** So many documents read at a start are worth writing the index for. */
const manyDocuments = 100;
const saveMs = 600_000;

interface Parts {
  documents: Documents;
  index: RowIndex;
  state: State;
  store: Store;
}

interface HistoryDeps {
  clock: Clock;
  log: Logger;
  /** Called right before each write where several agents take turns: throws once another one leads. */
  fence?: () => void;
  /** Puts folders of the data folder right that something else has taken the place of. */
  ensure?: EnsureFolder;
}

/** Describes what the composition root needs beyond the port. */
export interface OpenHistory {
  recorder: Recorder;
  reader: HistoryReader;
  /** Why the record cannot be written right now; null when all is well. */
  trouble: () => StoreError | null;
  /** Returns what was quarantined, as long as it lies there. */
  problems: () => Problem[];
  /** The largest id there is. */
  newestId: () => string | null;
  /**
   * Resolves when all is in the documents and the journal is empty, or where a document cannot be written, all it lacks
   * is kept in the journal. Rejects with the trouble where that cannot be either.
   */
  close: () => Promise<void>;
}

/**
 * Opens data/batches and data/journal. What cannot be read is quarantined and said, and the rest goes on. Throws
 * StoreError.
 */
export async function openHistory(dataDir: string, deps: HistoryDeps): Promise<OpenHistory> {
  const { clock, log } = deps;
  const documents = new Documents(join(dataDir, "batches"), deps);
  const index = new RowIndex();
  const state = new State();
  await documents.make();
  await syncFolder(dataDir);
  const folder = join(dataDir, "journal");
  const { journal, lines } = await openJournal(folder, deps);
  await syncFolder(dataDir);
  const store = new Store({ dataDir, ...deps, journal, documents, index, state });
  const read = await readDocuments(dataDir, { documents, index, state, store });
  const upToDate = (): ((name: BatchName) => Head | undefined) => {
    const behind = new Set(store.behind());
    return (name) => (behind.has(name) ? undefined : state.heads.get(name));
  };
  const cannotSave = (error: unknown) =>
    log.warn("the index of the history cannot be written; the next start takes longer", { error: messageOf(error) });
  const save = () => saveIndex(dataDir, index, upToDate(), store.names()).catch(cannotSave);
  if (read >= manyDocuments) await save();
  store.replay(lines);
  keepOpenRuns(store, state, index, documents);
  let saved = 0;
  const saves = periodic(clock, () => saveMs, saveIfDue, cannotSave);
  saves.start();
  /** Now and then, so that an agent that is killed has not all of them to read again. */
  async function saveIfDue(): Promise<void> {
    if (store.checkpointed - saved < Math.max(manyDocuments, state.heads.size / 10)) return;
    saved = store.checkpointed;
    await save();
  }
  return {
    recorder: store,
    reader: createReader(store, index, documents),
    trouble: () => store.trouble(),
    problems: () => [...quarantinedLines(folder), ...documents.problems()],
    newestId: () => index.newestId(),
    async close() {
      await saves.stop();
      await store.close();
      await save();
    },
  };
}

/** Reads the index, and each document that it does not know as it is; how many those were. */
async function readDocuments(dataDir: string, parts: Parts): Promise<number> {
  const { documents, index, state, store } = parts;
  const loaded = loadIndex(dataDir);
  if (loaded !== null) {
    index.load(loaded.columns, (name) => loaded.heads.has(name));
    for (const [name, head] of loaded.heads) state.heads.set(name, head);
  }
  for (const slot of index.open()) {
    const [name, id, offset] = [index.batchOf(slot), index.idOf(slot), index.offsetOf(slot)];
    if (!state.heads.has(name)) continue;
    const row = offset === null ? undefined : documents.row(name, id, offset);
    if (row !== undefined) store.keepInMemory(row, false);
    else if (state.heads.delete(name)) deleteIndexed(name, parts); // its document is not what the index says: read anew
  }
  let count = 0;
  for (const name of await documents.names()) {
    await documents.reportQuarantined(name);
    if (state.heads.has(name)) continue;
    const found = await documents.read(name);
    if (found === null) continue;
    count += 1;
    const { executions, ...head } = found.document;
    state.heads.set(name, head);
    index.reserve(executions.length);
    for (const row of executions) {
      index.append(row, found.offsets?.get(row.id) ?? null);
      if (found.offsets === null || isOpen(row)) store.keepInMemory(row, found.offsets === null);
    }
  }
  if (count > 0) index.sort();
  return count;
}

function deleteIndexed(name: BatchName, { index, state }: Parts): void {
  for (const id of [...index.ofBatch(name)].map((slot) => index.idOf(slot))) {
    index.remove(id);
    state.apply([{ kind: "delete", batch: name, ids: [id] }], "");
  }
}

/** Returns what follows in a run depends on what has ended in it. */
function keepOpenRuns(store: Store, state: State, index: RowIndex, documents: Documents): void {
  const runs = new Set(state.open().map(({ run }) => run as string));
  if (runs.size === 0) return;
  const keys = new Set([...runs].map(runKey));
  for (const slot of index.ofRuns(keys)) {
    const id = index.idOf(slot);
    if (state.inMemory.has(id)) continue;
    const offset = index.offsetOf(slot);
    const row: Execution | undefined = offset === null ? undefined : documents.row(index.batchOf(slot), id, offset);
    if (row !== undefined && runs.has(row.run)) store.keepInMemory(row, false);
  }
}
