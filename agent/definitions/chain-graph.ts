// Chains over all batches: who follows whom, who is a failure's answer, and what is wrong with it. Pure.
import type { Batch, BatchState } from "../model/batch.ts";
import type { BatchName } from "../model/ids.ts";
import type { Place, ProblemCode, Problem } from "../model/problem.ts";

export interface Graph {
  /** Batches that start when this one has finished: `after` it and without a `cron` of their own. */
  followers: ReadonlyMap<string, readonly BatchName[]>;
  /** Holds what is wrong with a batch's place in its chain; such a batch does not start. */
  problems: ReadonlyMap<string, readonly Problem[]>;
  /** Disabled or invalid batches that keep a batch from starting. */
  blockedBy: ReadonlyMap<string, readonly string[]>;
  edges: readonly Edge[];
}

export interface Edge {
  from: string;
  to: string;
  kind: "after" | "onFailure";
}

/** Maximum number of names of a cycle in one message. */
const maxKnotNames = 20;

export const emptyGraph: Graph = { followers: new Map(), problems: new Map(), blockedBy: new Map(), edges: [] };

/**
 * @param batches  every batch with a valid definition
 * @param present  names of all entries, the invalid ones too: naming one of those is no mistake, it only blocks
 */
export function buildGraph(batches: readonly Batch[], present: ReadonlySet<string>): Graph {
  const byName = new Map<string, Batch>(batches.map((batch) => [batch.name, batch]));
  const edges = batches.flatMap(edgesOf);
  const problems = new Map<string, Problem[]>();
  const add = (batch: Batch, place: Place, path: string, code: ProblemCode, message: string, hint: string | null) => {
    const list = problems.get(batch.name) ?? [];
    list.push({
      batch: batch.entry,
      file: batch.places.file,
      line: place.line,
      column: place.column,
      path,
      code,
      message,
      hint,
    });
    problems.set(batch.name, list);
  };

  const answers = new Set<string>(batches.flatMap((batch) => batch.onFailure ?? []));
  for (const batch of batches) {
    for (const { name, place, path } of referencesOf(batch)) {
      if (name === batch.name)
        add(
          batch,
          place,
          path,
          "cycle",
          `${batch.name} cannot be ${path.startsWith("after") ? "after" : "the onFailure of"} itself`,
          "name another batch",
        );
      else if (!present.has(name))
        add(batch, place, path, "unknown-batch", `there is no batch ${name}`, "batches are named by their folders");
    }
    if (batch.schedule === null && batch.after.length === 0 && !answers.has(batch.name)) {
      add(
        batch,
        batch.places.top,
        "cron",
        "no-start",
        "nothing ever starts this batch: it has neither cron nor after, and is not the onFailure of any batch",
        'give it a line such as: cron: "30 2 * * *"',
      );
    }
  }
  const cyclic = cyclesIn(edges);
  const shownKnot = createKnotText();
  for (const [name, knot] of cyclic) {
    const batch = byName.get(name);
    if (batch === undefined || knot.size === 1) continue; // after itself is told above
    const reference = referencesOf(batch).find((candidate) => cyclic.get(candidate.name) === knot);
    if (reference !== undefined)
      add(
        batch,
        reference.place,
        reference.path,
        "cycle",
        `a chain that comes back to itself: ${shownKnot(knot)}`,
        "take one of the links out",
      );
  }
  const roots = rootsOf(batches, byName, cyclic);
  for (const batch of batches) {
    const known = batch.after.every((name) => byName.has(name)) && !problems.has(batch.name);
    if (batch.schedule !== null || batch.after.length < 2 || !known || roots(batch.name).size > 0) continue;
    add(
      batch,
      batch.places.after[0] ?? batch.places.top,
      "after",
      "no-common-root",
      `${batch.after.join(" and ")} are never in the same run: no root leads to all of them`,
      "give them a common root, or give this batch a cron of its own",
    );
  }

  const sound = (name: string) => byName.get(name)?.enabled === true && !problems.has(name);
  const followers = new Map<string, BatchName[]>();
  for (const batch of batches) {
    if (batch.schedule !== null) continue;
    for (const name of batch.after) addTo(followers, name, batch.name);
  }
  return { followers, problems, blockedBy: blockersOf(batches, byName, sound), edges };
}

function edgesOf(batch: Batch): Edge[] {
  const after = batch.after.map((from): Edge => ({ from, to: batch.name, kind: "after" }));
  return batch.onFailure === null ? after : [...after, { from: batch.name, to: batch.onFailure, kind: "onFailure" }];
}

function referencesOf({ after, onFailure, places }: Batch): { name: string; place: Place; path: string }[] {
  const previous = after.map((name, index) => ({
    name,
    place: places.after[index] ?? places.top,
    path: after.length > 1 ? `after[${index}]` : "after",
  }));
  return onFailure === null
    ? previous
    : [...previous, { name: onFailure, place: places.onFailure ?? places.top, path: "onFailure" }];
}

/** Names of a cycle for its members' problems, the first few only: a cycle of thousands has as many problems. */
function createKnotText(): (knot: ReadonlySet<string>) => string {
  const texts = new Map<ReadonlySet<string>, string>();
  return (knot) => {
    const known = texts.get(knot);
    if (known !== undefined) return known;
    const names = [...knot].sort();
    const others = names.length > maxKnotNames ? ` and ${names.length - maxKnotNames} more` : "";
    const text = names.slice(0, maxKnotNames).join(", ") + others;
    texts.set(knot, text);
    return text;
  };
}

