// The durable record: the state in memory, the journal that makes it durable, the documents that the journal ends in, and
// the index of all that is on record. This file wires them, commits, and keeps the journal within its bounds.
import { join } from "node:path";
import type { Clock } from "../async/clock.ts";
import { StoreError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { Execution } from "../model/execution.ts";
import type { BatchName, ExecutionId, Iso, RunId } from "../model/ids.ts";
import { writeDurably } from "../platform/durable.ts";
import { mapLimit } from "../platform/files.ts";
import { batchOf, encodeLine, isEvent, numbered, type Change } from "./change.ts";
import { Checkpoints } from "./checkpoints.ts";
import { newHead, type Head } from "./document.ts";
import type { Documents } from "./documents.ts";
import { EventRing } from "./events.ts";
import { maxJournalBytes, maxSegments, segmentBytes, type FoundLine, type Journal } from "./journal.ts";
import { Pending } from "./pending.ts";
import type { Listener, Note, Recorder } from "./port.ts";
import { readFile } from "./read-file.ts";
import { outlineOf, runKey, type Outline, type RowIndex } from "./row-index.ts";
import type { State } from "./state.ts";

const retryMs = 1_000;
/** A lazy commit waits so long for others to share their sync. */
const lazyMs = 100;
/** From three quarters of its bounds on the journal's oldest segments are written to their documents, down to a half. */
const reclaimFrom = 0.75;
const reclaimTo = 0.5;
/** Documents written at once: many of them share one sync of their file system. */
const parallelWrites = 128;
const quietMs = 600_000;
const quietCheckMs = 60_000;
const maxEventBytes = 64 * 1024 * 1024;

interface Waiter {
  done(): void;
  failed(error: StoreError): void;
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
  readonly #journal: Journal;
  readonly #documents: Documents;
  readonly #index: RowIndex;
  readonly #state: State;
  readonly #checkpoints: Checkpoints;
  readonly #eventsPath: string;
  #ring: EventRing;
  /** The number of the next change. */
  #seq: number;
  /** The last number of each segment. */
  readonly #lastOf = new Map<number, number>();
  /** Documents written so far. */
  checkpointed = 0;
  #pending = new Pending();
  #waiters: Waiter[] = [];
  #durableWaiters: (() => void)[] = [];
  /** Executions and heads with changes that are not durable yet, as they are on disk; null for what is not there at all. */
  readonly #durableRows = new Map<ExecutionId, Execution | null>();
  readonly #durableHeads = new Map<string, Head | null>();
  /** Executions whose deletion is not durable yet: nobody sees them any more. */
  readonly #deleted = new Set<ExecutionId>();
  /** Executions with changes that are not durable yet, by batch. */
  readonly #undurable = new Map<BatchName, Set<ExecutionId>>();
  /** What the next commit about a batch carries: executions, with what the journal says of them, and fields of its head. */
  readonly #noted = new Map<BatchName, Map<ExecutionId, { execution: Execution; journaled: Execution | null }>>();
  readonly #notedHeads = new Map<BatchName, Partial<Head>>();
  readonly #listeners: Listener[] = [];
  readonly #deleting = new Set<Promise<void>>();
  #flushing: Promise<void> | null = null;
  #scheduled = false;
  #cancelLazy: (() => void) | null = null;
  #cancelQuiet: () => void = () => undefined;
  #failure: StoreError | null = null;
  #checkpointFailure: StoreError | null = null;
  #reclaiming: Promise<void> | null = null;
  /** One at a time writes to the journal or deletes of it. */
  #journalWork: Promise<unknown> = Promise.resolve();

  constructor({ dataDir, clock, log, journal, documents, index, state }: StoreParts) {
    this.#clock = clock;
    this.#log = log;
    this.#journal = journal;
    this.#documents = documents;
    this.#index = index;
    this.#state = state;
    this.#eventsPath = join(dataDir, "events.jsonl");
    this.#ring = readEvents(this.#eventsPath) ?? new EventRing(Math.floor(clock.now() / 1000) * 1_000_000);
    this.#seq = this.#ring.newest + 1;
    this.#checkpoints = new Checkpoints(documents, {
      head: (name) => this.#durableHead(name),
      row: (id) => this.#journaled(id) ?? undefined,
      onWritten: (_name, rows, offsets) => {
        this.checkpointed += 1;
        for (const [id, offset] of offsets) index.setOffset(id, offset);
        for (const id of rows) this.#release(id);
      },
    });
  }

  /** Takes in what the journal says beyond the documents. Before anything else. */
  replay(lines: readonly FoundLine[]): void {
    const now = this.#clock.now();
    for (const { seq, changes, segment, repeated } of lines) {
      this.#state.apply(changes, new Date(now).toISOString());
      for (const { change, number } of numbered(changes, seq)) {
        this.#settle(change);
        this.#checkpoints.mark(change, segment, now);
        if (number !== null && repeated !== true) this.#ring.add(number, change);
      }
      const next = seq + (repeated === true ? 0 : changes.filter(isEvent).length);
      this.#lastOf.set(segment, next - 1);
      this.#seq = Math.max(this.#seq, next);
    }
    this.#checkQuiet();
  }

  /** Holds a row that its document must be written anew for, or that is needed in memory. */
  hold(execution: Execution, isBehind: boolean): void {
    this.#state.hold(execution);
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
    return this.#state.held.get(id as ExecutionId);
  }

  runKeyOf(id: string): number | undefined {
    const held = this.#state.held.get(id as ExecutionId);
    if (held !== undefined) return runKey(held.run);
    const slot = this.#index.slotOf(id);
    return slot < 0 ? undefined : this.#index.runKeyOf(slot);
  }

  openRun(run: RunId): ReadonlyMap<string, Execution> {
    return this.#state.openRun(run);
  }

  *recent(name: string): Generator<Outline> {
    const fresh = [...(this.#undurable.get(name as BatchName) ?? [])]
      .sort()
      .flatMap((id) => this.#state.held.get(id) ?? []);
    for (const slot of this.#index.ofBatch(name)) {
      const id = this.#index.idOf(slot);
      for (let next = fresh.at(-1); next !== undefined && next.id >= id; next = fresh.at(-1)) {
        yield outlineOf(next);
        fresh.pop();
      }
      if (!this.#durableRows.has(id) && !this.#deleted.has(id)) yield this.#index.outline(slot);
    }
    for (const execution of fresh.reverse()) yield outlineOf(execution);
  }

  count(name: string): number {
    return this.#index.count(name);
  }

  revisions() {
    return this.#index.revisions();
  }

  /** An execution as readers see it, from memory; null for one that is not on record yet, undefined where the disk must be asked. */
  shown(id: ExecutionId): Execution | null | undefined {
    if (this.#deleted.has(id)) return null;
    const durable = this.#durableRows.get(id);
    return durable === undefined ? this.#state.held.get(id) : durable;
  }

  /** Executions that readers may see as open, by id. */
  mayBeOpen(): Set<ExecutionId> {
    return new Set([...this.#state.open().map(({ id }) => id), ...this.#durableRows.keys()]);
  }

  /** Batches of which the journal says what their document does not. */
  behind(): BatchName[] {
    return this.#checkpoints.behind();
  }

  get ring(): EventRing {
    return this.#ring;
  }

  subscribe(listener: Listener): void {
    this.#listeners.push(listener);
  }

  /** In memory at once: nothing is awaited between deciding and this, nor within it. */
  commit(given: readonly Change[], { lazy = false } = {}): Promise<void> {
    if (given.length === 0) return Promise.resolve();
    const now = new Date(this.#clock.now()).toISOString();
    const changes = this.#withNotes(given).map((change) => this.#dated(change, now));
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
    for (const id of this.#undurable.get(name as BatchName) ?? []) if (isIt(this.#state.held.get(id))) return true;
    const due = Date.parse(dueAt);
    for (const slot of this.#index.ofBatch(name)) {
      // It did not end before it was due.
      if (!this.#index.lastsUntil(slot, due)) continue;
      const id = this.#index.idOf(slot);
      if (isIt(this.#state.held.get(id) ?? this.#onDisk(id))) return true;
    }
    return false;
  }

  async durable(): Promise<void> {
    if (this.#pending.isEmpty && this.#flushing === null) return;
    await new Promise<void>((done) => this.#durableWaiters.push(done));
  }

  async deleteOrphans(): Promise<number> {
    let count = 0;
    for (const name of this.names()) {
      const orphans = (await this.#documents.executionFolders(name)).filter(
        (id) => this.#index.slotOf(id) < 0 && !this.#state.held.has(id as ExecutionId),
      );
      await this.#documents.deleteExecutions(name, orphans as ExecutionId[]);
      count += orphans.length;
    }
    return count;
  }

  /** Why the record cannot be written right now; null when all is well. */
  trouble(): StoreError | null {
    return this.#failure ?? this.#checkpointFailure;
  }

  /** Resolves when all is in the documents and the journal is empty. Rejects with StoreError if that cannot be; what was durable stays so. */
  async close(): Promise<void> {
    this.#cancelQuiet();
    const noted = new Set([...this.#noted.keys(), ...this.#notedHeads.keys()]);
    this.#pending.add([...noted].flatMap((name) => this.#takeNotes(name)));
    while (!this.#pending.isEmpty || this.#flushing !== null) {
      await this.#flush();
      if (this.#failure !== null) throw this.#failure;
    }
    await this.#reclaiming;
    let failure: unknown = null;
    await mapLimit(this.#checkpoints.behind(), parallelWrites, (name) =>
      this.#checkpoints.write(name).catch((error: unknown) => void (failure ??= error)),
    );
    await Promise.all(this.#deleting);
    if (failure !== null) throw failure as Error;
    await this.#exclusively(async () => {
      await this.#saveEvents();
      await this.#journal.dropBefore(Infinity);
    });
  }

  /** A batch that is new was first seen now, also for who reads this later. */
  #dated(change: Change, now: Iso): Change {
    if (change.kind !== "head" || this.#state.heads.has(change.batch)) return change;
    return { ...change, fields: { firstSeenAt: now, ...change.fields } };
  }

  #noteRow(change: Note & { kind: "put" }): void {
    const { execution } = change;
    const { id, batch } = execution;
    const isDurable = !this.#durableRows.has(id);
    const before = this.#state.held.get(id);
    this.#state.apply([change], execution.createdAt);
    const ofBatch =
      this.#noted.get(batch) ?? new Map<ExecutionId, { execution: Execution; journaled: Execution | null }>();
    const journaled = ofBatch.get(id)?.journaled ?? (isDurable ? before : this.#durableRows.get(id)) ?? null;
    this.#noted.set(batch, ofBatch.set(id, { execution, journaled }));
    if (!isDurable) return;
    this.#index.put(execution);
    for (const listener of this.#listeners) listener(null, change, before);
  }

  #noteHead(batch: BatchName, fields: Partial<Head>): void {
    if (!this.#durableHeads.has(batch)) this.#durableHeads.set(batch, this.#state.heads.get(batch) ?? null);
    this.#state.apply([{ kind: "head", batch, fields }], new Date(this.#clock.now()).toISOString());
    this.#notedHeads.set(batch, { ...this.#notedHeads.get(batch), ...fields });
  }

  /** What notes changed goes with the next commit about its batch; what that says itself comes after it. */
  #withNotes(given: readonly Change[]): readonly Change[] {
    if (this.#noted.size === 0 && this.#notedHeads.size === 0) return given;
    return [...[...new Set(given.map(batchOf))].flatMap((name) => this.#takeNotes(name as BatchName)), ...given];
  }

  #takeNotes(name: BatchName): Change[] {
    const rows = [...(this.#noted.get(name)?.values() ?? [])];
    const fields = this.#notedHeads.get(name);
    this.#noted.delete(name);
    this.#notedHeads.delete(name);
    return [
      ...(fields === undefined ? [] : [{ kind: "head", batch: name, fields } as const]),
      ...rows.map(({ execution }): Change => ({ kind: "put", execution })),
    ];
  }

  /** Keeps what readers go on seeing until a change is durable. */
  #remember(change: Change): void {
    if (change.kind === "head" && !this.#durableHeads.has(change.batch))
      this.#durableHeads.set(change.batch, this.#state.heads.get(change.batch) ?? null);
    if (change.kind === "delete") for (const id of change.ids) this.#deleted.add(id);
    if (change.kind !== "put") return;
    const { id, batch } = change.execution;
    if (!this.#durableRows.has(id)) this.#durableRows.set(id, this.#state.held.get(id) ?? this.#onDisk(id) ?? null);
    this.#undurable.set(batch, (this.#undurable.get(batch) ?? new Set()).add(id));
  }

  /** An execution as the journal has it, from memory. */
  #journaled(id: ExecutionId): Execution | null | undefined {
    const shown = this.shown(id);
    const noted = shown == null ? undefined : this.#noted.get(shown.batch)?.get(id);
    return noted === undefined ? shown : noted.journaled;
  }

  #onDisk(id: ExecutionId): Execution | undefined {
    const slot = this.#index.slotOf(id);
    const offset = slot < 0 ? null : this.#index.offsetOf(slot);
    return offset === null ? undefined : this.#documents.row(this.#index.batchOf(slot), id, offset);
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
      if (this.#failure === null && !this.#pending.isEmpty) this.#schedule(false);
    }));
  }

  async #flushAll(): Promise<void> {
    while (!this.#pending.isEmpty) {
      const changes = this.#withTouches(this.#pending.take());
      const waiters = this.#waiters.splice(0);
      try {
        await this.#write(changes);
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
    for (const done of this.#durableWaiters.splice(0)) done();
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
      if (this.#durableRows.get(id)?.status !== status) touched.add(batch);
    }
    for (const change of changes) if (change.kind === "touch") touched.delete(change.batch);
    return [...changes, ...[...touched].map((batch): Change => ({ kind: "touch", batch }))];
  }

  async #write(changes: readonly Change[]): Promise<void> {
    const seq = this.#seq;
    // Given up for good when the write fails: it may be on disk all the same, and a number is never another change's.
    this.#seq += changes.filter(isEvent).length;
    const line = encodeLine({ seq, changes });
    if (this.#journal.isFull(Buffer.byteLength(line))) await this.#reclaim(line.length);
    await this.#exclusively(async () => {
      const segment = await this.#journal.append(line);
      this.#lastOf.set(segment, this.#seq - 1);
      const last = new Map(changes.map((change) => [change.kind === "put" ? change.execution.id : change, change]));
      for (const { change, number } of numbered(changes, seq))
        this.#publish(change, number, segment, change.kind !== "put" || last.get(change.execution.id) === change);
    });
    if (this.#load() > reclaimFrom) void this.#reclaim(0).catch(() => undefined);
  }

  /** @param isLast  whether nothing later in its line is about the same execution */
  #publish(change: Change, number: number | null, segment: number, isLast: boolean): void {
    let before: Execution | undefined;
    if (change.kind === "put") {
      const { id } = change.execution;
      if (!this.#state.held.has(id)) return this.#forgetRow(change.execution); // deleted meanwhile
      before = this.#durableRows.get(id) ?? undefined;
      this.#durableRows.set(id, change.execution);
    } else if (change.kind === "head") {
      const durable = this.#durableHeads.get(change.batch);
      if (this.#pending.hasHead(change.batch) || this.#notedHeads.has(change.batch)) {
        const first = newHead(change.batch, change.fields.firstSeenAt ?? new Date(this.#clock.now()).toISOString());
        this.#durableHeads.set(change.batch, { ...(durable ?? first), ...change.fields });
      } else this.#durableHeads.delete(change.batch);
    }
    this.#settle(change);
    this.#checkpoints.mark(change, segment, this.#clock.now());
    if (change.kind === "put" && isLast && !this.#pending.hasPut(change.execution.id))
      this.#forgetRow(change.execution);
    if (change.kind === "delete") {
      for (const id of change.ids) this.#deleted.delete(id);
      this.#inBackground(this.#documents.deleteExecutions(change.batch, change.ids));
    }
    if (change.kind === "forget") this.#inBackground(this.#checkpoints.write(change.batch).catch(() => undefined));
    if (number !== null) this.#ring.add(number, change);
    for (const listener of this.#listeners) listener(number, change, before);
  }

  /** It is durable as it stands, or gone. */
  #forgetRow({ id, batch }: Execution): void {
    this.#durableRows.delete(id);
    const ofBatch = this.#undurable.get(batch);
    ofBatch?.delete(id);
    if (ofBatch?.size === 0) this.#undurable.delete(batch);
  }

  /** The index says what readers see. */
  #settle(change: Change): void {
    if (change.kind === "put") this.#index.put(change.execution);
    else if (change.kind === "delete") for (const id of change.ids) this.#index.remove(id);
    else if (change.kind === "forget")
      for (const slot of [...this.#index.ofBatch(change.batch)]) this.#index.remove(this.#index.idOf(slot));
  }

  #durableHead(name: BatchName): Head | undefined {
    const durable = this.#durableHeads.get(name);
    return durable === undefined ? this.#state.heads.get(name) : (durable ?? undefined);
  }

  /** Lets go of a row that stands in its document. */
  #release(id: ExecutionId): void {
    const execution = this.#state.held.get(id);
    if (execution === undefined || this.#state.isNeeded(execution) || this.#durableRows.has(id)) return;
    if (this.#checkpoints.has(execution.batch, id) || this.#noted.get(execution.batch)?.has(id) === true) return;
    this.#state.held.delete(id);
  }

  #inBackground(work: Promise<void>): void {
    this.#deleting.add(work);
    void work.finally(() => this.#deleting.delete(work));
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#journalWork.then(work, work);
    this.#journalWork = done.catch(() => undefined);
    return done;
  }

  /** The share of its bounds that the journal has reached. */
  #load(): number {
    const segments = this.#journal.segments();
    const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
    return Math.max(segments.length / maxSegments, bytes / maxJournalBytes);
  }

  /** Writes what the oldest segments say to the documents, and deletes them. Throws StoreError. */
  #reclaim(room: number): Promise<void> {
    return (this.#reclaiming ??= this.#reclaimSegments(room / maxJournalBytes).finally(
      () => (this.#reclaiming = null),
    ));
  }

  async #reclaimSegments(share: number): Promise<void> {
    for (;;) {
      const [oldest, ...others] = this.#journal.segments();
      if (oldest === undefined || this.#load() + share <= reclaimTo) return;
      if (others.length === 0 && oldest.bytes < segmentBytes) return; // it is being written
      const failed: BatchName[] = [];
      let failure: StoreError | null = null;
      await mapLimit(this.#checkpoints.behind(oldest.number), parallelWrites, async (name) => {
        try {
          await this.#checkpoints.write(name);
        } catch (error) {
          failed.push(name);
          failure = error as StoreError;
        }
      });
      if (failure !== null) this.#sayCheckpoint(failure);
      else this.#checkpointFailure = null;
      await this.#exclusively(async () => {
        if (failed.length > 0) {
          const changes = failed.flatMap((name) => this.#checkpoints.content(name));
          const segment = await this.#journal.append(encodeLine({ seq: this.#seq, changes, repeated: true }));
          this.#lastOf.set(segment, this.#seq - 1);
          for (const name of failed) this.#checkpoints.moved(name, segment);
        }
        await this.#drop(oldest.number);
      });
    }
  }

  /** Deletes the segments up to this one if no document is behind them. */
  async #drop(segment: number): Promise<void> {
    if (this.#checkpoints.behind(segment).length > 0) return;
    // Events that readers may still ask for must not go with it.
    if (this.#ring.oldest <= (this.#lastOf.get(segment) ?? Infinity)) await this.#saveEvents();
    await this.#journal.dropBefore(segment + 1);
    this.#lastOf.delete(segment);
  }

  async #saveEvents(): Promise<void> {
    try {
      await writeDurably(this.#eventsPath, this.#ring.text());
    } catch (error) {
      throw new StoreError("write", this.#eventsPath, error, "is there room in the data folder?");
    }
  }

  #sayCheckpoint(error: StoreError): void {
    if (this.#checkpointFailure === null) this.#log.error(error.message, { hint: error.hint });
    this.#checkpointFailure = error;
  }

  /** Now and then the documents of batches at rest are brought up to date, for people who read them. */
  #checkQuiet(): void {
    this.#cancelQuiet = this.#clock.after(quietCheckMs, () => {
      const names = this.#checkpoints.quietSince(this.#clock.now() - quietMs);
      void mapLimit(names, parallelWrites, (name) => this.#checkpoints.write(name)).then(
        () => (this.#checkpointFailure = null),
        (error: unknown) => this.#sayCheckpoint(error as StoreError),
      );
      this.#checkQuiet();
    });
  }
}

function readEvents(path: string): EventRing | null {
  try {
    return EventRing.parse(readFile(path, maxEventBytes).toString("utf8"));
  } catch {
    return null;
  }
}
