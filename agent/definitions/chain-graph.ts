// Chains over all batches: who follows whom, who is a failure's answer, and what is wrong with it. Pure.
import type { Batch, BatchState } from "../model/batch.ts";
import type { BatchName } from "../model/ids.ts";
import type { Place, ProblemCode, Problem } from "../model/problem.ts";

export interface Graph {
  /** Batches that start when this one has finished: `after` it and without a `cron` of their own. */
  followers: ReadonlyMap<string, readonly BatchName[]>;
  /** What is wrong with a batch's place in its chain; such a batch does not start. */
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

export const emptyGraph: Graph = { followers: new Map(), problems: new Map(), blockedBy: new Map(), edges: [] };

/**
 * @param batches  every batch with a valid definition
 * @param present  names of all entries, the invalid ones too: naming one of those is no mistake, it only blocks
 */
export function buildGraph(batches: readonly Batch[], present: ReadonlySet<string>): Graph {
  const byName = new Map<string, Batch>(batches.map((batch) => [batch.name, batch]));
  const edges = batches.flatMap(edgesOf);
  const problems = new Map<string, Problem[]>();
  const tell = (batch: Batch, place: Place, path: string, code: ProblemCode, message: string, hint: string | null) => {
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
        tell(
          batch,
          place,
          path,
          "cycle",
          `${batch.name} cannot be ${path.startsWith("after") ? "after" : "the onFailure of"} itself`,
          "name another batch",
        );
      else if (!present.has(name))
        tell(batch, place, path, "unknown-batch", `there is no batch ${name}`, "batches are named by their folders");
    }
    if (batch.schedule === null && batch.after.length === 0 && !answers.has(batch.name)) {
      tell(
        batch,
        batch.places.top,
        "cron",
        "no-start",
        "nothing ever starts this batch: it has neither cron nor after, and is no batch's onFailure",
        'give it a line such as: cron: "30 2 * * *"',
      );
    }
  }
  const cyclic = cyclesIn(edges);
  for (const [name, members] of cyclic) {
    const batch = byName.get(name);
    if (batch === undefined || members.length === 1) continue; // after itself is told above
    const reference = referencesOf(batch).find((candidate) => members.includes(candidate.name));
    if (reference !== undefined)
      tell(
        batch,
        reference.place,
        reference.path,
        "cycle",
        `a chain that comes back to itself: ${[...members].sort().join(", ")}`,
        "take one of the links out",
      );
  }
  const roots = rootsOf(batches, byName, new Set(cyclic.keys()));
  for (const batch of batches) {
    const known = batch.after.every((name) => byName.has(name)) && !problems.has(batch.name);
    if (batch.schedule !== null || batch.after.length < 2 || !known || roots(batch.name).size > 0) continue;
    tell(
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
    for (const name of batch.after) followers.set(name, [...(followers.get(name) ?? []), batch.name]);
  }
  return { followers, problems, blockedBy: blockersOf(batches, sound), edges };
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

/** Each name that lies on a cycle, with all names of its knot (Tarjan, without recursion). */
function cyclesIn(edges: readonly Edge[]): Map<string, readonly string[]> {
  const next = new Map<string, string[]>();
  for (const { from, to } of edges) next.set(from, [...(next.get(from) ?? []), to]);
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const onStack = new Set<string>();
  const cyclic = new Map<string, readonly string[]>();
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
      const knot = stack.splice(stack.indexOf(name));
      knot.forEach((member) => onStack.delete(member));
      if (knot.length > 1 || next.get(name)?.includes(name) === true)
        knot.forEach((member) => cyclic.set(member, knot));
    }
  }
  return cyclic;
}

/** Roots whose runs reach a batch; a fan-in is reached by the roots that all of its previous ones share. */
function rootsOf(
  batches: readonly Batch[],
  byName: ReadonlyMap<string, Batch>,
  cyclic: ReadonlySet<string>,
): (name: string) => ReadonlySet<string> {
  const failing = new Map<string, string[]>();
  for (const { name, onFailure } of batches)
    if (onFailure !== null) failing.set(onFailure, [...(failing.get(onFailure) ?? []), name]);
  const known = new Map<string, ReadonlySet<string>>();
  function roots(name: string): ReadonlySet<string> {
    const found = known.get(name);
    if (found !== undefined) return found;
    known.set(name, new Set());
    const batch = byName.get(name);
    if (batch === undefined || cyclic.has(name)) return new Set();
    const all = new Set<string>((failing.get(name) ?? []).flatMap((cause) => [...roots(cause)]));
    if (batch.schedule !== null) all.add(name);
    else {
      const [first, ...rest] = batch.after.map(roots);
      for (const root of first ?? []) if (rest.every((other) => other.has(root))) all.add(root);
    }
    known.set(name, all);
    return all;
  }
  return roots;
}

/** For each batch: the nearest batches before it that cannot run. One with a `cron` of its own waits for no run. */
function blockersOf(batches: readonly Batch[], sound: (name: string) => boolean): Map<string, string[]> {
  const byName = new Map<string, Batch>(batches.map((batch) => [batch.name, batch]));
  const known = new Map<string, string[]>();
  function blockers(batch: Batch): string[] {
    const found = known.get(batch.name);
    if (found !== undefined) return found;
    known.set(batch.name, []);
    const all = batch.after.flatMap((name) => {
      const previous = byName.get(name);
      if (previous === undefined || !sound(name)) return [name];
      return batch.schedule !== null || previous.schedule !== null ? [] : blockers(previous);
    });
    known.set(batch.name, [...new Set(all)]);
    return known.get(batch.name) ?? [];
  }
  batches.forEach(blockers);
  return known;
}

/** State of an entry whose definition is in force, given its place in the graph. */
export function stateOf(batch: Batch | null, problems: readonly Problem[]): BatchState {
  if (batch === null || problems.length > 0) return "invalid";
  if (!batch.enabled) return "disabled";
  return batch.schedule === null ? "chained" : "scheduled";
}