/** Each name that lies on a cycle, with all names of its knot (Tarjan, without recursion). */
function cyclesIn(edges: readonly Edge[]): Map<string, ReadonlySet<string>> {
  const next = new Map<string, string[]>();
  for (const { from, to } of edges) addTo(next, from, to);
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const onStack = new Set<string>();
  const cyclic = new Map<string, ReadonlySet<string>>();
  for (const start of next.keys()) {
    if (order.has(start)) continue;
    const work: { name: string; at: number }[] = [];
    const enter = (name: string) => {
      order.set(name, order.size);
      low.set(name, order.get(name) ?? 0);
      stack.push(name);
      onStack.add(name);
      work.push({ name, at: 0 });
    };
    enter(start);
    for (let top = work.at(-1); top !== undefined; top = work.at(-1)) {
      const { name } = top;
      const target = next.get(name)?.[top.at++];
      if (target !== undefined) {
        if (!order.has(target)) enter(target);
        else if (onStack.has(target)) low.set(name, Math.min(low.get(name) ?? 0, order.get(target) ?? 0));
        continue;
      }
      work.pop();
      const parent = work.at(-1);
      if (parent !== undefined) low.set(parent.name, Math.min(low.get(parent.name) ?? 0, low.get(name) ?? 0));
      if (low.get(name) !== order.get(name)) continue;
      const knot = new Set(stack.splice(stack.lastIndexOf(name)));
      knot.forEach((member) => onStack.delete(member));
      if (knot.size > 1 || next.get(name)?.includes(name) === true) knot.forEach((member) => cyclic.set(member, knot));
    }
  }
  return cyclic;
}

/**
 * Names, each after all of its `needs` that can be reached; where they form a cycle, in the order they are met. No
 * recursion.
 */
function dependenciesFirst(names: readonly string[], needs: (name: string) => readonly string[]): string[] {
  const ordered: string[] = [];
  const met = new Set<string>();
  for (const start of names) {
    if (met.has(start)) continue;
    met.add(start);
    const path = [{ name: start, needed: needs(start), at: 0 }];
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const next = top.needed[top.at++];
      if (next === undefined) {
        ordered.push(top.name);
        path.pop();
      } else if (!met.has(next)) {
        met.add(next);
        path.push({ name: next, needed: needs(next), at: 0 });
      }
    }
  }
  return ordered;
}

const none: ReadonlySet<string> = new Set();

/** Roots whose runs reach a batch; a fan-in is reached by the roots that all of its previous ones share. */
function rootsOf(
  batches: readonly Batch[],
  byName: ReadonlyMap<string, Batch>,
  cyclic: ReadonlyMap<string, unknown>,
): (name: string) => ReadonlySet<string> {
  const failing = new Map<string, string[]>();
  for (const { name, onFailure } of batches) if (onFailure !== null) addTo(failing, onFailure, name);
  const known = new Map<string, ReadonlySet<string>>();
  const roots = (name: string) => known.get(name) ?? none;
  const causesOf = (name: string) => failing.get(name) ?? [];
  const previousOf = (name: string) => {
    const batch = byName.get(name);
    return batch === undefined || batch.schedule !== null ? [] : batch.after;
  };
  const order = dependenciesFirst([...byName.keys()], (name) => [...causesOf(name), ...previousOf(name)]);
  for (const name of order) {
    const batch = byName.get(name);
    if (batch === undefined || cyclic.has(name)) continue;
    const sets = causesOf(name).map(roots);
    if (batch.schedule !== null) sets.push(new Set([name]));
    else if (batch.after.length > 0) sets.push(intersection(batch.after.map(roots)));
    known.set(name, union(sets));
  }
  return roots;
}

/** Shares a set where one is enough: along a chain of thousands all have the same roots. */
function union(sets: readonly ReadonlySet<string>[]): ReadonlySet<string> {
  const [first = none, ...rest] = sets.filter((set) => set.size > 0);
  return rest.length === 0 ? first : new Set([first, ...rest].flatMap((set) => [...set]));
}

function intersection(sets: readonly ReadonlySet<string>[]): ReadonlySet<string> {
  const [first = none, ...rest] = sets;
  const others = rest.filter((set) => set !== first);
  return others.length === 0 ? first : new Set([...first].filter((name) => others.every((set) => set.has(name))));
}

/** For each batch: the nearest batches before it that cannot run. One with a `cron` of its own waits for no run. */
function blockersOf(
  batches: readonly Batch[],
  byName: ReadonlyMap<string, Batch>,
  sound: (name: string) => boolean,
): Map<string, readonly string[]> {
  const known = new Map<string, readonly string[]>();
  /** Returns whether what blocks `previous` blocks `batch` too. */
  const passesOn = (batch: Batch, previous: Batch | undefined) =>
    previous !== undefined && sound(previous.name) && batch.schedule === null && previous.schedule === null;
  const needs = (name: string) => {
    const batch = byName.get(name);
    return batch === undefined ? [] : batch.after.filter((previous) => passesOn(batch, byName.get(previous)));
  };
  for (const name of dependenciesFirst(
    batches.map((batch) => batch.name),
    needs,
  )) {
    const batch = byName.get(name);
    if (batch === undefined) continue;
    const lists = batch.after.flatMap((previous): (readonly string[])[] => {
      if (!sound(previous)) return [[previous]];
      const blockers = passesOn(batch, byName.get(previous)) ? (known.get(previous) ?? []) : [];
      return blockers.length === 0 ? [] : [blockers];
    });
    known.set(name, lists.length === 1 ? (lists[0] ?? []) : [...new Set(lists.flat())]);
  }
  return known;
}

function addTo<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [item]);
  else list.push(item);
}

/** State of an entry whose definition is in force, given its place in the graph. */
export function stateOf(batch: Batch | null, problems: readonly Problem[]): BatchState {
  if (batch === null || problems.length > 0) return "invalid";
  if (!batch.enabled) return "disabled";
  return batch.schedule === null ? "chained" : "scheduled";
}
