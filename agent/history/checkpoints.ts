// Decides which documents are behind the journal, and bringing them up to date. A segment of the journal may go once
// no document is behind it.  Invariant: what a line of the journal says and its document does not is marked here,
// with the oldest segment that says it.
import type { Execution } from "../model/execution.ts";
import type { BatchName, EpochMs, ExecutionId } from "../model/ids.ts";
import type { Change } from "./change.ts";
import type { Head } from "./document.ts";
import type { Documents } from "./documents.ts";

interface Behind {
  /** The oldest segment that says what the document does not. */
  since: number;
  rows: Set<ExecutionId>;
  deleted: Set<ExecutionId>;
  /** All that the document holds is forgotten. */
  isAnew: boolean;
  changedAt: EpochMs;
}

export interface CheckpointSource {
  /** As it is durable; undefined for a batch that is forgotten. */
  head: (name: BatchName) => Head | undefined;
  row: (id: ExecutionId) => Execution | undefined;
  /** A document has been brought up to date: it holds these rows, where they begin. */
  onWritten: (name: BatchName, rows: Iterable<ExecutionId>, offsets: ReadonlyMap<ExecutionId, number>) => void;
}

export class Checkpoints {
  readonly #documents: Documents;
  readonly #source: CheckpointSource;
  readonly #behind = new Map<BatchName, Behind>();
  readonly #writing = new Map<BatchName, Behind>();
  readonly #running = new Map<BatchName, Promise<void>>();

  constructor(documents: Documents, source: CheckpointSource) {
    this.#documents = documents;
    this.#source = source;
  }

  mark(change: Change, segment: number, now: EpochMs): void {
    if (change.kind === "touch") return;
    const name = change.kind === "put" ? change.execution.batch : change.batch;
    const behind = this.#behind.get(name) ?? none(segment);
    this.#behind.set(name, behind);
    behind.changedAt = now;
    if (change.kind === "put") behind.rows.add(change.execution.id);
    else if (change.kind === "delete") {
      for (const id of change.ids) {
        behind.rows.delete(id);
        behind.deleted.add(id);
      }
    } else if (change.kind === "forget") {
      behind.rows.clear();
      behind.isAnew = true;
    }
  }

  /** Returns whether a row stands in the journal only. */
  has(name: BatchName, id: ExecutionId): boolean {
    return this.#behind.get(name)?.rows.has(id) === true || this.#writing.get(name)?.rows.has(id) === true;
  }

  /** Batches that are behind a segment, or one before it. */
  behind(segment = Infinity): BatchName[] {
    const names = [...this.#behind, ...this.#writing].flatMap(([name, { since }]) => (since <= segment ? name : []));
    return [...new Set(names)];
  }

  /** Batches of which nothing has changed since. */
  quietSince(time: EpochMs): BatchName[] {
    return [...this.#behind].flatMap(([name, { changedAt }]) => (changedAt < time ? name : []));
  }

  /** Brings one document up to date. Throws StoreError; it is behind as before then. */
  write(name: BatchName): Promise<void> {
    const before = this.#running.get(name) ?? Promise.resolve();
    const done = before
      .then(() => this.#write(name))
      .finally(() => {
        if (this.#running.get(name) === done) this.#running.delete(name);
      });
    this.#running.set(name, done);
    return done;
  }

  async #write(name: BatchName): Promise<void> {
    const behind = this.#behind.get(name);
    if (behind === undefined) return;
    this.#behind.delete(name);
    this.#writing.set(name, behind);
    try {
      // Nothing is awaited between taking the mark and reading what it stands for.
      const head = this.#source.head(name);
      if (head === undefined) {
        await this.#documents.delete(name);
        return;
      }
      const { rows, deleted, isAnew } = behind;
      const found = [...rows].flatMap((id) => this.#source.row(id) ?? []);
      const offsets = await this.#documents.write(name, { head, rows: found, deleted, isAnew });
      this.#writing.delete(name);
      this.#source.onWritten(name, rows, offsets);
    } catch (error) {
      this.#behind.set(name, merged(behind, this.#behind.get(name)));
      throw error;
    } finally {
      this.#writing.delete(name);
    }
  }

  /**
   * All that a document lacks, for a line of its own: its file cannot be written, and must not hold up the journal
   * for ever.
   */
  content(name: BatchName): Change[] {
    const behind = this.#behind.get(name);
    const head = this.#source.head(name);
    if (behind === undefined) return [];
    const forgotten: Change[] = behind.isAnew ? [{ kind: "forget", batch: name }] : [];
    if (head === undefined) return forgotten;
    const { name: _name, ...fields } = head;
    const ids = [...behind.deleted];
    return [
      ...forgotten,
      { kind: "head", batch: name, fields },
      ...(ids.length === 0 ? [] : [{ kind: "delete", batch: name, ids } as const]),
      ...[...behind.rows].flatMap((id) => {
        const execution = this.#source.row(id);
        return execution === undefined ? [] : { kind: "put" as const, execution };
      }),
    ];
  }

  /** Returns what `content` gave stands in this segment now. */
  moved(name: BatchName, segment: number): void {
    const behind = this.#behind.get(name);
    if (behind !== undefined) behind.since = segment;
  }
}

function none(segment: number): Behind {
  return { since: segment, rows: new Set(), deleted: new Set(), isAnew: false, changedAt: 0 };
}

function merged(older: Behind, newer: Behind | undefined): Behind {
  if (newer === undefined) return older;
  if (newer.isAnew) return { ...newer, since: older.since };
  const rows = new Set([...older.rows, ...newer.rows]);
  for (const id of newer.deleted) rows.delete(id);
  const deleted = new Set([...older.deleted, ...newer.deleted]);
  return { since: older.since, rows, deleted, isAnew: older.isAnew, changedAt: newer.changedAt };
}
