// The durable record: the state in memory, the journal that makes it durable, the documents that the journal ends in,
// and the index of all that is on record. This file wires them and commits. Longer than other files: it is all of the
// one door through which the record changes.
import type { Clock } from "../async/clock.ts";
import type { StoreError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { Execution } from "../model/execution.ts";
import type { BatchName, ExecutionId, Iso, RunId } from "../model/ids.ts";
import { numbered, type Change } from "./change.ts";
import { Checkpoints } from "./checkpoints.ts";
import { newHead, type Head } from "./document.ts";
import type { Documents } from "./documents.ts";
import { DurableView } from "./durable-view.ts";
import type { EventRing } from "./events.ts";
import type { FoundLine, Journal } from "./journal.ts";
import { DocumentWriter } from "./document-writer.ts";
import { Notes } from "./notes.ts";
import { Pending } from "./pending.ts";
import type { Listener, Note, Recorder } from "./port.ts";
import { outlineOf, runKey, type Outline, type RowIndex } from "./row-index.ts";
import type { State } from "./state.ts";

const retryMs = 1_000;
/** A lazy commit waits so long for others to share their sync. */
const lazyMs = 100;
interface Waiter {
  done: () => void;
  failed: (error: StoreError) => void;
}

export interface StoreParts {
  dataDir: string;
  clock: Clock;
  log: Logger;
  journal: Journal;
  documents: Documents;
  index: RowIndex;
  state: State;
}

export class Store implements Recorder {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #documents: Documents;
  readonly #index: RowIndex;
  readonly #state: State;
  readonly #checkpoints: Checkpoints;
  readonly #writer: DocumentWriter;
  /** Documents written so far. */
  checkpointed = 0;
  #pending = new Pending();
  #waiters: Waiter[] = [];
  #durableWaiters: (() => void)[] = [];
  readonly #durable = new DurableView();
  readonly #notes = new Notes();
  readonly #listeners: Listener[] = [];
  readonly #deleting = new Set<Promise<void>>();
  #flushing: Promise<void> | null = null;
  #scheduled = false;
  #cancelLazy: (() => void) | null = null;
  #failure: StoreError | null = null;

  constructor({ dataDir, clock, log, journal, documents, index, state }: StoreParts) {
    this.#clock = clock;
    this.#log = log;
    this.#documents = documents;
    this.#index = index;
    this.#state = state;
    this.#checkpoints = new Checkpoints(documents, {
      head: (name) => {
        const durable = this.#durable.head(name);
        return durable === undefined ? state.heads.get(name) : (durable ?? undefined);
      },
      row: (id) => this.#journaled(id) ?? undefined,
      onWritten: (_name, rows, offsets) => {
        this.checkpointed += 1;
        for (const [id, offset] of offsets) index.setOffset(id, offset);
        for (const id of rows) this.#release(id);
      },
    });
    this.#writer = new DocumentWriter(dataDir, { clock, log, journal, checkpoints: this.#checkpoints });
  }

  /** Takes in what the journal says beyond the documents. Before anything else. */
  replay(lines: readonly FoundLine[]): void {
    const now = this.#clock.now();
    const [first] = lines;
    if (first !== undefined) this.#writer.begin(first.seq);
    for (const line of lines) {
      this.#state.apply(line.changes, new Date(now).toISOString());
      for (const { change, number } of numbered(line.changes, line.seq)) {
        this.#settle(change);
        this.#checkpoints.mark(change, line.segment, now);
        if (number !== null && line.repeated !== true) this.#writer.ring.add(number, change);
      }
      this.#writer.found(line);
    }
  }

  /** Holds a row that its document must be written anew for, or that is needed in memory. */
  keepInMemory(execution: Execution, isBehind: boolean): void {
    this.#state.keepInMemory(execution);
    if (isBehind) this.#checkpoints.mark({ kind: "put", execution }, 0, this.#clock.now());
  }

  names(): BatchName[] {
    return [...this.#state.heads.keys()];
  }

  head(name: string): Head | undefined {
    return this.#state.heads.get(name as BatchName);
  }

  open(): Execution[] {
    return this.#state.open();
  }

  current(id: string): Execution | undefined {
    return this.#state.inMemory.get(id as ExecutionId);
  }

  runKeyOf(id: string): number | undefined {
    const held = this.#state.inMemory.get(id as ExecutionId);
    if (held !== undefined) return runKey(held.run);
    const slot = this.#index.slotOf(id);
    return slot < 0 ? undefined : this.#index.runKeyOf(slot);
  }

  openRun(run: RunId): ReadonlyMap<string, Execution> {
    return this.#state.openRun(run);
  }

  inMemoryOf(run: RunId): Execution[] {
    return [...this.#state.inMemory.values()].filter((execution) => execution.run === run);
  }

  reopen(rows: readonly Execution[]): void {
    for (const row of rows)
      if (this.runKeyOf(row.id) !== undefined) this.#state.keepInMemory(this.#state.inMemory.get(row.id) ?? row);
  }

  *recent(name: string): Generator<Outline> {
    const fresh = this.#durable.idsOf(name).flatMap((id) => this.#state.inMemory.get(id) ?? []);
    for (const slot of this.#index.ofBatch(name)) {
      const id = this.#index.idOf(slot);
      for (let next = fresh.at(-1); next !== undefined && next.id >= id; next = fresh.at(-1)) {
        yield outlineOf(next);
        fresh.pop();
      }
      if (!this.#durable.has(id) && !this.#durable.isDeleted(id)) yield this.#index.outline(slot);
    }
    for (const execution of fresh.reverse()) yield outlineOf(execution);
  }

  count(name: string): number {
    return this.#index.count(name);
  }

  revisions() {
    return this.#index.revisions();
  }

  /**
   * An execution as readers see it, from memory; null for one that is not on record yet, undefined where the disk
   * must be asked.
   */
  shown(id: ExecutionId): Execution | null | undefined {
    const durable = this.#durable.row(id);
    return durable === undefined ? this.#state.inMemory.get(id) : durable;
  }

  /** Executions that readers may see as open, by id. */
  mayBeOpen(): Set<ExecutionId> {
    return new Set([...this.#state.open().map(({ id }) => id), ...this.#durable.ids()]);
  }

  /** Batches of which the journal says what their document does not. */
  behind(): BatchName[] {
    return this.#checkpoints.behind();
  }

  get ring(): EventRing {
    return this.#writer.ring;
  }

  subscribe(listener: Listener): void {
    this.#listeners.push(listener);
  }

  /** In memory at once: nothing is awaited between deciding and this, nor within it. */
  commit(given: readonly Change[], { lazy = false } = {}): Promise<void> {
    if (given.length === 0) return Promise.resolve();
    const now = new Date(this.#clock.now()).toISOString();
    const changes = this.#notes.before(given).map((change) => this.#dated(change, now));
    for (const change of changes) this.#remember(change);
    for (const id of this.#state.apply(changes, now)) this.#release(id);
    this.#pending.add(changes);
    const written = new Promise<void>((done, failed) => this.#waiters.push({ done, failed }));
    written.catch(() => undefined); // it is tried again, and said; who must know awaits it
    this.#schedule(lazy);
    return written;
  }

  note(changes: readonly Note[]): void {
    for (const change of changes) {
      if (change.kind === "head") this.#noteHead(change.batch, change.fields);
      else this.#noteRow(change);
    }
  }

  hasStarted(name: string, dueAt: Iso): boolean {
    const isIt = (row: Execution | undefined) =>
      row?.trigger.kind === "cron" && row.trigger.dueAt === dueAt && row.missed === undefined;
    for (const id of this.#durable.idsOf(name)) if (isIt(this.#state.inMemory.get(id))) return true;
    const due = Date.parse(dueAt);
    for (const slot of this.#index.ofBatch(name)) {
      // It did not end before it was due.
      if (!this.#index.lastsUntil(slot, due)) continue;
      const id = this.#index.idOf(slot);
      if (isIt(this.#state.inMemory.get(id) ?? this.#onDisk(id))) return true;
    }
    return false;
  }

  async durable(): Promise<void> {
    if (this.#pending.isEmpty && this.#flushing === null) return;
    if (this.#failure === null) this.#schedule(false); // what could wait has somebody who waits for it now
    await new Promise<void>((done) => this.#durableWaiters.push(done));
  }

  logBytes(): number {
    return this.#index.logBytes();
  }

  *oldestLogs(): Generator<Outline> {
    for (const slot of this.#index.oldestLogs()) {
      const id = this.#index.idOf(slot);
      if (this.#state.inMemory.get(id)?.logsDeleted !== true) yield this.#index.outline(slot);
    }
  }

  hasLogs(id: string): boolean {
    const held = this.#state.inMemory.get(id as ExecutionId);
    if (held !== undefined) return held.logsDeleted !== true;
    const slot = this.#index.slotOf(id);
    return slot >= 0 && !this.#index.areLogsDeleted(slot);
  }

  async deleteLogs(batch: BatchName, id: ExecutionId): Promise<void> {
    if (!this.hasLogs(id)) await this.#documents.deleteExecutions(batch, [id]);
  }

  async deleteOrphans(): Promise<number> {
    let count = 0;
    for (const name of this.names()) {
      const orphans = (await this.#documents.executionFolders(name)).filter((id) => !this.hasLogs(id));
      await this.#documents.deleteExecutions(name, orphans as ExecutionId[]);
      count += orphans.length;
    }
    return count;
  }

  /** Why the record cannot be written right now; null when all is well. */
  trouble(): StoreError | null {
    return this.#failure ?? this.#writer.trouble;
  }

  /** Resolves when all is in the documents, or else in the journal. Rejects with StoreError if that cannot be. */
  async close(): Promise<void> {
    this.#pending.add(this.#notes.drain());
    while (!this.#pending.isEmpty || this.#flushing !== null) {
      await this.#flush();
      if (this.#failure !== null) throw this.#failure;
    }
    await Promise.all(this.#deleting);
    await this.#writer.close();
  }

  /** A batch that is new was first seen now, also for who reads this later. */
  #dated(change: Change, now: Iso): Change {
    if (change.kind !== "head" || this.#state.heads.has(change.batch)) return change;
    return { ...change, fields: { firstSeenAt: now, ...change.fields } };
  }

  #noteRow(change: Note & { kind: "put" }): void {
    const { execution } = change;
    const { id } = execution;
    const isDurable = !this.#durable.has(id);
    const before = this.#state.inMemory.get(id);
    this.#notes.addRow(execution, (isDurable ? before : this.#durable.row(id)) ?? null);
    this.#state.apply([change], execution.createdAt);
    if (!isDurable) return;
    this.#index.put(execution);
    for (const listener of this.#listeners) listener(null, change, before);
  }

  #noteHead(batch: BatchName, fields: Partial<Head>): void {
    this.#durable.keepHead(batch, this.#state.heads.get(batch) ?? null);
    this.#state.apply([{ kind: "head", batch, fields }], new Date(this.#clock.now()).toISOString());
    this.#notes.addHead(batch, fields);
  }

  /** Keeps what readers go on seeing until a change is durable. */
  #remember(change: Change): void {
    if (change.kind === "head") this.#durable.keepHead(change.batch, this.#state.heads.get(change.batch) ?? null);
    else if (change.kind === "delete") this.#durable.keepDeleted(change.ids);
    else if (change.kind === "put") {
      const { id } = change.execution;
      this.#durable.keepRow(change.execution, () => this.#state.inMemory.get(id) ?? this.#onDisk(id) ?? null);
    }
  }

  /** An execution as the journal has it, from memory. */
  #journaled(id: ExecutionId): Execution | null | undefined {
    const shown = this.shown(id);
    const noted = shown == null ? undefined : this.#notes.row(shown.batch, id);
    return noted === undefined ? shown : noted.journaled;
  }

  /** Undefined also where it cannot be read just now: a commit is not to fail half way. */
  #onDisk(id: ExecutionId): Execution | undefined {
    const slot = this.#index.slotOf(id);
    const offset = slot < 0 ? null : this.#index.offsetOf(slot);
    if (offset === null) return undefined;
    try {
      return this.#documents.row(this.#index.batchOf(slot), id, offset);
    } catch {
      return undefined;
    }
  }

  #schedule(lazy: boolean): void {
    if (this.#scheduled || this.#flushing !== null) return;
    if (lazy) {
      this.#cancelLazy ??= this.#clock.after(lazyMs, () => void this.#flush());
      return;
    }
    this.#scheduled = true;
    // Once this turn is over: whatever changes together is written together.
    setImmediate(() => void this.#flush());
  }

  #flush(): Promise<void> {
    this.#scheduled = false;
    this.#cancelLazy?.();
    this.#cancelLazy = null;
    return (this.#flushing ??= this.#flushAll().finally(() => {
      this.#flushing = null;
      // Only now: who asks in between, as whoever has just heard of its commit may, would wait for the next one.
      if (this.#pending.isEmpty) for (const done of this.#durableWaiters.splice(0)) done();
      else if (this.#failure === null) this.#schedule(false);
    }));
  }

  async #flushAll(): Promise<void> {
    while (!this.#pending.isEmpty) {
      const changes = this.#withTouches(this.#pending.drain());
      const waiters = this.#waiters.splice(0);
      try {
        const last = new Map(changes.map((change) => [change.kind === "put" ? change.execution.id : change, change]));
        await this.#writer.append(changes, (seq, segment) => {
          for (const { change, number } of numbered(changes, seq))
            this.#publish(change, number, segment, change.kind !== "put" || last.get(change.execution.id) === change);
        });
      } catch (error) {
        this.#pending.putBack(changes);
        this.#fail(error as StoreError);
        for (const { failed } of waiters) failed(error as StoreError);
        return;
      }
      if (this.#failure !== null) this.#log.info("the history is written again");
      this.#failure = null;
      for (const { done } of waiters) done();
    }
  }

  #fail(error: StoreError): void {
    if (this.#failure === null) {
      this.#log.error(error.message, { hint: error.hint });
      this.#clock.after(retryMs, () => this.#retry());
    }
    this.#failure = error;
  }

  #retry(): void {
    void this.#flush().then(() => {
      if (this.#failure !== null) this.#clock.after(retryMs, () => this.#retry());
    });
  }

  /** A batch's last result and its figures change with its executions. */
  #withTouches(changes: readonly Change[]): Change[] {
    const touched = new Set<string>();
    for (const change of changes) {
      if (change.kind !== "put" || change.silent === true) continue;
      const { id, status, batch } = change.execution;
      if (this.#durable.row(id)?.status !== status) touched.add(batch);
    }
    for (const change of changes) if (change.kind === "touch") touched.delete(change.batch);
    return [...changes, ...[...touched].map((batch): Change => ({ kind: "touch", batch }))];
  }

  /** @param isLast  whether nothing later in its line is about the same execution */
  #publish(change: Change, number: number | null, segment: number, isLast: boolean): void {
    let before: Execution | undefined;
    if (change.kind === "put") {
      const { id } = change.execution;
      if (!this.#state.inMemory.has(id)) return this.#durable.dropRow(change.execution); // deleted meanwhile
      before = this.#durable.row(id) ?? undefined;
      this.#durable.moveRow(change.execution);
    } else if (change.kind === "head") {
      if (this.#pending.hasHead(change.batch) || this.#notes.hasHead(change.batch)) {
        const first = newHead(change.batch, change.fields.firstSeenAt ?? new Date(this.#clock.now()).toISOString());
        this.#durable.moveHead(change.batch, { ...(this.#durable.head(change.batch) ?? first), ...change.fields });
      } else this.#durable.dropHead(change.batch);
    }
    this.#settle(change);
    this.#checkpoints.mark(change, segment, this.#clock.now());
    if (change.kind === "put" && isLast && !this.#pending.hasPut(change.execution.id))
      this.#durable.dropRow(change.execution);
    if (change.kind === "delete") {
      this.#durable.dropDeleted(change.ids);
      this.#inBackground(this.#documents.deleteExecutions(change.batch, change.ids));
    }
    if (change.kind === "forget") this.#inBackground(this.#checkpoints.write(change.batch).catch(() => undefined));
    if (number !== null) this.#writer.ring.add(number, change);
    for (const listener of this.#listeners) listener(number, change, before);
  }

  /** The index says what readers see. */
  #settle(change: Change): void {
    if (change.kind === "put") this.#index.put(change.execution);
    else if (change.kind === "delete") for (const id of change.ids) this.#index.remove(id);
    else if (change.kind === "forget")
      for (const slot of [...this.#index.ofBatch(change.batch)]) this.#index.remove(this.#index.idOf(slot));
  }

  /** Lets go of a row that stands in its document. */
  #release(id: ExecutionId): void {
    const execution = this.#state.inMemory.get(id);
    if (execution === undefined || this.#state.isNeeded(execution) || this.#durable.has(id)) return;
    if (this.#checkpoints.has(execution.batch, id) || this.#notes.row(execution.batch, id) !== undefined) return;
    this.#state.inMemory.delete(id);
  }

  #inBackground(work: Promise<void>): void {
    this.#deleting.add(work);
    void work.finally(() => this.#deleting.delete(work));
  }
}
