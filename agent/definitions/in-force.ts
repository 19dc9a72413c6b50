// Holds what is in force: the last valid definition of every entry, the chains that they form and the groups around
// them. The reconciler writes it; everybody else reads it and subscribes.
import type { Clock } from "../async/clock.ts";
import type { Recorder } from "../history/port.ts";
import type { Logger } from "../logger.ts";
import type { Batch, BatchStatus } from "../model/batch.ts";
import type { Group, GroupName } from "../model/group.ts";
import type { BatchName, Revision } from "../model/ids.ts";
import type { Problem } from "../model/problem.ts";
import type { GroupSource, GroupStore } from "../sources/port.ts";
import { createChains, type Chains } from "./chains.ts";
import { stateOf, type Graph } from "./chain-graph.ts";
import { createGroups, groupSettleMs, type Groups } from "./group-files.ts";

/** One name, with what is in force for it and what is wrong with it now. */
export interface Entry {
  readonly name: string;
  readonly batch: Batch | null;
  readonly revision: Revision | null;
  readonly commit: string | null;
  readonly problems: readonly Problem[];
}

export interface InForceListener {
  /** Called after what is in force for a batch has changed; null: it is gone, or has no sound place in its chain. */
  onApplied?: (name: BatchName, batch: Batch | null) => void;
  /**
   * Called after what is known of a name (its state, its problems, what blocks it) may have changed; the empty name
   * stands for the groups.
   */
  onStatus?: (name: string) => void;
  /** Called once all of a pass is in force, sizes of pools too. */
  onConnected?: () => void;
}

export interface InForceDeps {
  source: GroupSource;
  groupStore: GroupStore;
  recorder: Recorder;
  clock: Clock;
  log: Logger;
  timeZone: string;
}

/**
 * Invariants: every entry is here under its own name; the graph is that of the entries at the last `connect`; nothing
 * is reported before it is in force.
 */
export class InForce {
  readonly groups: Groups;
  readonly #entries = new Map<string, Entry>();
  readonly #chains: Chains;
  readonly #listeners: InForceListener[] = [];
  readonly #deps: InForceDeps;
  /**
   * All names in order, and how many of them had a record: null once an entry has come or gone. A name gets its first
   * record only while it is an entry.
   */
  #sorted: { recorded: number; names: readonly string[] } | null = null;

