// Logs messages that are given up: the first few of a flood one by one, the rest of them as a number.
import type { Clock } from "../async/clock.ts";
import type { Logger } from "../logger.ts";

const maxSingle = 20;
const floodMs = 10_000;

/** Invariant: every message that was added is logged, by itself or in a number, at the latest by `flush`. */
export class GivenUpLog {
  readonly #clock: Pick<Clock, "now" | "after">;
  readonly #log: Pick<Logger, "error">;
  #since = -Infinity;
  #single = 0;
  #others = 0;
  #cancel: () => void = () => undefined;

  constructor({ clock, log }: { clock: Pick<Clock, "now" | "after">; log: Pick<Logger, "error"> }) {
    this.#clock = clock;
    this.#log = log;
  }

  /** @param fields which message, and why */
  add(fields: object): void {
    const now = this.#clock.now();
    if (Math.abs(now - this.#since) > floodMs) [this.#since, this.#single] = [now, 0];
    if (this.#single < maxSingle) {
      this.#single += 1;
      this.#log.error("a message is given up", fields);
      return;
    }
    this.#others += 1;
    if (this.#others === 1) this.#cancel = this.#clock.after(floodMs, () => this.flush());
  }

  /** Logs how many more there were. */
  flush(): void {
    this.#cancel();
    if (this.#others > 0) this.#log.error("more messages are given up", { count: this.#others });
    this.#others = 0;
  }
}
