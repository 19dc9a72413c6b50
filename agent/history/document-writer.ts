// Keeps the journal within its bounds: writes what its oldest segments say to the documents and deletes them, and
// keeps the events that readers may still ask for. One at a time writes to the journal or deletes of it.
import { join } from "node:path";
import pMap from "p-map";
import type { Clock } from "../async/clock.ts";
import { StoreError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { BatchName } from "../model/ids.ts";
import { writeDurably } from "../platform/durable.ts";
import { isShortage, readPlainBytes } from "../platform/files.ts";
import { encodeLine, isEvent, type Change } from "./change.ts";
import type { Checkpoints } from "./checkpoints.ts";
import { EventRing } from "./events.ts";
import { maxSegments, segmentBytes, type FoundLine, type Journal } from "./journal.ts";
import { maxJournalBytes } from "./journal-segments.ts";

/**
 * From three quarters of its bounds on the journal's oldest segments are written to their documents, down to a half.
 */
const reclaimFrom = 0.75;
const reclaimTo = 0.5;
/** Documents written at once: many of them share one sync of their file system. */
const parallelWrites = 128;
const quietMs = 600_000;
const tidyMs = 10_000;
/** Time for documents at the end of the agent: whoever ends it may kill it soon, and the journal has it all. */
const closeMs = 15_000;
const maxEventBytes = 64 * 1024 * 1024;
/** Numbers of a new data folder begin at the second of its first start, times this: they are no other folder's. */
const numbersASecond = 1_000_000;

export class DocumentWriter {
  ring: EventRing;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #journal: Journal;
  readonly #checkpoints: Checkpoints;
  readonly #eventsPath: string;
  /** Whether a file said which events there were when the oldest line of the journal was written. */
  readonly #knowsEvents: boolean;
  /** The number of the next event. */
  #next: number;
  /** The last number of each segment. */
  readonly #lastOf = new Map<number, number>();
  /** Documents whose last write failed, and why. */
  readonly #failed = new Map<BatchName, StoreError>();
  #reclaiming: Promise<void> | null = null;
  #tidying: Promise<unknown> | null = null;
  #work: Promise<unknown> = Promise.resolve();
  #cancelTidy: () => void = () => undefined;
  /** From when on no document is written any more, by the monotonic clock. */
  #writesUntil = Infinity;

  constructor(dataDir: string, parts: { clock: Clock; log: Logger; journal: Journal; checkpoints: Checkpoints }) {
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#journal = parts.journal;
    this.#checkpoints = parts.checkpoints;
    this.#eventsPath = join(dataDir, "events.jsonl");
    const first = Math.floor(parts.clock.now() / 1000) * numbersASecond;
    const kept = readEvents(this.#eventsPath);
    this.#knowsEvents = kept !== null;
    this.ring = kept ?? new EventRing(first);
    this.#next = this.ring.newest + 1;
    this.#tidyRegularly();
  }

  /** Why a document cannot be written; null when all can. */
  get trouble(): StoreError | null {
    return this.#failed.values().next().value ?? null;
  }

  /**
   * Called before lines that were found, with the number of the first. An agent that was killed before it had to write
   * the file of events, as in its first life, leaves them in the journal alone, with numbers older than this start.
   */
  begin(seq: number): void {
    if (!this.#knowsEvents) this.ring = new EventRing(seq - 1);
  }

  /** Takes in the number of a line that was found. */
  found({ seq, changes, segment, repeated }: FoundLine): void {
    const next = seq + (repeated === true ? 0 : changes.filter(isEvent).length);
    this.#lastOf.set(segment, next - 1);
    this.#next = Math.max(this.#next, next);
  }

  /** Appends a commit, and calls `onDurable` before anything else is written. Throws StoreError. */
  async append(changes: readonly Change[], onDurable: (seq: number, segment: number) => void): Promise<void> {
    const seq = this.#next;
    // Given up for good when the write fails: it may be on disk all the same, and a number is never another change's.
    this.#next += changes.filter(isEvent).length;
    const last = this.#next - 1;
    const line = encodeLine({ seq, changes });
    const bytes = Buffer.byteLength(line);
    if (this.#journal.isFull(bytes)) await this.#reclaim(bytes);
    await this.#alone(async () => {
      const segment = await this.#journal.append(line);
      this.#lastOf.set(segment, last);
      onDurable(seq, segment);
    });
    if (this.#journal.hasLost()) void this.#write(this.#checkpoints.behind());
    if (this.#load() > reclaimFrom) void this.#reclaim(0).catch(() => undefined); // the next append says so
  }

  /**
   * Brings all documents up to date and empties the journal. Where a document cannot be written, or not in time, the
   * journal keeps what it lacks for the next agent. Throws StoreError where the journal itself cannot be written.
   */
  async close(): Promise<void> {
    this.#cancelTidy();
    this.#writesUntil = this.#clock.monotonic() + closeMs;
    await this.#reclaiming;
    const failed = await this.#write(this.#checkpoints.behind());
    if (failed.length > 0 && this.#isTooLate())
      this.#log.warn("not all documents were written in time; the journal keeps the rest", { left: failed.length });
    await this.#alone(async () => {
      await this.#saveEvents();
      if (failed.length === 0) await this.#journal.dropBefore(Infinity);
    });
  }

  /** The share of its bounds that the journal has reached. */
  #load(): number {
    const segments = this.#journal.segments();
    const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
    return Math.max(segments.length / maxSegments, bytes / maxJournalBytes);
  }

  /** Makes room for so many bytes. Throws StoreError. */
  #reclaim(bytes: number): Promise<void> {
    return (this.#reclaiming ??= this.#reclaimSegments(bytes / maxJournalBytes).finally(
      () => (this.#reclaiming = null),
    ));
  }

  async #reclaimSegments(share: number): Promise<void> {
    for (;;) {
      const [oldest, ...others] = this.#journal.segments();
      if (oldest === undefined || this.#load() + share <= reclaimTo) return;
      if (others.length === 0 && oldest.bytes < segmentBytes) return; // it is being written
      const failed = await this.#write(this.#checkpoints.behind(oldest.number));
      if (this.#isTooLate()) return;
      await this.#alone(async () => {
        if (failed.length > 0) await this.#repeat(failed);
        await this.#drop(oldest.number);
      });
    }
  }

  #isTooLate(): boolean {
    return this.#clock.monotonic() >= this.#writesUntil;
  }

  /** Brings documents up to date; returns those that could not be, or not in time. */
  async #write(names: readonly BatchName[]): Promise<BatchName[]> {
    const failed: BatchName[] = [];
    await pMap(
      names,
      async (name) => {
        if (this.#isTooLate()) return void failed.push(name);
        try {
          await this.#checkpoints.write(name);
          this.#failed.delete(name);
        } catch (error) {
          failed.push(name);
          const failure = error as StoreError;
          if (this.#failed.size === 0) this.#log.error(failure.message, { hint: failure.hint });
          this.#failed.set(name, failure);
        }
      },
      { concurrency: parallelWrites },
    );
    return failed;
  }

  /** Says again what documents lack that cannot be written: they must not hold up the journal for ever. */
  async #repeat(names: readonly BatchName[]): Promise<void> {
    const changes = names.flatMap((name) => this.#checkpoints.content(name));
    const segment = await this.#journal.append(encodeLine({ seq: this.#next, changes, repeated: true }));
    this.#lastOf.set(segment, this.#next - 1);
    for (const name of names) this.#checkpoints.moved(name, segment);
  }

  /** Deletes the segments up to this one if no document is behind them. */
  async #drop(segment: number): Promise<void> {
    if (this.#checkpoints.behind(segment).length > 0) return;
    if (this.ring.oldest <= (this.#lastOf.get(segment) ?? Infinity)) await this.#saveEvents();
    await this.#journal.dropBefore(segment + 1);
    this.#lastOf.delete(segment);
  }

  async #saveEvents(): Promise<void> {
    try {
      await writeDurably(this.#eventsPath, this.ring.text());
    } catch (error) {
      throw new StoreError("write", this.#eventsPath, error, "is there room in the data folder?");
    }
  }

  /**
   * Now and then brings the documents of batches at rest up to date, for people who read them, and tries again those
   * that could not be written.
   */
  #tidyRegularly(): void {
    this.#cancelTidy = this.#clock.after(tidyMs, () => {
      const names = new Set([...this.#checkpoints.quietSince(this.#clock.now() - quietMs), ...this.#failed.keys()]);
      if (names.size > 0) this.#tidying ??= this.#write([...names]).finally(() => (this.#tidying = null));
      this.#tidyRegularly();
    });
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#work.then(work, work);
    this.#work = done.catch(() => undefined);
    return done;
  }
}

/** Null where there are none, or none that can be read. Throws StoreError where descriptors or memory run out. */
function readEvents(path: string): EventRing | null {
  try {
    return EventRing.parse(readPlainBytes(path, maxEventBytes, "refuse").toString("utf8"));
  } catch (error) {
    if (isShortage(error)) throw new StoreError("read", path, error);
    return null;
  }
}
