// Gathers what events tell until it can be reported: a folder full of files that come and go is listed a part of the
// time only, and a burst of events, of which some may be lost, becomes one hint for everything.

const burst = { names: 50, withinMs: 1_000 };
const maxPauseMs = 1_000;

/** Entries that may have changed, and true for those of which something came or went; null stands for everything. */
export type Hints = ReadonlyMap<string | null, boolean>;

export interface HintsDeps {
  /** Watches what came, before anybody is told to read it: what comes into it later is told again. */
  prepare: (hints: Hints) => Promise<void>;
  report: (name: string | null) => void;
}

/** Invariant: hints are prepared and reported one gathering after another. */
export class HintQueue {
  readonly #deps: HintsDeps;
  #gathered = new Map<string | null, boolean>();
  #recent = { since: 0, names: new Set<string | null>() };
  #timer: NodeJS.Timeout | undefined;
  #isReporting = false;
  #isClosed = false;
  #pauseMs = 0;

  constructor(deps: HintsDeps) {
    this.#deps = deps;
  }

  /** @param moved true when something of the entry came or went */
  add(name: string | null, moved: boolean): void {
    const now = performance.now();
    if (now - this.#recent.since > burst.withinMs) this.#recent = { since: now, names: new Set() };
    this.#recent.names.add(name);
    this.#gathered.set(name, moved || this.#gathered.get(name) === true);
    if (this.#recent.names.size >= burst.names) {
      this.#recent.names.clear();
      this.#gathered.set(null, true); // events may have been lost: look over everything
    }
    this.#arm();
  }

  /** Drops what was gathered and not reported. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#gathered.clear();
  }

  close(): void {
    this.#isClosed = true;
    this.clear();
  }

  #arm(): void {
    if (!this.#isReporting && this.#gathered.size > 0)
      this.#timer ??= setTimeout(() => void this.#report(), this.#pauseMs);
  }

  async #report(): Promise<void> {
    this.#timer = undefined;
    this.#isReporting = true;
    const began = performance.now();
    const hints = this.#gathered;
    this.#gathered = new Map();
    await this.#deps.prepare(hints);
    this.#pauseMs = Math.min(maxPauseMs, 4 * (performance.now() - began));
    this.#isReporting = false;
    if (this.#isClosed) return;
    for (const name of hints.keys()) this.#deps.report(name);
    this.#arm();
  }
}
