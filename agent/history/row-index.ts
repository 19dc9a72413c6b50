// An index of every execution on record, in columns of numbers: some sixty bytes each, where a record takes a
// thousand. It answers lists, filters, cursors, counts and all that decisions ask of the past; what else a record
// says is read from its document. Longer than other files: the columns and all that reads them belong to one class,
// for what holds between them holds in all of it.  Invariants: a slot belongs to one execution until it is removed,
// and is used again only once `order` has forgotten it; `order` holds all slots by ascending id; `older` links the
// executions of a batch from its newest to its oldest.
import { statuses, type Execution, type ExecutionStatus, type Reason } from "../model/execution.ts";
import {
  iso,
  type BatchName,
  type EpochMs,
  type ExecutionId,
  type Iso,
  type Revision,
  type RunId,
} from "../model/ids.ts";

/** Describes what the index knows of an execution. */
export interface Outline {
  id: ExecutionId;
  batch: BatchName;
  status: ExecutionStatus;
  reason: Reason | null;
  unusual: Execution["unusual"];
  createdAt: Iso;
  startedAt: Iso | null;
  finishedAt: Iso | null;
  durationMs: number | null;
  /** Bytes of both logs. */
  outputBytes: number;
  /** Equal for executions of one run, and by a rare chance for others. */
  runKey: number;
  revision: Revision | null;
  /** The attempt that follows a failed one. */
  isRetry: boolean;
  /** A row for due times that nobody started. */
  isMissed: boolean;
  /** People are still to be told of its end, or heartbeats to be sent. */
  isNotifyDue: boolean;
}

/** Columns of numbers, one number (of ids four) an execution, by ascending id; and what their numbers stand for. */
export interface IndexColumns {
  names: readonly BatchName[];
  revisions: readonly Revision[];
  reasons: readonly (Reason | null)[];
  /** Rows that were created very far from their id's time, and when. */
  odd: readonly (readonly [number, EpochMs])[];
  columns: readonly (Uint32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint16Array<ArrayBuffer>)[];
}

/** When an execution was at work; `to`: null while it is, `from` for what never started. */
export interface Span {
  batch: BatchName;
  from: EpochMs;
  to: EpochMs | null;
  isStarted: boolean;
}

/** Describes what a search asks of executions; each list means any of it. */
export interface RowQuery {
  statuses?: readonly ExecutionStatus[];
  reasons?: readonly Reason[];
  batches?: ReadonlySet<string>;
  /** Created from then on, and up to then. */
  since?: EpochMs;
  until?: EpochMs;
  /** Only smaller ids. */
  before?: string;
}

/** Executions that share a summary of what occurs among them, as a power of two. */
const blockBits = 10;
/** Maximum unused slots before the order is made anew, beside an eighth of those in use. */
const spareSlots = 1_024;
const none = 0xffffffff;
const oddTime = 0x7fffffff;
const secondsBit = 0x80000000;
const base32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const digitOf = new Uint8Array(128);
for (let value = 0; value < base32.length; value++) digitOf[base32.charCodeAt(value)] = value;

const anomalies: readonly Execution["unusual"][] = [null, "too-fast", "too-slow", "too-quiet"];
/** Bits of `marks`: status 0 to 2 (0: the slot is free), reason 3 to 7, unusual 8 and 9, then the flags. */
const flag = { retry: 1 << 10, missed: 1 << 11, notifyDue: 1 << 12, logsDeleted: 1 << 13 };

function isNotifyDue({ notifyDue, pingDue = [] }: Execution): boolean {
  return notifyDue !== undefined || pingDue.length > 0;
}

/** A number for a run's id; two runs hardly ever share one. */
export function runKey(run: RunId | string): number {
  const words = new Uint32Array(4);
  packId(run, words, 0);
  const [a = 0, b = 0, c = 0, d = 0] = words;
  return (a ^ Math.imul(b, 0x85ebca6b) ^ Math.imul(c, 0x9e3779b1) ^ d) >>> 0;
}

