// Work that is tried again after a pause, as what fails in passing may succeed then.
import type { Clock } from "./clock.ts";
import { sleep } from "./sleep.ts";

/** `isWorthIt`: whether it may succeed after this error. Rejects with the last error. */
export async function retry<T>(
  work: () => T | Promise<T>,
  how: { clock: Clock; tries: number; pauseMs: number; isWorthIt: (error: unknown) => boolean },
): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries >= how.tries || !how.isWorthIt(error)) throw error;
      await sleep(how.clock, how.pauseMs);
    }
  }
}