  constructor(deps: InForceDeps) {
    const { source, groupStore, recorder, clock, log, timeZone } = deps;
    this.#deps = deps;
    this.groups = createGroups({
      source,
      store: groupStore,
      clock,
      log,
      timeZone,
      settleMs: groupSettleMs,
      onProblems: () => this.reportStatus(""),
    });
    this.#chains = createChains({
      recorder,
      clock,
      entries: this.#entries,
      onStatus: (name) => this.reportStatus(name),
      onApplied: (name, batch) => {
        for (const { onApplied } of this.#listeners) onApplied?.(name, batch);
      },
      onProblem: (problem) => logProblem(log, problem),
    });
  }

  subscribe(listener: InForceListener): void {
    this.#listeners.push(listener);
  }

  /** Returns every batch there is or whose history is still kept, by name. */
  batches(): readonly BatchStatus[] {
    return this.#sortedNames().flatMap((name) => this.batch(name) ?? []);
  }

  /** Returns the problems of all batches, by name: at a tenth of what their statuses cost. */
  problems(): Problem[] {
    const graph = this.graph();
    return this.#sortedNames().flatMap((name) => {
      const own = this.#entries.get(name)?.problems ?? [];
      return own.length > 0 || graph.problems.has(name) ? (this.batch(name)?.problems ?? []) : [];
    });
  }

  /** Counts the batches that are in the folder. */
  count(): number {
    let count = 0;
    for (const entry of this.#entries.values()) if (isThere(entry)) count += 1;
    return count;
  }

  /** Returns all definitions that are in force, by name. */
  definitions(): Batch[] {
    return this.#sortedNames().flatMap((name) => this.#entries.get(name)?.batch ?? []);
  }

  #sortedNames(): readonly string[] {
    const recorded = this.#deps.recorder.names();
    if (this.#sorted?.recorded !== recorded.length) {
      const names = [...new Set([...this.#entries.keys(), ...recorded])].sort();
      this.#sorted = { recorded: recorded.length, names };
    }
    return this.#sorted.names;
  }

  batch(name: string): BatchStatus | undefined {
    const entry = this.#entries.get(name);
    const head = this.#deps.recorder.head(name);
    if (entry === undefined || !isThere(entry)) {
      if (head === undefined || head.removedAt === null) return undefined;
      const { revision, commit } = head;
      return { name, state: "removed", batch: null, revision, commit, problems: [], blockedBy: [] };
    }
    const { batch, revision, commit } = entry;
    const graph = this.graph();
    const chainProblems = graph.problems.get(name) ?? [];
    return {
      name,
      group: batch?.group ?? this.#deps.source.groupOf(name),
      state: stateOf(batch, chainProblems),
      batch,
      revision,
      commit,
      problems: [...entry.problems, ...chainProblems],
      blockedBy: graph.blockedBy.get(name) ?? [],
    };
  }

  /**
   * Returns what a start of the batch runs; null where it is not there, not valid, or has no sound place in its
   * chain.
   */
  definition(name: string): { batch: Batch; revision: Revision; commit: string | null } | null {
    const status = this.batch(name);
    if (status === undefined || status.state === "invalid" || status.batch === null || status.revision === null)
      return null;
    return { batch: status.batch, revision: status.revision, commit: status.commit };
  }

  /** Returns all chains, as they stand. */
  graph(): Graph {
    return this.#chains.graph();
  }

  /** Returns the names of all groups there are, and the `_group.yaml` in force of those that have one. */
  groupNames(): { names: readonly GroupName[]; inForce: ReadonlyMap<GroupName, Group> } {
    return { names: this.#deps.source.groups(), inForce: this.groups.inForce() };
  }

  /** Returns where the pool that a batch of `group` names is declared, and its size; undefined where it is not. */
  pool(group: GroupName, name: string): { group: GroupName; size: number } | undefined {
    return this.groups.inheritance(group).pools.get(name);
  }

  entry(name: string): Entry | undefined {
    return this.#entries.get(name);
  }

  names(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /** Returns true for a name that is not here and, as far as the record says, not in the folder either. */
  isGone(name: string): boolean {
    return !this.#entries.has(name) && this.#deps.recorder.head(name)?.removedAt !== null;
  }

  /** Makes an entry for a name that has none yet; what is in force for it comes later. */
  open(name: string): Entry {
    const known = this.#entries.get(name);
    if (known !== undefined) return known;
    const commit = this.#deps.recorder.head(name)?.commit ?? null;
    return this.#set({ name, batch: null, revision: null, commit, problems: [] });
  }

  /** Puts a definition in force. */
  apply(name: string, { batch, revision, commit }: { batch: Batch; revision: Revision; commit: string | null }): void {
    this.#set({ name, batch, revision, commit, problems: [] });
    this.#chains.touch(name);
  }

  /** Puts a definition back in force that was before a restart; what is wrong with the entry now stays said. */
  restore(name: string, batch: Batch, revision: Revision): void {
    this.#set({ ...this.open(name), batch, revision });
    this.#chains.touch(name);
  }

  /** Leaves what is in force and says what is wrong with it now. */
  keepInForce(name: string, problems: readonly Problem[]): void {
    const entry = this.open(name);
    if (entry.batch === null) this.#chains.touch(name); // its name may be one that others wait for
    this.#set({ ...entry, problems });
    this.reportStatus(name);
  }

  setCommit(name: string, commit: string | null): void {
    this.#set({ ...this.open(name), commit });
    this.reportStatus(name);
  }

  remove(name: string): void {
    if (this.#entries.delete(name)) this.#sorted = null;
    this.#chains.touch(name);
  }

  /** Builds the chains of what is in force now, and reports everything that changed. */
  connect(): void {
    this.#chains.connect();
    for (const { onConnected } of this.#listeners) onConnected?.();
  }

  reportStatus(name: string): void {
    for (const { onStatus } of this.#listeners) onStatus?.(name);
  }

  #set(entry: Entry): Entry {
    if (!this.#entries.has(entry.name)) this.#sorted = null;
    this.#entries.set(entry.name, entry);
    return entry;
  }
}

/** False for an entry that was opened and has neither a definition nor a problem yet, or any more. */
function isThere({ batch, problems }: Entry): boolean {
  return batch !== null || problems.length > 0;
}

/** Logs a problem with its place, as a compiler would. */
export function logProblem(log: Pick<Logger, "warn">, problem: Problem): void {
  const { batch, file, line, column, code, message, hint } = problem;
  const place = [file ?? batch, line, column].filter((part) => part !== null).join(":");
  log.warn(`${place}: ${message}`, { batch, code, ...(hint === null ? {} : { hint }) });
}
