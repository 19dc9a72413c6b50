// The claim on one execution and the time of its start. A pod makes the claim before its script starts, by its node's
// clock; the agent makes one to give the execution up.
import type { Execution } from "../../model/execution.ts";
import type { EpochMs } from "../../model/ids.ts";
import { claimForAgent, readClaim, type Claim } from "./folder.ts";
import { behindMs } from "./node-clock.ts";

/**
 * Invariants: a claim that was seen stays, and so does the difference of the clocks that was found with it: the start
 * that is told never moves. Claimed by a pod and given up by the agent exclude each other.
 */
export class PodClaim {
  readonly #folder: string;
  readonly #execution: Pick<Execution, "startedAt" | "askedAt">;
  #claim: Claim | null = null;
  /** What the node's clock is behind the agent's, in ms. */
  #behindMs = 0;

  constructor(folder: string, execution: Pick<Execution, "startedAt" | "askedAt">) {
    this.#folder = folder;
    this.#execution = execution;
  }

  /** Looks for it, unless it was seen before. */
  find(now: EpochMs): Claim | null {
    if (this.#claim !== null) return this.#claim;
    this.#claim = readClaim(this.#folder, now);
    if (this.#claim !== null) this.#behindMs = behindMs(this.#claim.at, this.#execution, now);
    return this.#claim;
  }

  /** The claim as it was last seen; null while no pod is known to have one. */
  get seen(): Claim | null {
    return this.#claim;
  }

  /** Start of the script by the agent's clock; null before it is seen. */
  get startedAt(): EpochMs | null {
    return this.#claim === null ? null : this.#claim.at + this.#behindMs;
  }

  /** Returns an end by the node's clock in the agent's time: never before the start, or in the future. */
  endedAt(at: EpochMs | null, now: EpochMs): EpochMs {
    return Math.max(at === null ? now : Math.min(at + this.#behindMs, now), this.startedAt ?? 0);
  }

  /** Returns whether it is certain now that no pod ever starts the script; false where that cannot be told yet. */
  giveUp(now: EpochMs): boolean {
    return claimForAgent(this.#folder, now);
  }
}
