// Waits for git: what a checkout has half written is not looked at.
import type { Clock } from "../async/clock.ts";
import { sleep } from "../async/sleep.ts";
import type { EpochMs } from "../model/ids.ts";
import type { WorkTree } from "../sources/port.ts";

/**
 * A lock of git's that is older than this was left behind, or guards an editor: it is not waited for. Neither is one
 * that is made or touched again and again, once it has been waited for so long.
 */
const patienceMs = 20_000;
const pollMs = 100;

export class Checkout {
  readonly #workTree: WorkTree;
  readonly #clock: Clock;
  /** Since when git's lock has been seen at every look; null while there is none. */
  #lockedSince: EpochMs | null = null;

  constructor(workTree: WorkTree, clock: Clock) {
    this.#workTree = workTree;
    this.#clock = clock;
  }

  /** Returns HEAD as it is now. */
  async head(): Promise<string | null> {
    return (await this.#workTree.read()).commit;
  }

  /** Returns HEAD once git has done with the work tree, or at once when `isStopped`. */
  async settledHead(isStopped: () => boolean): Promise<string | null> {
    for (;;) {
      const { commit, lockedAt } = await this.#workTree.read();
      const now = this.#clock.now();
      if (lockedAt === null) {
        this.#lockedSince = null;
        return commit;
      }
      this.#lockedSince ??= now;
      const isOld = [lockedAt, this.#lockedSince].some((since) => Math.abs(now - since) > patienceMs);
      if (isStopped() || isOld) return commit;
      await sleep(this.#clock, pollMs);
    }
  }
}