/** Returns what the index would know of an execution. */
export function outlineOf(execution: Execution): Outline {
  const { id, batch, status, reason, unusual, createdAt, startedAt, finishedAt, durationMs, revision } = execution;
  return {
    id,
    batch,
    status,
    reason,
    unusual,
    createdAt,
    startedAt,
    finishedAt,
    durationMs,
    outputBytes: execution.stdoutBytes + execution.stderrBytes,
    runKey: runKey(execution.run),
    revision,
    isRetry: execution.trigger.kind === "retry",
    isMissed: execution.missed !== undefined,
    isNotifyDue: isNotifyDue(execution),
  };
}

export class RowIndex {
  #used = 0;
  #ids = new Uint32Array(0);
  #batch = new Uint32Array(0);
  #run = new Uint32Array(0);
  #revision = new Uint32Array(0);
  /** Created so many ms after the id's time; `oddTime`: see `#odd`. */
  #created = new Int32Array(0);
  /** Started so long after it was created. */
  #started = new Uint32Array(0);
  /** From its start to its end; of what never started, from its creation. */
  #took = new Uint32Array(0);
  #bytes = new Uint32Array(0);
  #marks = new Uint16Array(0);
  #older = new Uint32Array(0);
  /** Tells where its row begins in its document; `none` while it does not stand there. */
  #offset = new Uint32Array(0);
  #order = new Uint32Array(0);
  #ordered = 0;
  readonly #odd = new Map<number, EpochMs>();
  readonly #free: number[] = [];
  #dead: number[] = [];
  readonly #names: BatchName[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #newest: number[] = [];
  /** Executions of each batch by status. */
  readonly #tallies: Uint32Array[] = [];
  readonly #revisions: Revision[] = [];
  readonly #revisionNumbers = new Map<Revision, number>();
  readonly #revisionUses: number[] = [];
  readonly #reasons: (Reason | null)[] = [null];
  readonly #probe = new Uint32Array(4);

  /**
   * Tells which statuses (bits 0 to 4) and reasons (from bit 5 on) occur in each block of the order, or have; and
   * when its oldest was created.
   */
  #seen = new Uint32Array(0);
  #oldest = new Float64Array(0);
  /** Blocks from here on are to be summed up anew. */
  #summed = 0;

  /** Executions on record. */
  get size(): number {
    return this.#ordered - this.#dead.length;
  }

  /** Executions there is room for. */
  get capacity(): number {
    return this.#marks.length;
  }

