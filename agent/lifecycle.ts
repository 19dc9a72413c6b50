// The agent's life: starting, running, draining, stopped. It can be drained and stopped from its first moment on.
import { messageOf } from "./errors.ts";
import type { Logger } from "./logger.ts";

export type LifecycleState = "starting" | "running" | "draining" | "stopped";

/**
 * Invariants: the state only goes forwards; each step runs once; what is added after draining began is drained at once.
 */
export class Lifecycle {
  readonly #log: Pick<Logger, "error">;
  readonly #drainSteps: (() => void)[] = [];
  readonly #stopSteps: (() => unknown)[] = [];
  #state: LifecycleState = "starting";

  constructor(log: Pick<Logger, "error">) {
    this.#log = log;
  }

  get state(): LifecycleState {
    return this.#state;
  }

  get isDraining(): boolean {
    return this.#state === "draining" || this.#state === "stopped";
  }

  /** Adds what ends new starts; it must not wait. */
  onDrain(step: () => void): void {
    if (this.isDraining) step();
    else this.#drainSteps.push(step);
  }

  /** Adds what undoes a step of the start; they run in reverse order, each waited for. */
  onStop(step: () => unknown): void {
    this.#stopSteps.push(step);
  }

  /** Starts a loop, unless draining has begun; it is stopped as a step of its own. */
  async startLoop(loop: { start: () => unknown; stop: () => unknown }): Promise<void> {
    this.onStop(() => loop.stop());
    if (!this.isDraining) await loop.start();
  }

  /** Called once everything is started; no effect when the agent is being stopped already. */
  started(): void {
    if (this.#state === "starting") this.#state = "running";
  }

  /** Ends new starts, whatever else is still to be waited for. */
  drain(): void {
    if (this.isDraining) return;
    this.#state = "draining";
    for (const step of this.#drainSteps.splice(0)) step();
  }

  /** Undoes the start, as far as it got; false if some of that failed. */
  async stop(): Promise<boolean> {
    this.drain();
    let isClean = true;
    for (const step of this.#stopSteps.splice(0).reverse()) {
      try {
        await step();
      } catch (error) {
        isClean = false;
        this.#log.error("while stopping", { error: messageOf(error) });
      }
    }
    this.#state = "stopped";
    return isClean;
  }
}
