// Groups as the API shows them, and which batches a filter means.
import { isWithinGroup, lineage } from "../../definitions/inherit.ts";
import type { Outline } from "../../history/port.ts";
import type { BatchStatus } from "../../model/batch.ts";
import type { Execution } from "../../model/execution.ts";
import type { Group, GroupName } from "../../model/group.ts";
import { lastOf } from "../../views.ts";
import type { AppDeps } from "./deps.ts";

export type GroupView = ReturnType<typeof groupView>;

/** True for a batch of the group or of one below it, with the tag, as far as they are asked for. */
export function isMeant(status: BatchStatus, { group, tag }: { group?: string; tag?: string }): boolean {
  return (
    (group === undefined || group === "" || isWithinGroup(groupOf(status) ?? "", group)) &&
    (tag === undefined || status.batch?.file.tags.includes(tag) === true)
  );
}

function groupOf(status: BatchStatus): GroupName | undefined {
  return status.group ?? status.batch?.group;
}

/** Every group, the top first. */
export async function groupViews({ catalog, history }: Pick<AppDeps, "catalog" | "history">): Promise<GroupView[]> {
  const { names, inForce } = catalog.groups();
  const batches = catalog.batches().filter(({ state }) => state !== "removed");
  const open = await history.page({ statuses: ["queued", "running"], limit: Number.MAX_SAFE_INTEGER - 1 });
  const tallies = new Map<GroupName, Tally>();
  const tallyOf = (name: GroupName) => {
    const tally = tallies.get(name) ?? newTally();
    tallies.set(name, tally);
    return tally;
  };
  for (const name of ["", ...names, ...inForce.keys()]) for (const outer of lineage(name)) tallyOf(outer);
  for (const status of batches) {
    const last: Outline | undefined = lastOf(history.outlines(status.name));
    for (const outer of lineage(groupOf(status) ?? "")) {
      const { counts } = tallyOf(outer);
      counts.state[status.state as keyof Counts["state"]] += 1;
      counts.last[last?.status ?? "none"] += 1;
    }
  }
  for (const execution of open.items) {
    const batch = catalog.batch(execution.batch)?.batch;
    if (batch?.pool == null) continue;
    const declared = catalog.pool(batch.group, batch.pool);
    if (declared === undefined) continue;
    const { pools } = tallyOf(declared.group);
    const use = pools.get(batch.pool) ?? { running: 0, waiting: 0 };
    pools.set(batch.pool, use);
    if (execution.status === "running") use.running += 1;
    else if (isWaitingForPool(execution, batch.pool)) use.waiting += 1;
  }
  return [...tallies]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, tally]) => groupView(name, inForce.get(name), tally));
}

/** A retry that waits out its delay, or a start that waits for an earlier execution, does not wait for a place. */
function isWaitingForPool({ waitingFor, notBefore }: Execution, pool: string): boolean {
  return waitingFor == null ? notBefore === undefined : waitingFor === `pool ${pool}`;
}

interface Counts {
  state: Record<"scheduled" | "chained" | "disabled" | "invalid", number>;
  last: Record<Execution["status"] | "none", number>;
}

interface Tally {
  counts: Counts;
  pools: Map<string, { running: number; waiting: number }>;
}

function newTally(): Tally {
  return {
    counts: {
      state: { scheduled: 0, chained: 0, disabled: 0, invalid: 0 },
      last: { queued: 0, running: 0, succeeded: 0, failed: 0, aborted: 0, none: 0 },
    },
    pools: new Map(),
  };
}

function groupView(name: GroupName, group: Group | undefined, { counts, pools }: Tally) {
  return {
    name,
    description: group?.description ?? null,
    counts,
    pools: Object.entries(group?.pools ?? {}).map(([pool, size]) => ({
      name: pool,
      size,
      ...(pools.get(pool) ?? { running: 0, waiting: 0 }),
    })),
  };
}
