// An order of batches that keeps chains together, each batch after those it follows. Pure.
import type { Edge } from "../../definitions/chain-graph.ts";

/** Returns the place of each name: chains by their first name, within one from the first to the last. */
export function chainOrder(names: readonly string[], edges: readonly Edge[]): Map<string, number> {
  const present = new Set(names);
  const [next, beside, open] = [new Map<string, string[]>(), new Map<string, string[]>(), new Map<string, number>()];
  const push = (map: Map<string, string[]>, key: string, value: string) => {
    const list = map.get(key);
    if (list === undefined) map.set(key, [value]);
    else list.push(value);
  };
  for (const { from, to } of edges) {
    if (!present.has(from) || !present.has(to)) continue;
    push(next, from, to);
    push(beside, from, to);
    push(beside, to, from);
    open.set(to, (open.get(to) ?? 0) + 1);
  }
  const order = new Map<string, number>();
  const seen = new Set<string>();
  for (const start of [...names].sort()) {
    if (seen.has(start)) continue;
    const chain = new Set([start]);
    for (const name of chain) for (const other of beside.get(name) ?? []) chain.add(other); // grows while it is walked
    for (const name of chain) seen.add(name);
    const ready = [...chain].filter((name) => (open.get(name) ?? 0) === 0).sort();
    for (const name of ready) {
      order.set(name, order.size);
      for (const follower of next.get(name) ?? []) {
        const left = (open.get(follower) ?? 1) - 1;
        open.set(follower, left);
        if (left === 0) ready.push(follower);
      }
    }
    for (const name of chain) if (!order.has(name)) order.set(name, order.size); // on a cycle
  }
  return order;
}
