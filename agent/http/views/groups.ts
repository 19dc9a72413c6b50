// Groups as the API shows them, and which batches a filter means.
import { isWithinGroup, lineage } from "../../definitions/inherit.ts";
import type { Outline } from "../../history/port.ts";
import type { BatchStatus } from "../../model/batch.ts";
import type { Execution } from "../../model/execution.ts";
import type { Group, GroupName } from "../../model/group.ts";
import type { Catalog } from "../../status.ts";
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
export function groupViews({ catalog, history }: Pick<AppDeps, "catalog" | "history">): GroupView[] {
  const { names, inForce } = catalog.groups();
  const batches = catalog.batches().filter(({ state }) => state !== "removed");
  const tallies = new Map<GroupName, Counts>();
  const tallyOf = (name: GroupName) => {
    const tally = tallies.get(name) ?? newCounts();
    tallies.set(name, tally);
    return tally;
  };
  for (const name of ["", ...names, ...inForce.keys()]) for (const outer of lineage(name)) tallyOf(outer);
  for (const status of batches) {
    const last: Outline | undefined = lastOf(history.outlines(status.name));
    for (const outer of lineage(groupOf(status) ?? "")) {
      const counts = tallyOf(outer);
      counts.state[status.state as keyof Counts["state"]] += 1;
      counts.last[last?.status ?? "none"] += 1;
    }
  }
  return [...tallies]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, counts]) => groupView(name, inForce.get(name), counts, catalog));
}

interface Counts {
  state: Record<"scheduled" | "chained" | "disabled" | "invalid", number>;
  last: Record<Execution["status"] | "none", number>;
}

function newCounts(): Counts {
  return {
    state: { scheduled: 0, chained: 0, disabled: 0, invalid: 0 },
    last: { queued: 0, running: 0, succeeded: 0, failed: 0, aborted: 0, none: 0 },
  };
}

function groupView(name: GroupName, group: Group | undefined, counts: Counts, { poolUse }: Pick<Catalog, "poolUse">) {
  return {
    name,
    description: group?.description ?? null,
    counts,
    pools: Object.entries(group?.pools ?? {}).map(([pool, size]) => ({ name: pool, size, ...poolUse(name, pool) })),
  };
}
