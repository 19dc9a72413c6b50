// The chain of a run as a picture: what ran, how it ended, and what may still come.
import { runState, type Execution } from "../../model/execution.ts";
import type { Catalog } from "../../status.ts";
import { spanText } from "../../text/relative-time.ts";
import { toneOf } from "./drawing/sparkline.ts";
import type { ChainNode } from "./pages/chain.tsx";
import { batchPath, executionPath } from "./pages/parts.tsx";
import type { RunPicture } from "./pages/run.tsx";

/** Boxes on one picture of a chain. */
export const maxNodes = 60;

/** Returns the batches of a run as their last executions stand, and those of their chain that may still come. */
export function pictureOf(run: readonly Execution[], catalog: Pick<Catalog, "batch" | "edges">): RunPicture {
  const latest = new Map<string, Execution>(run.map((execution) => [execution.batch, execution]));
  const edges = catalog.edges();
  const names = new Set<string>(latest.keys());
  const state = runState(run);
  for (const name of names) {
    if (names.size >= maxNodes) break;
    for (const { from, to } of edges) if (from === name && comes(to)) names.add(to);
  }
  /** One with a schedule of its own comes in runs of its own. */
  function comes(name: string): boolean {
    const batch = catalog.batch(name)?.batch;
    return batch?.enabled === true && batch.schedule === null;
  }
  const nodes = [...names].slice(0, maxNodes).map((name): ChainNode => {
    const execution = latest.get(name);
    if (execution === undefined)
      return { name, href: batchPath(name), tone: "none", word: state === "running" ? "not yet" : "did not run" };
    const took = execution.durationMs === null ? "" : `, ${spanText(execution.durationMs)}`;
    return { name, href: executionPath(execution.id), tone: toneOf(execution), word: `${execution.status}${took}` };
  });
  const drawn = new Set(nodes.map(({ name }) => name));
  return {
    state,
    nodes,
    edges: edges.filter(({ from, to }) => drawn.has(from) && drawn.has(to)),
    hidden: Math.max(0, latest.size - maxNodes),
  };
}
