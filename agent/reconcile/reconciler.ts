// Keeps what is in force equal to the folder of batches: gathers hints, and passes over what may have changed, one pass
// at a time.
import { messageOf } from "../errors.ts";
import type { Clock } from "../async/clock.ts";
import { sleep } from "../async/sleep.ts";
import type { AllowList } from "../definitions/allowed.ts";
import type { InForce } from "../definitions/in-force.ts";
import type { Recorder } from "../history/port.ts";
import type { Logger } from "../logger.ts";
import type { Folder } from "../model/batch.ts";
import type { Revision, BatchName } from "../model/ids.ts";
import { agentProblem, type Problem } from "../model/problem.ts";
import type { BatchSource, GroupSource, Revisions, WatchHealth, WorkTree } from "../sources/port.ts";
import { Applier } from "./applier.ts";
import { Checkout } from "./checkout.ts";
import { DirtyNames } from "./dirty.ts";
import { FolderPass } from "./folder-pass.ts";
import { Inspector, settleMs } from "./inspector.ts";
import { Scans } from "./scans.ts";

const debounceMs = 100;
/** Time between looks at what is being written all the time. */
const restlessMs = 5_000;
/** Time from a failed pass to the next one. */
const retryMs = 1_000;
/** Looks at what has not settled that a resync waits for. */
const maxSettlingScans = 5;

/** Called after each pass: how long it took in ms, and true if it failed. */
type OnPass = (ms: number, failed: boolean) => void;

export interface ReconcilerDeps {
  source: BatchSource & GroupSource;
  inForce: InForce;
  workTree: WorkTree;
  revisions: Revisions;
  recorder: Recorder;
  clock: Clock;
  log: Logger;
  timeZone: string;
  /** What batches may name of a cluster; missing where scripts run on this machine. */
  kubernetes?: AllowList | null;
  /** Returns true while the folder is still to come, as before the first fetch of a repository: no error then. */
  isAwaited?: () => boolean;
  /** Returns true where events are expected to tell of every change. */
  isWatching: () => boolean;
}

/**
 * Invariants: at most one pass runs; what becomes dirty meanwhile is looked at right after; a failed pass is
 * repeated.
 */
export class Reconciler {
  readonly #deps: ReconcilerDeps;
  readonly #dirty = new DirtyNames();
  #isFirstPassDone = false;
  readonly #scans = new Scans();
  readonly #inspector: Inspector;
  readonly #applier: Applier;
  readonly #pass: FolderPass;
  /** Why the last pass failed, until one succeeds. */
  #failure: Problem | null = null;
  readonly #listeners: OnPass[] = [];
  #running: Promise<void> | null = null;
  #timer: { at: number; cancel: () => void } | null = null;
  #isStopped = false;

