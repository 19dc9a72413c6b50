// Keeps the graph of all chains equal to what is in force, and reports every batch that changed or whose place in its
// chain did.
import type { Clock } from "../async/clock.ts";
import type { Recorder } from "../history/port.ts";
import type { Batch } from "../model/batch.ts";
import type { BatchName } from "../model/ids.ts";
import type { Problem } from "../model/problem.ts";
import { buildGraph, emptyGraph, type Graph } from "./chain-graph.ts";

export interface Chains {
  graph: () => Graph;
  /** Says that what is in force for a name may have changed. */
  touch: (name: string) => void;
  /** Takes in all that was touched, and reports it. */
  connect: () => void;
}

export interface ChainsDeps {
  recorder: Recorder;
  clock: Clock;
  /** Everything that is known by a name, with what is in force for it. */
  entries: ReadonlyMap<string, { readonly batch: Batch | null }>;
  /** Called for a name of which what is known (its state, its problems, what blocks it) may have changed. */
  onStatus: (name: string) => void;
  /** Called after what is in force for a batch has changed; null: it is gone, or has no sound place in its chain. */
  onApplied: (name: BatchName, batch: Batch | null) => void;
  /** Called for each problem that is new. */
  onProblem: (problem: Problem) => void;
}

export function createChains({ recorder, clock, entries, onStatus, onApplied, onProblem }: ChainsDeps): Chains {
  const touched = new Set<string>();
  /** Holds what of each entry the graph was built from. */
  const links = new Map<string, string>();
  let graph: Graph = emptyGraph;

  function connect(): void {
    if (touched.size === 0) return;
    const before = graph;
    // Most edits change nothing about chains: the graph of thousands is not built anew for them.
    const changed = changedLinks();
    if (changed.size > 0) {
      graph = buildGraph(
        [...entries.values()].flatMap(({ batch }) => batch ?? []),
        new Set(entries.keys()),
      );
      // Only now: what the graph could not be built from is taken for changed again at the next attempt.
      for (const [name, link] of changed) links.set(name, link);
    }
    const names =
      graph === before ? new Set(touched) : new Set([...touched, ...before.problems.keys(), ...graph.problems.keys()]);
    touched.clear();
    for (const name of graph === before
      ? names
      : new Set([...names, ...before.blockedBy.keys(), ...graph.blockedBy.keys()])) {
      const after = graph.blockedBy.get(name) ?? [];
      if (names.has(name) || String(before.blockedBy.get(name) ?? []) !== String(after)) onStatus(name);
    }
    for (const name of names) {
      const batch = entries.get(name)?.batch ?? null;
      const head = recorder.head(name);
      if (head === undefined) continue;
      // Nothing is owed for the time in which it had no place.
      if (before.problems.has(name) && !graph.problems.has(name) && head.schedule !== null) {
        const schedule = { ...head.schedule, coveredUntil: new Date(clock.now()).toISOString() };
        void recorder.commit([{ kind: "head", batch: head.name, fields: { schedule } }]);
      }
      for (const problem of before.problems.has(name) ? [] : (graph.problems.get(name) ?? [])) onProblem(problem);
      onApplied(head.name, graph.problems.has(name) ? null : batch);
    }
  }

  /** Returns of all touched names the links that differ from those the graph was built from. */
  function changedLinks(): Map<string, string> {
    const changed = new Map<string, string>();
    for (const name of touched) {
      const batch = entries.get(name)?.batch;
      const link =
        batch == null
          ? String(batch)
          : JSON.stringify([batch.enabled, batch.schedule === null, batch.after, batch.onFailure, batch.places]);
      if (links.get(name) !== link) changed.set(name, link);
    }
    return changed;
  }

  return { graph: () => graph, touch: (name) => void touched.add(name), connect };
}
