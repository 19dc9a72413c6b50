// Work that is repeated: the next round begins a while after the last one has ended, never beside it.
import type { Clock } from "./clock.ts";
import { coalesce } from "./coalesce.ts";

export interface Periodic {
  /** Begins to wait for the first round. */
  start: () => void;
  /** Does a round at once, or right after the one that is under way; the wait begins anew after it. Never rejects. */
  now: () => Promise<void>;
  /** Begins no further round; resolves once the one that is under way has ended. */
  stop: () => Promise<void>;
}

/** @param waitMs  asked after each round, and once at the start */
export function periodic(
  clock: Clock,
  waitMs: () => number,
  work: () => Promise<void>,
  onError: (error: unknown) => void,
): Periodic {
  let cancel: () => void = () => undefined;
  let isStopped = false;
  let last: Promise<void> = Promise.resolve();

  function wait(): void {
    if (!isStopped) cancel = clock.after(waitMs(), () => void now());
  }

  const round = coalesce(async () => {
    cancel();
    if (isStopped) return;
    await work().catch(onError);
    wait();
  });

  function now(): Promise<void> {
    return (last = round());
  }

  return {
    start: wait,
    now,
    async stop() {
      isStopped = true;
      cancel();
      await last;
    },
  };
}