  constructor(deps: ReconcilerDeps) {
    this.#deps = deps;
    const parts = { ...deps, scans: this.#scans };
    this.#inspector = new Inspector(parts);
    this.#applier = new Applier({ ...parts, dirty: (name) => this.dirty(name) });
    this.#pass = new FolderPass({
      ...parts,
      inspector: this.#inspector,
      applier: this.#applier,
      checkout: new Checkout(deps.workTree, deps.clock),
      dirty: this.#dirty,
      isStopped: () => this.#isStopped,
      isAwaited: () => deps.isAwaited?.() === true,
      scanAgainSoon: (ms) => void deps.clock.after(ms, () => this.dirty(null)),
    });
  }

  onPass(listener: OnPass): void {
    this.#listeners.push(listener);
  }

  /** Notes that one entry, by its path below the root, or with null any of them, may have changed. */
  dirty(path: string | null): void {
    if (path === null) this.#dirty.addAll();
    this.#pass.noteEvent(path === null ? null : this.#dirty.addPath(path));
    this.#schedule(this.#waitMs());
  }

  /** Looks over everything now; resolves when that is done. */
  async resync(): Promise<void> {
    if (this.#running !== null) await this.#running;
    this.#timer?.cancel();
    this.#timer = null;
    this.#dirty.addAll();
    await this.#run();
    // A first look at something that is being written settles a moment later.
    for (let i = 0; i < maxSettlingScans && !this.#isStopped && this.#scans.unsettled().length > 0; i++) {
      await sleep(this.#deps.clock, settleMs + 10);
      if (this.#running !== null) await this.#running;
    }
  }

  /** Looks over everything soon if git has another commit than at the last such look: what it holds may be there. */
  async checkHead(): Promise<void> {
    if (this.#running === null && !this.#dirty.all && (await this.#pass.hasNewHead())) this.dirty(null);
  }

  /** Returns the folder of a batch as it lies there now, with what it inherits; null where it has problems. */
  read(name: BatchName): Promise<Folder | null> {
    return this.#inspector.read(name);
  }

  /** Returns why the folder is not followed: it cannot be read, or the last pass failed. null when it is. */
  rootProblem(): Problem | null {
    return this.#failure ?? this.#pass.rootProblem();
  }

  /** Returns the revisions that are being put in force and may not stand in the record yet. */
  applying(): ReadonlySet<Revision> {
    return this.#applier.applying();
  }

  /** Returns whether everything has been looked over once, and what was still being written has settled. */
  isFirstPassDone(): boolean {
    return this.#isFirstPassDone;
  }

  health(): Omit<WatchHealth, "mode"> {
    return this.#pass.health();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#running;
  }

  /**
   * Returns how long the next look can wait: what writes all the time neither holds up the others nor is read as
   * often.
   */
  #waitMs(): number {
    const onlyRestless = !this.#dirty.all && [...this.#dirty.names].every((name) => this.#scans.isRestless(name));
    return onlyRestless ? restlessMs : debounceMs;
  }

  /** Plans the next pass, unless an earlier one is planned. */
  #schedule(ms: number): void {
    const at = performance.now() + ms;
    if (this.#isStopped || this.#running !== null || (this.#timer !== null && this.#timer.at <= at)) return;
    this.#timer?.cancel();
    const cancel = this.#deps.clock.after(ms, () => {
      this.#timer = null;
      void this.#run();
    });
    this.#timer = { at, cancel };
  }

  #run(): Promise<void> {
    this.#running ??= this.#runOnce();
    return this.#running;
  }

  async #runOnce(): Promise<void> {
    const began = performance.now();
    try {
      await this.#pass.run();
      if (this.#failure !== null) this.#deps.log.info("reconcile succeeds again");
      this.#failure = null;
    } catch (error) {
      this.#fail(`reconcile failed: ${messageOf(error)}`);
    }
    this.#isFirstPassDone ||=
      this.#pass.health().lastVerifiedAt !== null &&
      this.#scans.unsettled().every((name) => this.#scans.isRestless(name));
    for (const onPass of this.#listeners) onPass(performance.now() - began, this.rootProblem() !== null);
    this.#running = null;
    this.#scheduleNext();
  }

  #fail(message: string): void {
    if (this.#failure?.message !== message) this.#deps.log.error("reconcile failed", { error: message });
    const hint = "what was in force stays in force; the agent tries again";
    this.#failure = agentProblem("reconcile-failed", message, hint);
  }

  #scheduleNext(): void {
    const unsettled = this.#scans.unsettled();
    if (this.#failure !== null) {
      // A failed pass is not a done one: everything is looked at again.
      this.#scans.invalidateAll();
      this.#dirty.addAll();
      this.#schedule(retryMs);
    } else if (!this.#dirty.isEmpty) this.#schedule(this.#waitMs());
    else if (unsettled.length > 0) {
      for (const name of unsettled) this.#dirty.addName(name);
      this.#schedule(unsettled.every((name) => this.#scans.isRestless(name)) ? restlessMs : settleMs + 10);
    }
  }
}
