// Starts that a full quota refused, first come first served: one of them asks once a second, and at once when
// something was given back; whoever gets in lets the next one ask.
import type { Clock } from "../../async/clock.ts";

const askMs = 1_000;

export class QuotaLine {
  readonly #clock: Clock;
  readonly #waiting: (() => void)[] = [];
  #cancel: () => void = () => undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when it is this one's turn to ask. `leave` takes it out of the line: it resolves at once. */
  join(): { turn: Promise<void>; leave: () => void } {
    let leave: () => void = () => undefined;
    const turn = new Promise<void>((done) => {
      this.#waiting.push(done);
      leave = () => {
        const at = this.#waiting.indexOf(done);
        if (at >= 0) this.#waiting.splice(at, 1);
        done();
      };
    });
    if (this.#waiting.length === 1) this.#arm();
    return { turn, leave };
  }

  /** Called when something of a quota may be free again. */
  freed(): void {
    this.#cancel();
    this.#waiting.shift()?.();
    if (this.#waiting.length > 0) this.#arm();
  }

  #arm(): void {
    this.#cancel();
    this.#cancel = this.#clock.after(askMs, () => this.freed());
  }
}
