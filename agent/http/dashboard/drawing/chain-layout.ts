// Decides where the batches of a chain go on a picture: in layers from left to right, each after all that lead to it.
// Pure.
import type { Edge } from "../../../definitions/chain-graph.ts";

interface Placed {
  name: string;
  x: number;
  y: number;
  width: number;
}

export interface Layout {
  width: number;
  height: number;
  nodes: Placed[];
  /** `path` is SVG path data from the right side of `from` to the left side of `to`. */
  edges: (Edge & { path: string })[];
}

export const nodeHeight = 46;
/** For an edge that passes by. */
const bendHeight = 8;
const gapX = 56;
const gapY = 18;
const margin = 8;
const letterWidth = 7.6;
/** Sweeps over all layers, and sweeps in a row that bring nothing better. */
const maxSweeps = 32;
const maxIdleSweeps = 6;

/** At most `limit` names that hang together with `centre`, nearest first; how many were left out. */
export function neighbourhood(
  centre: readonly string[],
  edges: readonly Edge[],
  limit: number,
): { names: string[]; hidden: number } {
  const beside = new Map<string, Set<string>>();
  const link = (a: string, b: string) => beside.set(a, (beside.get(a) ?? new Set()).add(b));
  for (const { from, to } of edges) {
    link(from, to);
    link(to, from);
  }
  const seen = new Set(centre);
  // a set is walked on while it grows
  for (const name of seen) for (const next of beside.get(name) ?? []) seen.add(next);
  const names = [...seen];
  return { names: names.slice(0, limit), hidden: Math.max(0, names.length - limit) };
}

/** Places `names`; edges to others are left out. A cycle is drawn as it is met, the link that closes it bent back. */
export function layOut(names: readonly string[], allEdges: readonly Edge[]): Layout {
  const present = new Set(names);
  const edges = allEdges.filter(({ from, to }) => present.has(from) && present.has(to) && from !== to);
  const layers = layersOf([...present], edges);
  const { links, via } = throughLayers(layers, edges);
  order(layers, links);
  const widths = layers.map((layer) =>
    Math.min(
      240,
      Math.max(150, ...layer.map((name) => (present.has(name) ? Math.round(name.length * letterWidth) + 44 : 0))),
    ),
  );
  const heightOf = (name: string) => (present.has(name) ? nodeHeight : bendHeight);
  const heights = layers.map((layer) => layer.reduce((sum, name) => sum + heightOf(name) + gapY, -gapY));
  const height = Math.max(0, ...heights);
  const placed = new Map<string, Placed>();
  let x = margin;
  layers.forEach((layer, index) => {
    const width = widths[index] ?? 0;
    let y = margin + (height - (heights[index] ?? 0)) / 2;
    for (const name of layer) {
      placed.set(name, { name, x, y: Math.round(y), width });
      y += heightOf(name) + gapY;
    }
    x += width + gapX;
  });
  const drawn = edges.map((edge) => {
    const stops = [edge.from, ...(via.get(edge) ?? []), edge.to].flatMap((name) => placed.get(name) ?? []);
    return { ...edge, path: route(stops, (name) => heightOf(name) / 2) };
  });
  return {
    width: Math.max(margin * 2, x - gapX + margin),
    height: height + margin * 2,
    nodes: [...placed.values()].filter(({ name }) => present.has(name)),
    edges: drawn,
  };
}

/**
 * Edges that pass over layers get a stop in each of them, so that they are led between the boxes. Adds the stops to
 * `layers`.
 */
function throughLayers(
  layers: string[][],
  edges: readonly Edge[],
): { links: { from: string; to: string }[]; via: Map<Edge, string[]> } {
  const layerOf = new Map(layers.flatMap((layer, index) => layer.map((name): [string, number] => [name, index])));
  const links: { from: string; to: string }[] = [];
  const via = new Map<Edge, string[]>();
  for (const edge of edges) {
    const [first, last] = [layerOf.get(edge.from) ?? 0, layerOf.get(edge.to) ?? 0];
    const stops: string[] = [];
    for (let layer = first + 1; layer < last; layer++) {
      // The ones that lead to the same box share their way.
      const stop = `${edge.kind} ${edge.to} ${layer}`;
      stops.push(stop);
      if (layers[layer]?.includes(stop) !== true) layers[layer]?.push(stop);
    }
    via.set(edge, stops);
    const all = [edge.from, ...stops, edge.to];
    all.slice(1).forEach((to, index) => links.push({ from: all[index] as string, to }));
  }
  return { links, via };
}

