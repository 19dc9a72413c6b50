// Turns due times into starts: a heap of what comes next and one timer. Decides nothing itself (see catchup.ts).
import TinyQueue from "tinyqueue";
import type { Clock } from "../async/clock.ts";
import { prune } from "../async/prune.ts";
import type { Batch } from "../model/batch.ts";
import type { EpochMs, BatchName } from "../model/ids.ts";
import { decideDue, onTimeMs, trustedMark, type DueDecision } from "./catchup.ts";
import { comingStarts, nextDue } from "./schedule.ts";

/** The timer never sleeps longer, so that a clock that jumped or a machine that slept is noticed within this. */
const maxSleepMs = 1_000;
/** Starts handed over before others get a turn on the event loop. */
const slice = 200;

export interface Scheduler {
  /** Puts a batch on the schedule, in place of what was there; due times up to `coveredUntil` are done with. */
  set: (batch: Batch, coveredUntil: EpochMs) => void;
  remove: (name: BatchName) => void;
  /** The coming `count` starts of a batch, jitter included; none when it is not on the schedule. */
  next: (name: string, count: number) => EpochMs[];
  /** The first of these, without working it out anew; null when there is none. */
  first: (name: string) => EpochMs | null;
  start: () => void;
  stop: () => void;
}

/**
 * Returns what keeps the schedule equal to what is in force.
 * @param watermarkOf the time up to which a batch's due times are done with, ISO; undefined where nothing is on record
 */
export function followInForce(
  scheduler: Pick<Scheduler, "set" | "remove">,
  watermarkOf: (name: BatchName) => string | undefined,
) {
  return (name: BatchName, batch: Batch | null): void => {
    const watermark = watermarkOf(name);
    if (batch === null || !batch.enabled || batch.schedule === null || watermark === undefined) scheduler.remove(name);
    else scheduler.set(batch, Date.parse(watermark));
  };
}

interface Slot {
  batch: Batch;
  coveredUntil: EpochMs;
  /** The due time it stands in the heap for. */
  next: EpochMs | null;
}

/**
 * `onDue` gets each decision that has something to start or to tell; it must record it before it comes back next
 * time.
 */
export function createScheduler(deps: {
  clock: Clock;
  onDue: (batch: Batch, decision: DueDecision) => void;
}): Scheduler {
  const { clock, onDue } = deps;
  const slots = new Map<string, Slot>();
  const heap = new TinyQueue<{ at: EpochMs; slot: Slot }>([], (a, b) => a.at - b.at);
  let cancel: (() => void) | null = null;
  let going = false;
  let lastTick = clock.now();
  /**
   * Time that due times are judged by while those that were found due together are handed over, slice by slice: what
   * waits for its slice is not late for that. Null where all was handed over.
   */
  let round: EpochMs | null = null;

  function set(batch: Batch, mark: EpochMs): void {
    const { schedule } = batch;
    if (schedule === null) return remove(batch.name);
    const coveredUntil = trustedMark(mark, clock.now());
    const known = slots.get(batch.name);
    if (
      known?.batch.schedule?.key === schedule.key &&
      known.batch.schedule.jitterMs === schedule.jitterMs &&
      known.coveredUntil === coveredUntil
    ) {
      known.batch = batch; // the same schedule: its place in the heap stands
      return;
    }
    const slot: Slot = { batch, coveredUntil, next: null };
    slots.set(batch.name, slot);
    enqueue(slot, nextDue(schedule, coveredUntil));
    arm();
  }

  function remove(name: BatchName): void {
    slots.delete(name); // its entry in the heap is passed over when its time comes
    tidy();
  }

  function tidy(): void {
    if (heap.length > 2 * slots.size + 1_000) prune(heap, ({ slot }) => slots.get(slot.batch.name) === slot);
  }

  function enqueue(slot: Slot, due: EpochMs | null): void {
    slot.next = due;
    if (due !== null) heap.push({ at: startOf(slot, due), slot });
    tidy();
  }

  function startOf({ batch }: Slot, due: EpochMs): EpochMs {
    return due + (batch.schedule?.jitterMs ?? 0);
  }

  function arm(): void {
    if (!going) return;
    cancel?.();
    const first = heap.peek();
    const wait = first === undefined ? maxSleepMs : first.at - clock.now();
    cancel = clock.after(Math.min(Math.max(wait, 0), maxSleepMs), tick);
  }

  function tick(): void {
    cancel = null;
    const at = clock.now();
    if (at < lastTick) clockWentBack();
    // A machine that slept meanwhile, or a clock that was set: all is judged anew.
    const now = round === null || at < lastTick || at - lastTick > onTimeMs ? at : round;
    lastTick = at;
    for (let i = 0; i < slice; i++) {
      const first = heap.peek();
      if (first === undefined || first.at > now) break;
      heap.pop();
      const { slot } = first;
      if (slots.get(slot.batch.name) !== slot || slot.batch.schedule === null) continue;
      const { schedule, startDeadlineMs } = slot.batch;
      const decision = decideDue(schedule, slot.coveredUntil, startDeadlineMs, now);
      slot.coveredUntil = decision.coveredUntil;
      enqueue(slot, decision.next);
      if (decision.start !== null || decision.missed !== null) onDue(slot.batch, decision);
    }
    round = (heap.peek()?.at ?? Infinity) <= now ? now : null;
    arm();
  }

  /** Returns what counted on a time that is no longer near counts anew. */
  function clockWentBack(): void {
    for (const slot of slots.values())
      if (trustedMark(slot.coveredUntil, clock.now()) !== slot.coveredUntil) set(slot.batch, slot.coveredUntil);
  }

  return {
    set,
    remove,
    next(name, count) {
      const slot = slots.get(name);
      return slot?.batch.schedule == null
        ? []
        : comingStarts(slot.batch.schedule, slot.coveredUntil, count, clock.now());
    },
    first(name) {
      const slot = slots.get(name);
      return slot === undefined || slot.next === null ? null : startOf(slot, slot.next);
    },
    start() {
      going = true;
      arm();
    },
    stop() {
      going = false;
      cancel?.();
      cancel = null;
    },
  };
}
