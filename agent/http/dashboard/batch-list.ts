// Decides which batches the dashboard lists, in what order, and what is counted above the list. Pure, over snapshots.
import type { Edge } from "../../definitions/chain-graph.ts";
import { chainOrder } from "./chain-order.ts";
import { isInGroup } from "./groups.ts";
import type { Outline } from "../../history/port.ts";
import type { BatchState, BatchStatus } from "../../model/batch.ts";
import { isOpen, type ExecutionStatus } from "../../model/execution.ts";

/** Describes what is known of one batch for a line of the list. */
export interface Listed {
  status: BatchStatus;
  standing: Standing;
}

/** How a batch stands: what of it is under way, its latest execution, and how its latest finished one ended. */
export interface Standing {
  open: Outline | null;
  result: Outline | null;
  newest: Outline | null;
  /** How long the latest one that ran to an end took. */
  durationMs: number | null;
  /** True when the latest one that ran to an end failed: what was aborted since says nothing of it. */
  isFailing: boolean;
}

/**
 * @param past       executions of a batch, newest first; no more of them is looked at than it takes
 * @param openCount  how many of them are queued or running
 */
export function standingOf(past: Iterable<Outline>, openCount: number): Standing {
  const standing: Standing = { open: null, result: null, newest: null, durationMs: null, isFailing: false };
  let isDecided = false;
  for (const outline of past) {
    standing.newest ??= outline;
    if (isOpen(outline)) standing.open ??= outline;
    else standing.result ??= outline;
    standing.durationMs ??= outline.durationMs;
    if (!isDecided && (outline.status === "failed" || outline.status === "succeeded")) {
      isDecided = true;
      standing.isFailing = outline.status === "failed";
    }
    const isWhole = isDecided && standing.durationMs !== null;
    if (isWhole && (openCount === 0 || standing.open !== null)) break;
  }
  return standing;
}

export type Sort = "attention" | "name" | "chain" | "last" | "next" | "duration";
export const sorts: readonly Sort[] = ["attention", "name", "chain", "last", "next", "duration"];

export interface ListQuery {
  /** Words that must all occur in name, description or tags; case does not matter. */
  text: string;
  tag: string | null;
  /** A group and all below it. */
  group: string | null;
  state: BatchState | null;
  /** Holds what it does now, or how it last ended; `unusual` is a success that stands out, `never`: there was none. */
  last: ExecutionStatus | "unusual" | "never" | null;
  sort: Sort;
}

export const lastFilters = [
  "failed",
  "running",
  "queued",
  "aborted",
  "succeeded",
  "unusual",
  "never",
] as const satisfies readonly NonNullable<ListQuery["last"]>[];

export interface Counts {
  all: number;
  failed: number;
  running: number;
  queued: number;
  unusual: number;
  invalid: number;
  disabled: number;
}

/** For all batches that are not removed: how many are in which shape. */
export function countBatches(all: readonly Listed[]): Counts {
  const counts: Counts = { all: 0, failed: 0, running: 0, queued: 0, unusual: 0, invalid: 0, disabled: 0 };
  for (const { status, standing } of all) {
    if (status.state === "removed") continue;
    counts.all += 1;
    if (status.state === "invalid") counts.invalid += 1;
    if (status.state === "disabled") counts.disabled += 1;
    const { open, result } = standing;
    if (open?.status === "running" || open?.status === "queued") counts[open.status] += 1;
    if (standing.isFailing) counts.failed += 1;
    if (isUnusual(result)) counts.unusual += 1;
  }
  return counts;
}

/** Tags in use, by name, at most `limit`. */
export function tagsOf(all: readonly Pick<BatchStatus, "batch">[], limit = 200): string[] {
  return [...new Set(all.flatMap(({ batch }) => batch?.file.tags ?? []))].sort().slice(0, limit);
}

/**
 * The batches that `query` asks for, in its order. Removed ones only when asked for by state, or by a text.
 * `nextOf` gives the next start in ms, null for none; asked only when sorting by it. `edges`: for the order by chains.
 */
export function selectBatches(
  all: readonly Listed[],
  query: ListQuery,
  nextOf: (name: string) => number | null,
  edges: readonly Edge[] = [],
): Listed[] {
  const words = query.text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  const selected = all.filter((listed) => {
    const { status, standing } = listed;
    if (query.state !== null && status.state !== query.state) return false;
    if (status.state === "removed" && query.state === null && words.length === 0) return false;
    if (query.tag !== null && status.batch?.file.tags.includes(query.tag) !== true) return false;
    if (query.group !== null && (status.batch === null || !isInGroup(status.batch.group, query.group))) return false;
    if (query.last !== null && !lastMatches(standing, query.last)) return false;
    if (words.length === 0) return true;
    const text = [
      status.name,
      status.batch?.group ?? "",
      status.batch?.file.description ?? "",
      ...(status.batch?.file.tags ?? []),
    ]
      .join(" ")
      .toLowerCase();
    return words.every((word) => text.includes(word));
  });
  if (query.sort !== "chain") return sorted(selected, query.sort, nextOf);
  const order = chainOrder(
    selected.map(({ status }) => status.name),
    edges,
  );
  return selected.sort((a, b) => (order.get(a.status.name) ?? 0) - (order.get(b.status.name) ?? 0));
}

function lastMatches({ open, result, isFailing }: Standing, wanted: NonNullable<ListQuery["last"]>): boolean {
  if (wanted === "never") return open === null && result === null;
  if (wanted === "failed") return isFailing;
  if (wanted === "unusual") return isUnusual(result);
  return wanted === "running" || wanted === "queued" ? open?.status === wanted : result?.status === wanted;
}

function isUnusual(result: Outline | null): boolean {
  return result?.status === "succeeded" && result.unusual !== null;
}

function sorted(items: readonly Listed[], sort: Sort, nextOf: (name: string) => number | null): Listed[] {
  const keyed = items.map((listed) => ({ listed, key: sortKey(listed, sort, nextOf) }));
  const byName = (a: Listed, b: Listed) => (a.status.name < b.status.name ? -1 : 1);
  return keyed.sort((a, b) => a.key - b.key || byName(a.listed, b.listed)).map(({ listed }) => listed);
}

/** Smaller comes first. */
function sortKey({ status, standing }: Listed, sort: Sort, nextOf: (name: string) => number | null): number {
  switch (sort) {
    case "name":
    case "chain":
      return 0;
    case "attention":
      return attention(status, standing);
    case "last":
      return standing.newest === null ? 0 : -Date.parse(standing.newest.createdAt);
    case "next":
      return nextOf(status.name) ?? Infinity;
    case "duration":
      return -(standing.durationMs ?? 0);
    default:
      return sort satisfies never;
  }
}

/** How soon somebody should look: failed, then broken, aborted, unusual, at work, the rest, at rest, gone. */
function attention({ state, problems }: BatchStatus, { open, result, isFailing }: Standing): number {
  if (state === "removed") return 9;
  if (state === "disabled") return 8;
  if (isFailing) return 0;
  if (state === "invalid" || problems.length > 0) return 1;
  if (result?.status === "aborted") return 2;
  if (isUnusual(result)) return 3;
  if (open !== null) return open.status === "running" ? 4 : 5;
  return result === null ? 7 : 6;
}