/** Layer by layer, each name after the last of those before it. */
function layersOf(names: readonly string[], edges: readonly Edge[]): string[][] {
  const next = new Map<string, string[]>();
  const open = new Map<string, number>(names.map((name) => [name, 0]));
  for (const { from, to } of edges) {
    next.set(from, [...(next.get(from) ?? []), to]);
    open.set(to, (open.get(to) ?? 0) + 1);
  }
  const depth = new Map<string, number>();
  const left = new Set(names);
  while (left.size > 0) {
    // Wherever all that is left lies on cycles, one of them goes first.
    const free = [...left].find((name) => open.get(name) === 0) ?? [...left][0] ?? "";
    left.delete(free);
    const at = depth.get(free) ?? 0;
    depth.set(free, at);
    for (const name of next.get(free) ?? []) {
      open.set(name, (open.get(name) ?? 1) - 1);
      if (left.has(name)) depth.set(name, Math.max(depth.get(name) ?? 0, at + 1));
    }
  }
  const layers: string[][] = [];
  for (const name of names) (layers[depth.get(name) ?? 0] ??= []).push(name);
  return layers.map((layer) => layer.sort());
}

/** Fewer crossings: each name goes to the mean place of those it is linked to, to and fro. Sorts `layers` in place. */
function order(layers: string[][], edges: readonly { from: string; to: string }[]): void {
  const beside = new Map<string, string[]>();
  for (const { from, to } of edges) {
    beside.set(from, [...(beside.get(from) ?? []), to]);
    beside.set(to, [...(beside.get(to) ?? []), from]);
  }
  const place = new Map<string, number>();
  const number = (layer: readonly string[]) =>
    layer.forEach((name, index) => place.set(name, index - (layer.length - 1) / 2));
  layers.forEach(number);
  let best = { crossings: Infinity, order: layers.map((layer) => [...layer]) };
  for (let sweep = 0, since = 0; best.crossings > 0 && sweep < maxSweeps && since < maxIdleSweeps; sweep++) {
    for (const layer of sweep % 2 === 0 ? layers : [...layers].reverse()) {
      const mean = new Map(
        layer.map((name) => [
          name,
          meanOf((beside.get(name) ?? []).map((other) => place.get(other) ?? 0)) ?? place.get(name) ?? 0,
        ]),
      );
      layer.sort((a, b) => (mean.get(a) ?? 0) - (mean.get(b) ?? 0) || (a < b ? -1 : 1));
      number(layer);
    }
    const crossings = countCrossings(edges, layers, place);
    since = crossings < best.crossings ? 0 : since + 1;
    if (since === 0) best = { crossings, order: layers.map((layer) => [...layer]) };
  }
  best.order.forEach((names, index) => layers[index]?.splice(0, names.length, ...names));
}

/** Counts pairs of links between two layers that cross: those whose ends stand in another order than their starts. */
function countCrossings(
  edges: readonly { from: string; to: string }[],
  layers: readonly (readonly string[])[],
  place: ReadonlyMap<string, number>,
): number {
  const layerOf = new Map(layers.flatMap((layer, index) => layer.map((name) => [name, index] as const)));
  const between = new Map<number, [number, number][]>();
  for (const { from, to } of edges) {
    const left = layerOf.get(from) ?? 0;
    const links = between.get(left) ?? [];
    between.set(left, links);
    links.push([place.get(from) ?? 0, place.get(to) ?? 0]);
  }
  let crossings = 0;
  for (const links of between.values()) {
    links.sort(([a, toA], [b, toB]) => a - b || toA - toB);
    const ends: number[] = []; // sorted
    for (const [, to] of links) {
      let at = ends.length;
      while (at > 0 && (ends[at - 1] as number) > to) at--;
      crossings += ends.length - at;
      ends.splice(at, 0, to);
    }
  }
  return crossings;
}

function meanOf(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** From the right side of the first stop to the left side of the last, straight through those between. */
function route(stops: readonly Placed[], middle: (name: string) => number): string {
  const [first, ...rest] = stops;
  if (first === undefined) return "";
  let [x, y] = [first.x + first.width, first.y + middle(first.name)];
  let path = `M${x} ${y}`;
  rest.forEach((stop, index) => {
    const last = index === rest.length - 1;
    const [toX, toY] = [last ? stop.x - 7 : stop.x, stop.y + middle(stop.name)]; // room for the arrow's head
    const bend = toX > x ? Math.min(gapX * 0.7, (toX - x) / 2) : gapX;
    path += `C${Math.round(x + bend)} ${y} ${Math.round(toX - bend)} ${toY} ${toX} ${toY}`;
    if (!last) path += `H${stop.x + stop.width}`;
    [x, y] = [last ? toX : stop.x + stop.width, toY];
  });
  return path;
}
