// A chain as a picture: batches as boxes that lead to their pages, what follows what as arrows.
import { layOut, nodeHeight } from "../drawing/chain-layout.ts";
import type { Edge } from "../../../definitions/chain-graph.ts";
import type { Tone } from "../drawing/sparkline.ts";

export interface ChainNode {
  name: string;
  href: string;
  tone: Tone | "none";
  /** Its status or state, in few words. */
  word: string;
  /** The one the page is about. */
  here?: boolean;
}

const shownLetters = 26;

export function Chain({ label, nodes, edges }: { label: string; nodes: readonly ChainNode[]; edges: readonly Edge[] }) {
  const layout = layOut(
    nodes.map(({ name }) => name),
    edges,
  );
  const byName = new Map(nodes.map((node) => [node.name, node]));
  return (
    <div class="scroll chain" tabindex={0} role="group" aria-label={label}>
      <svg width={String(layout.width)} height={String(layout.height)} viewBox={`0 0 ${layout.width} ${layout.height}`}>
        {layout.edges.map((edge) => (
          <g class={`edge ${edge.kind}`}>
            <path d={edge.path} />
            <path class="tip" d={tip(edge.path)} />
          </g>
        ))}
        {layout.nodes.map((placed) => {
          const node = byName.get(placed.name) as ChainNode;
          return (
            <a
              href={node.href}
              {...(node.here === true ? { "aria-current": "true" as const } : {})}
              data-left={String(placed.x + placed.width / 2)}
            >
              <title>{`${node.name}: ${node.word}`}</title>
              <rect
                class={`node ${node.tone}`}
                x={String(placed.x)}
                y={String(placed.y)}
                width={String(placed.width)}
                height={String(nodeHeight)}
                rx="7"
              />
              <rect
                class={`side ${node.tone}`}
                x={String(placed.x)}
                y={String(placed.y + 9)}
                width="4"
                height={String(nodeHeight - 18)}
                rx="2"
              />
              <text class="name" x={String(placed.x + 14)} y={String(placed.y + 20)}>
                {shownName(node.name)}
              </text>
              <text class="word" x={String(placed.x + 14)} y={String(placed.y + 36)}>
                {node.word}
              </text>
            </a>
          );
        })}
      </svg>
    </div>
  );
}

/** Long names without their middle: those of a chain mostly begin alike and end differently. */
function shownName(name: string): string {
  if (name.length <= shownLetters) return name;
  const head = Math.floor(shownLetters / 3);
  return `${name.slice(0, head)}…${name.slice(name.length - (shownLetters - head - 1))}`;
}

/** An arrow's head at the end of a curve, pointing right. */
function tip(path: string): string {
  const [x = 0, y = 0] = path.split(" ").slice(-2).map(Number);
  return `M${x - 1} ${y - 4}l7 4l-7 4z`;
}

/** Says what the kinds of arrows mean, where there are two kinds. */
export function ChainLegend({ edges }: { edges: readonly Edge[] }) {
  if (!edges.some(({ kind }) => kind === "onFailure")) return null;
  return <p class="dim">Solid: follows. Dashed: runs when the other has finally failed.</p>;
}
