// Opens the record: documents, then what the journal says beyond them.
import { join } from "node:path";
import type { Clock } from "../async/clock.ts";
import type { Logger } from "../logger.ts";
import { isOpen, type Execution } from "../model/execution.ts";
import type { Problem } from "../model/problem.ts";
import type { StoreError } from "../errors.ts";
import { syncFolder } from "../platform/durable.ts";
import { Documents } from "./documents.ts";
import { openJournal, quarantinedLines } from "./journal.ts";
import type { HistoryReader, Recorder } from "./port.ts";
import { createReader } from "./reader.ts";
import { RowIndex, runKey } from "./row-index.ts";
import { State } from "./state.ts";
import { Store } from "./store.ts";

/** What the composition root needs beyond the port. */
export interface OpenHistory {
  recorder: Recorder;
  reader: HistoryReader;
  /** Why the record cannot be written right now; null when all is well. */
  trouble(): StoreError | null;
  /** What was quarantined, as long as it lies there. */
  problems(): Problem[];
  /** The largest id there is. */
  newestId(): string | null;
  /** Resolves when all is in the documents and the journal is empty; rejects with the trouble if that cannot be. */
  close(): Promise<void>;
}

/** Opens data/batches and data/journal. What cannot be read is quarantined and said, and the rest goes on. Throws StoreError. */
export async function openHistory(dataDir: string, deps: { clock: Clock; log: Logger }): Promise<OpenHistory> {
  const documents = new Documents(join(dataDir, "batches"), deps);
  const index = new RowIndex();
  const state = new State();
  await documents.make();
  await syncFolder(dataDir);
  const folder = join(dataDir, "journal");
  const { journal, lines } = await openJournal(folder, deps);
  await syncFolder(dataDir);
  const store = new Store({ dataDir, ...deps, journal, documents, index, state });
  for (const name of await documents.names()) {
    const found = await documents.read(name);
    if (found === null) continue;
    const { executions, ...head } = found.document;
    state.heads.set(name, head);
    index.reserve(executions.length);
    for (const row of executions) {
      index.put(row);
      if (found.offsets !== null) index.setOffset(row.id, found.offsets.get(row.id) ?? 0);
      if (found.offsets === null || isOpen(row)) store.hold(row, found.offsets === null);
    }
  }
  store.replay(lines);
  holdOpenRuns(store, state, index, documents);
  return {
    recorder: store,
    reader: createReader(store, index, documents),
    trouble: () => store.trouble(),
    problems: () => [...quarantinedLines(folder), ...documents.problems()],
    newestId: () => index.newestId(),
    close: () => store.close(),
  };
}

/** What follows in a run depends on what has ended in it. */
function holdOpenRuns(store: Store, state: State, index: RowIndex, documents: Documents): void {
  const runs = new Set(state.open().map(({ run }) => run as string));
  if (runs.size === 0) return;
  const keys = new Set([...runs].map(runKey));
  for (const slot of index.ofRuns(keys)) {
    const id = index.idOf(slot);
    if (state.held.has(id)) continue;
    const offset = index.offsetOf(slot);
    const row: Execution | undefined = offset === null ? undefined : documents.row(index.batchOf(slot), id, offset);
    if (row !== undefined && runs.has(row.run)) store.hold(row, false);
  }
}