  /** Makes room for `count` more at once. */
  reserve(count: number): void {
    const wanted = this.#used + count - this.#free.length;
    if (wanted <= this.#marks.length) return;
    const capacity = Math.max(wanted, Math.min(this.#used + (this.#used >> 3), this.#used + 65_536)) + 256;
    this.#ids = grown(this.#ids, capacity * 4);
    this.#batch = grown(this.#batch, capacity);
    this.#run = grown(this.#run, capacity);
    this.#revision = grown(this.#revision, capacity);
    this.#created = grown(this.#created, capacity);
    this.#started = grown(this.#started, capacity);
    this.#took = grown(this.#took, capacity);
    this.#bytes = grown(this.#bytes, capacity);
    this.#marks = grown(this.#marks, capacity);
    this.#older = grown(this.#older, capacity);
    this.#offset = grown(this.#offset, capacity);
    this.#order = grown(this.#order, capacity + 2 * spareSlots);
  }

  /** Adds or replaces. */
  put(execution: Execution): void {
    const known = this.slotOf(execution.id);
    if (known >= 0) {
      this.#tally(known, -1);
      this.#fill(known, execution);
      this.#tally(known, 1);
      this.#sum(this.#firstAtOrAfter(this.#ordered, this.#probe) >> blockBits, known);
      return;
    }
    this.reserve(1);
    const slot = this.#free.pop() ?? this.#used++;
    packId(execution.id, this.#ids, slot * 4);
    this.#offset[slot] = none;
    const batch = this.#numberOf(execution.batch);
    this.#batch[slot] = batch;
    this.#fill(slot, execution);
    this.#tally(slot, 1);
    this.#insert(slot);
    // Whatever is new is nearly always the newest of its batch.
    let after = none;
    let next = this.#newest[batch] ?? none;
    while (next !== none && this.#compare(next, slot) > 0) {
      after = next;
      next = this.#older[next] as number;
    }
    this.#older[slot] = next;
    if (after === none) this.#newest[batch] = slot;
    else this.#older[after] = slot;
  }

  /**
   * Adds executions that are new, in any order: nothing may be asked for until `sort` was called. `offset`: as for
   * `setOffset`.
   */
  append(execution: Execution, offset: number | null): void {
    this.reserve(1);
    const slot = this.#free.pop() ?? this.#used++;
    packId(execution.id, this.#ids, slot * 4);
    this.#offset[slot] = offset ?? none;
    this.#batch[slot] = this.#numberOf(execution.batch);
    this.#fill(slot, execution);
    this.#tally(slot, 1);
    this.#order[this.#ordered++] = slot;
  }

  /** Puts everything in its order after `append`. */
  sort(): void {
    this.#order.subarray(0, this.#ordered).sort((a, b) => this.#compare(a, b));
    this.#newest.fill(none);
    this.#summed = 0;
    for (let at = 0; at < this.#ordered; at++) {
      const slot = this.#order[at] as number;
      if (this.#marks[slot] === 0) continue;
      const batch = this.#batch[slot] as number;
      this.#older[slot] = this.#newest[batch] as number;
      this.#newest[batch] = slot;
    }
  }

  remove(id: string): void {
    const slot = this.slotOf(id);
    if (slot < 0) return;
    const batch = this.#batch[slot] as number;
    let after = none;
    for (let at = this.#newest[batch] as number; at !== slot; at = this.#older[at] as number) after = at;
    if (after === none) this.#newest[batch] = this.#older[slot] as number;
    else this.#older[after] = this.#older[slot] as number;
    this.#tally(slot, -1);
    this.#marks[slot] = 0;
    this.#odd.delete(slot);
    this.#dead.push(slot);
    if (this.#dead.length > spareSlots + (this.#ordered >> 3)) this.#compact();
  }

  /** −1 for one that is not on record. */
  slotOf(id: string): number {
    if (id.length !== 26) return -1;
    packId(id, this.#probe, 0);
    for (let at = this.#firstAtOrAfter(this.#ordered, this.#probe); at < this.#ordered; at++) {
      const slot = this.#order[at] as number;
      if (this.#compareTo(slot, this.#probe) !== 0) return -1;
      if (this.#marks[slot] !== 0) return slot;
    }
    return -1;
  }

  idOf(slot: number): ExecutionId {
    return unpackId(this.#ids, slot * 4) as ExecutionId;
  }

  batchOf(slot: number): BatchName {
    return this.#names[this.#batch[slot] as number] as BatchName;
  }

  statusOf(slot: number): ExecutionStatus {
    return statuses[((this.#marks[slot] as number) & 7) - 1] as ExecutionStatus;
  }

  reasonOf(slot: number): Reason | null {
    return this.#reasons[((this.#marks[slot] as number) >> 3) & 31] ?? null;
  }

  runKeyOf(slot: number): number {
    return this.#run[slot] as number;
  }

  createdAt(slot: number): EpochMs {
    const delta = this.#created[slot] as number;
    return delta === oddTime ? (this.#odd.get(slot) ?? 0) : this.idTime(slot) + delta;
  }

  offsetOf(slot: number): number | null {
    const offset = this.#offset[slot] as number;
    return offset === none ? null : offset;
  }

  setOffset(id: string, offset: number): void {
    const slot = this.slotOf(id);
    if (slot >= 0) this.#offset[slot] = offset;
  }

  isNotifyDue(slot: number): boolean {
    return ((this.#marks[slot] as number) & flag.notifyDue) !== 0;
  }

  /** When it was at work; null for what waits, or ended before a time. Without its outline: there may be a million. */
  spanSince(slot: number, time: EpochMs): Span | null {
    const status = (this.#marks[slot] as number) & 7;
    const wait = this.#started[slot] as number;
    const isStarted = wait !== none;
    if ((!isStarted && statuses[status - 1] !== "aborted") || !this.lastsUntil(slot, time)) return null;
    const from = this.createdAt(slot) + (isStarted ? decodeSpan(wait) : 0);
    const took = this.#took[slot] as number;
    return {
      batch: this.batchOf(slot),
      from,
      to: isStarted ? (took === none ? null : from + decodeSpan(took)) : from,
      isStarted,
    };
  }

  /** Returns whether it was created at or after a time, or had not ended by then. */
  lastsUntil(slot: number, time: EpochMs): boolean {
    const created = this.createdAt(slot);
    const [wait, took] = [this.#started[slot] as number, this.#took[slot] as number];
    return (
      created >= time || took === none || created + (wait === none ? 0 : decodeSpan(wait)) + decodeSpan(took) >= time
    );
  }

  outline(slot: number): Outline {
    const marks = this.#marks[slot] as number;
    const created = this.createdAt(slot);
    const [wait, took] = [this.#started[slot] as number, this.#took[slot] as number];
    const started = wait === none ? null : created + decodeSpan(wait);
    const span = took === none ? null : decodeSpan(took);
    return {
      id: this.idOf(slot),
      batch: this.batchOf(slot),
      status: this.statusOf(slot),
      reason: this.reasonOf(slot),
      unusual: anomalies[(marks >> 8) & 3] ?? null,
      createdAt: iso(created),
      startedAt: started === null ? null : iso(started),
      finishedAt: span === null ? null : iso((started ?? created) + span),
      durationMs: started === null ? null : span,
      outputBytes: decodeSpan(this.#bytes[slot] as number),
      runKey: this.#run[slot] as number,
      revision: this.#revisions[this.#revision[slot] as number] ?? null,
      isRetry: (marks & flag.retry) !== 0,
      isMissed: (marks & flag.missed) !== 0,
      isNotifyDue: (marks & flag.notifyDue) !== 0,
    };
  }

  /** Slots of a batch, newest first. Nothing may be removed meanwhile. */
  *ofBatch(name: string): Generator<number> {
    const batch = this.#numbers.get(name);
    if (batch === undefined) return;
    for (let slot = this.#newest[batch] as number; slot !== none; slot = this.#older[slot] as number) yield slot;
  }

  /**
   * Slots of all batches, newest first, those below the id `before` where one is given. Nothing may be removed
   * meanwhile.
   */
  *all(before?: string): Generator<number> {
    let at = this.#ordered;
    if (before !== undefined) {
      const probe = new Uint32Array(4);
      packId(before, probe, 0);
      at = this.#firstAtOrAfter(at, probe);
    }
    while (at-- > 0) {
      const slot = this.#order[at] as number;
      if (this.#marks[slot] !== 0) yield slot;
    }
  }

  /** The newest `limit` slots that are as asked for, newest first. */
  search({ statuses: wanted, reasons, batches, since, until, before }: RowQuery, limit: number): number[] {
    this.#sumUp();
    const status = wanted === undefined ? 31 : wanted.reduce((bits, each) => bits | (1 << statuses.indexOf(each)), 0);
    const numbers = reasons?.map((reason) => this.#reasons.indexOf(reason)).filter((number) => number >= 0);
    const reason = numbers?.reduce((bits, number) => bits | reasonBit(number), 0) ?? 0;
    const members = batches === undefined ? null : Uint8Array.from(this.#names, (name) => Number(batches.has(name)));
    let end = this.#ordered;
    if (before !== undefined) {
      const probe = new Uint32Array(4);
      packId(before, probe, 0);
      end = this.#firstAtOrAfter(end, probe);
    }
    const found: number[] = [];
    for (let block = (end - 1) >> blockBits; block >= 0 && end > 0; block--) {
      const seen = this.#seen[block] as number;
      const isEmpty = (seen & status) === 0 || (numbers !== undefined && (seen & reason) === 0);
      if (isEmpty || (until !== undefined && (this.#oldest[block] as number) > until)) continue;
      for (let at = Math.min(end, (block + 1) << blockBits) - 1; at >= block << blockBits; at--) {
        const slot = this.#order[at] as number;
        const marks = this.#marks[slot] as number;
        // An id is never older than its execution.
        if (since !== undefined && this.idTime(slot) < since) return found;
        if (marks === 0 || ((1 << ((marks & 7) - 1)) & status) === 0) continue;
        if (numbers !== undefined && !numbers.includes((marks >> 3) & 31)) continue;
        if (members !== null && members[this.#batch[slot] as number] !== 1) continue;
        if (since !== undefined && this.createdAt(slot) < since) continue;
        if (until !== undefined && this.createdAt(slot) > until) continue;
        if (found.push(slot) === limit) return found;
      }
    }
    return found;
  }

  /** Slots whose run has one of these keys. Looks at all there is. */
  ofRuns(keys: ReadonlySet<number>): number[] {
    const found: number[] = [];
    for (let slot = 0; slot < this.#used; slot++)
      if (keys.has(this.#run[slot] as number) && this.#marks[slot] !== 0) found.push(slot);
    return found.sort((a, b) => this.#compare(a, b));
  }

  /** The same for one run. */
  ofRun(key: number): number[] {
    const found: number[] = [];
    for (let slot = this.#run.indexOf(key); slot >= 0; slot = this.#run.indexOf(key, slot + 1))
      if (slot < this.#used && this.#marks[slot] !== 0) found.push(slot);
    return found.sort((a, b) => this.#compare(a, b));
  }

  /** Slots of what is queued or running. Looks at all there is. */
  open(): number[] {
    const found: number[] = [];
    for (let slot = 0; slot < this.#used; slot++) {
      const status = (this.#marks[slot] as number) & 7;
      if (status === 1 || status === 2) found.push(slot); // the first two of `statuses`
    }
    return found;
  }

  /** Slots of what people are still to be told of. Looks at all there is. */
  notifyDue(): number[] {
    const found: number[] = [];
    for (let slot = 0; slot < this.#used; slot++)
      if (((this.#marks[slot] as number) & flag.notifyDue) !== 0) found.push(slot);
    return found;
  }

  areLogsDeleted(slot: number): boolean {
    return ((this.#marks[slot] as number) & flag.logsDeleted) !== 0;
  }

  /** Bytes of all logs that ended executions have left. Looks at all there is. */
  logBytes(): number {
    let sum = 0;
    for (let slot = 0; slot < this.#used; slot++)
      if (this.#hasLogs(slot)) sum += decodeSpan(this.#bytes[slot] as number);
    return sum;
  }

  /** Slots of ended executions that have left logs, oldest first. Nothing may be removed meanwhile. */
  *oldestLogs(): Generator<number> {
    for (let at = 0; at < this.#ordered; at++) {
      const slot = this.#order[at] as number;
      if (this.#hasLogs(slot)) yield slot;
    }
  }

  #hasLogs(slot: number): boolean {
    const marks = this.#marks[slot] as number;
    return (marks & 7) > 2 && (marks & flag.logsDeleted) === 0 && (this.#bytes[slot] as number) > 0;
  }

  /** Executions of a batch. */
  count(name: string): number {
    const tally = this.#tallies[this.#numbers.get(name) ?? -1];
    return tally === undefined ? 0 : tally.reduce((sum, count) => sum + count, 0);
  }

  /** Executions of a batch by status. */
  counts(name: string): Record<ExecutionStatus, number> {
    const tally = this.#tallies[this.#numbers.get(name) ?? -1];
    return Object.fromEntries(statuses.map((status, at) => [status, tally?.[at] ?? 0])) as Record<
      ExecutionStatus,
      number
    >;
  }

  /** Revisions that some execution names. */
  revisions(): Revision[] {
    return this.#revisions.filter((_, number) => (this.#revisionUses[number] ?? 0) > 0);
  }

  newestId(): string | null {
    return this.#ordered === 0 ? null : this.idOf(this.#order[this.#ordered - 1] as number);
  }

  /** Columns for so many executions, in the order in which `dump` gives them. */
  static columns(count: number): IndexColumns["columns"] {
    const words = () => new Uint32Array(count);
    const ids = new Uint32Array(count * 4);
    return [
      ids,
      words(),
      words(),
      words(),
      new Int32Array(count),
      words(),
      words(),
      words(),
      new Uint16Array(count),
      words(),
    ];
  }

  /** Batches with executions of which nobody knows where they begin in their document. */
  withoutOffsets(): Set<BatchName> {
    const found = new Set<BatchName>();
    for (let slot = 0; slot < this.#used; slot++)
      if (this.#marks[slot] !== 0 && this.#offset[slot] === none) found.add(this.batchOf(slot));
    return found;
  }

  /** Copies what stands in the documents of these batches. */
  dump(isWanted: (name: BatchName) => boolean): IndexColumns {
    const wanted = this.#names.map(isWanted);
    const slots: number[] = [];
    for (let at = 0; at < this.#ordered; at++) {
      const slot = this.#order[at] as number;
      const isLive = this.#marks[slot] !== 0 && this.#offset[slot] !== none;
      if (isLive && wanted[this.#batch[slot] as number] === true) slots.push(slot);
    }
    const columns = RowIndex.columns(slots.length);
    for (const [at, column] of this.#columns().entries()) {
      const copy = columns[at];
      const width = at === 0 ? 4 : 1;
      if (copy === undefined) continue;
      for (let row = 0; row < slots.length; row++) {
        const slot = slots[row] as number;
        for (let word = 0; word < width; word++) copy[row * width + word] = column[slot * width + word] as number;
      }
    }
    const odd = slots.flatMap((slot, row): [number, EpochMs][] => {
      const created = this.#odd.get(slot);
      return created === undefined ? [] : [[row, created]];
    });
    return { names: this.#names, revisions: this.#revisions, reasons: this.#reasons, odd, columns };
  }

  /** Takes in what `dump` gave, but for the executions of some batches. Only into an index that is empty. */
  load({ names, revisions, reasons, odd, columns }: IndexColumns, isWanted: (name: BatchName) => boolean): void {
    const wanted = names.map(isWanted);
    const [ids, batch, run, revision, created, started, took, bytes, marks, offset] = columns as [
      Uint32Array<ArrayBuffer>,
      ...Uint32Array<ArrayBuffer>[],
    ];
    const count = batch?.length ?? 0;
    this.#ids = ids;
    this.#batch = batch as Uint32Array<ArrayBuffer>;
    this.#run = run as Uint32Array<ArrayBuffer>;
    this.#revision = revision as Uint32Array<ArrayBuffer>;
    this.#created = created as unknown as Int32Array<ArrayBuffer>;
    this.#started = started as Uint32Array<ArrayBuffer>;
    this.#took = took as Uint32Array<ArrayBuffer>;
    this.#bytes = bytes as Uint32Array<ArrayBuffer>;
    this.#marks = marks as unknown as Uint16Array<ArrayBuffer>;
    this.#offset = offset as Uint32Array<ArrayBuffer>;
    this.#older = new Uint32Array(count);
    this.#order = new Uint32Array(count);
    this.#used = count;
    for (const name of names) this.#numberOf(name);
    for (const each of revisions) this.#revisionNumber(each);
    for (const reason of reasons) this.#reasonNumber(reason);
    for (const [row, at] of odd) this.#odd.set(row, at);
    for (let slot = 0; slot < count; slot++) {
      const number = this.#batch[slot] as number;
      if (wanted[number] !== true) {
        this.#marks[slot] = 0;
        this.#odd.delete(slot);
        this.#free.push(slot);
        continue;
      }
      this.#tally(slot, 1);
      this.#order[this.#ordered++] = slot;
      this.#older[slot] = this.#newest[number] as number;
      this.#newest[number] = slot;
    }
  }

  /** Returns what is kept of an execution in a file; the rest is made from it. */
  #columns() {
    return [
      this.#ids,
      this.#batch,
      this.#run,
      this.#revision,
      this.#created,
      this.#started,
      this.#took,
      this.#bytes,
      this.#marks,
      this.#offset,
    ];
  }

  /** Adds a row to the summary of its block. */
  #sum(block: number, slot: number): void {
    if (block >= this.#summed) return; // it will be summed up anew
    const marks = this.#marks[slot] as number;
    this.#seen[block] = (this.#seen[block] as number) | (1 << ((marks & 7) - 1)) | reasonBit((marks >> 3) & 31);
    this.#oldest[block] = Math.min(this.#oldest[block] as number, this.createdAt(slot));
  }

  #sumUp(): void {
    const blocks = ((this.#ordered - 1) >> blockBits) + 1;
    if (this.#seen.length < blocks) {
      this.#seen = grown(this.#seen, blocks + 64);
      this.#oldest = grown(this.#oldest, blocks + 64);
    }
    for (let block = Math.min(this.#summed, blocks); block < blocks; block++) {
      this.#seen[block] = 0;
      this.#oldest[block] = Infinity;
      this.#summed = block + 1;
      for (let at = block << blockBits; at < Math.min(this.#ordered, (block + 1) << blockBits); at++) {
        const slot = this.#order[at] as number;
        if (this.#marks[slot] !== 0) this.#sum(block, slot);
      }
    }
    // The last block grows: what joins it is added as it comes.
  }

  #fill(slot: number, execution: Execution): void {
    const created = Date.parse(execution.createdAt);
    const delta = created - this.idTime(slot);
    const isOdd = Math.abs(delta) >= oddTime;
    if (isOdd) this.#odd.set(slot, created);
    this.#created[slot] = isOdd ? oddTime : delta;
    const started = execution.startedAt === null ? null : Date.parse(execution.startedAt);
    const finished = execution.finishedAt === null ? null : Date.parse(execution.finishedAt);
    this.#started[slot] = started === null ? none : encodeSpan(started - created);
    this.#took[slot] = finished === null ? none : encodeSpan(execution.durationMs ?? finished - (started ?? created));
    this.#bytes[slot] = encodeSpan(execution.stdoutBytes + execution.stderrBytes);
    this.#run[slot] = runKey(execution.run);
    this.#revision[slot] = this.#revisionNumber(execution.revision);
    this.#marks[slot] =
      (statuses.indexOf(execution.status) + 1) |
      (this.#reasonNumber(execution.reason) << 3) |
      (Math.max(0, anomalies.indexOf(execution.unusual)) << 8) |
      (execution.trigger.kind === "retry" ? flag.retry : 0) |
      (execution.missed === undefined ? 0 : flag.missed) |
      (isNotifyDue(execution) ? flag.notifyDue : 0) |
      (execution.logsDeleted === true ? flag.logsDeleted : 0);
  }

  #tally(slot: number, by: 1 | -1): void {
    const tally = this.#tallies[this.#batch[slot] as number];
    const at = ((this.#marks[slot] as number) & 7) - 1;
    if (tally !== undefined) tally[at] = (tally[at] ?? 0) + by;
    const revision = this.#revision[slot] as number;
    if (revision !== none) this.#revisionUses[revision] = (this.#revisionUses[revision] ?? 0) + by;
  }

  #numberOf(name: BatchName): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const number = this.#names.push(name) - 1;
    this.#numbers.set(name, number);
    this.#newest.push(none);
    this.#tallies.push(new Uint32Array(statuses.length));
    return number;
  }

  #revisionNumber(revision: Revision | null): number {
    if (revision === null) return none;
    const known = this.#revisionNumbers.get(revision);
    if (known !== undefined) return known;
    const number = this.#revisions.push(revision) - 1;
    this.#revisionNumbers.set(revision, number);
    return number;
  }

  /** There is room for 31 of them. */
  #reasonNumber(reason: Reason | null): number {
    const known = this.#reasons.indexOf(reason);
    return known >= 0 || this.#reasons.length > 31 ? Math.max(0, known) : this.#reasons.push(reason) - 1;
  }

  /** Puts a new slot where its id belongs, from the end: what is recorded now began a short time ago. */
  #insert(slot: number): void {
    let at = this.#ordered;
    while (at > 0 && this.#compare(this.#order[at - 1] as number, slot) > 0) at -= 1;
    this.#order.copyWithin(at + 1, at, this.#ordered);
    this.#order[at] = slot;
    this.#ordered += 1;
    if (at < this.#ordered - 1) this.#summed = Math.min(this.#summed, at >> blockBits);
    else this.#sum(at >> blockBits, slot);
  }

  /** Takes dead slots out of the order; from then on they may be used again. */
  #compact(): void {
    let kept = 0;
    for (let at = 0; at < this.#ordered; at++) {
      const slot = this.#order[at] as number;
      if (this.#marks[slot] !== 0) this.#order[kept++] = slot;
    }
    this.#ordered = kept;
    this.#summed = 0;
    for (const slot of this.#dead) this.#free.push(slot);
    this.#dead = [];
  }

  /** The first of the positions below `end` whose id is not below `probe`; `end` where there is none. */
  #firstAtOrAfter(end: number, probe: Uint32Array): number {
    let [low, high] = [0, end];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#compareTo(this.#order[middle] as number, probe) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** When its id was given. */
  idTime(slot: number): EpochMs {
    return (this.#ids[slot * 4] as number) * 65_536 + ((this.#ids[slot * 4 + 1] as number) >>> 16);
  }

  #compare(a: number, b: number): number {
    for (let word = 0; word < 4; word++) {
      const difference = (this.#ids[a * 4 + word] as number) - (this.#ids[b * 4 + word] as number);
      if (difference !== 0) return difference;
    }
    return 0;
  }

  #compareTo(slot: number, probe: Uint32Array): number {
    for (let word = 0; word < 4; word++) {
      const difference = (this.#ids[slot * 4 + word] as number) - (probe[word] as number);
      if (difference !== 0) return difference;
    }
    return 0;
  }
}

function grown<T extends Uint32Array | Int32Array | Uint16Array | Float64Array>(column: T, length: number): T {
  const larger = new (column.constructor as new (length: number) => T)(length);
  larger.set(column);
  return larger;
}

/** Bit of a reason in a block's summary; the last one stands for all that come late. */
function reasonBit(number: number): number {
  return 1 << (5 + Math.min(number, 26));
}

/** A time span in ms or a size in bytes: exact below 2^31, in thousands beyond. */
function encodeSpan(value: number): number {
  const whole = Math.max(0, Math.round(value));
  return whole < secondsBit ? whole : (secondsBit | Math.min(Math.round(whole / 1000), secondsBit - 2)) >>> 0;
}

function decodeSpan(code: number): number {
  return code < secondsBit ? code : (code - secondsBit) * 1000;
}

/** The 128 bits of a ULID as four words. */
function packId(id: string, words: Uint32Array, at: number): void {
  words.fill(0, at, at + 4);
  for (let i = 0; i < 26; i++) {
    const value = digitOf[id.charCodeAt(i) & 127] as number;
    const bit = Math.max(0, 5 * i - 2);
    const width = i === 0 ? 3 : 5;
    const word = at + (bit >> 5);
    const spare = 32 - (bit & 31) - width;
    if (spare >= 0) words[word] = (words[word] as number) | (value << spare);
    else {
      words[word] = (words[word] as number) | (value >>> -spare);
      words[word + 1] = (words[word + 1] as number) | (value << (32 + spare));
    }
  }
}

function unpackId(words: Uint32Array, at: number): string {
  let id = "";
  for (let i = 0; i < 26; i++) {
    const bit = Math.max(0, 5 * i - 2);
    const width = i === 0 ? 3 : 5;
    const word = at + (bit >> 5);
    const spare = 32 - (bit & 31) - width;
    const here = words[word] as number;
    const value = spare >= 0 ? here >>> spare : (here << -spare) | ((words[word + 1] as number) >>> (32 + spare));
    id += base32.charAt(value & (width === 3 ? 7 : 31));
  }
  return id;
}
