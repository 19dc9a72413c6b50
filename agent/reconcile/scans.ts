// Remembers the last look at each entry, so that only news are validated, and not before they have settled.
import type { EpochMs, Revision } from "../model/ids.ts";

/** After so many looks that each saw something else an entry is a problem, and looked at less often. */
export const unsettledAfter = 50;

export interface Scan {
  /** Names the content that was last validated, with the group and what that passed on; null to validate it anew. */
  content: string | null;
  /** The revision that this content is; null where it is not valid. */
  revision: Revision | null;
  /** Signature of the files then; null to read them anew. */
  signature: string | null;
  /** Content that has not settled yet. */
  unsettled: { digest: string; at: EpochMs; scans: number; since: EpochMs } | null;
}

const never: Scan = { content: null, revision: null, signature: null, unsettled: null };

export class Scans {
  readonly #scans = new Map<string, Scan>();

  get(name: string): Scan | undefined {
    return this.#scans.get(name);
  }

  update(name: string, part: Partial<Scan>): void {
    this.#scans.set(name, { ...(this.#scans.get(name) ?? never), ...part });
  }

  /** Has the next look validate the entry, whatever it was before. */
  invalidate(name: string): void {
    if (this.#scans.has(name)) this.update(name, { content: null });
  }

  invalidateAll(): void {
    for (const name of this.#scans.keys()) this.invalidate(name);
  }

  delete(name: string): void {
    this.#scans.delete(name);
  }

  unsettled(): string[] {
    return [...this.#scans].flatMap(([name, { unsettled }]) => (unsettled === null ? [] : [name]));
  }

  /** Returns true for what is being written all the time. */
  isRestless(name: string): boolean {
    return (this.#scans.get(name)?.unsettled?.scans ?? 0) > unsettledAfter;
  }
}
