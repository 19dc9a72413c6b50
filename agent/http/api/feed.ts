// Readers of /api/events: what they are told is on record, in the journal's own numbers. Wakes them, and gathers what
// changes of a batch beside its record.
import type { Clock } from "../../async/clock.ts";
import type { HistoryEvent, HistoryReader, Recorder } from "../../history/port.ts";

/** Changes of one batch within this are one. */
const coalesceMs = 50;

export interface Feed {
  /** Something of a batch is other than before. */
  batch: (name: string) => void;
  /** The newest number that a change has. */
  newest: () => number;
  /** The changes after a number; null when some of them are no longer held, or the number was never given. */
  since: (id: number) => readonly HistoryEvent[] | null;
  /** Calls `wake` once, at the next change; returns what takes it back. */
  onNext: (wake: () => void) => () => void;
}

export function createFeed(deps: { clock: Clock; recorder: Recorder; events: HistoryReader["events"] }): Feed {
  const { clock, recorder, events } = deps;
  const wakers = new Set<() => void>();
  const touched = new Set<string>();

  recorder.subscribe((seq) => {
    if (seq === null) return;
    const waiting = [...wakers];
    wakers.clear();
    for (const wake of waiting) wake();
  });

  return {
    batch(name) {
      if (touched.size === 0) {
        clock.after(coalesceMs, () => {
          void recorder.commit(
            [...touched].map((batch) => ({ kind: "touch", batch })),
            { lazy: true },
          );
          touched.clear();
        });
      }
      touched.add(name);
    },
    newest: () => events.newest(),
    since: (id) => events.since(id),
    onNext(wake) {
      wakers.add(wake);
      return () => wakers.delete(wake);
    },
  };
}
