// Keeps the last valid content of every `_group.yaml` over restarts, and what batches in force still use of earlier
// ones, in one small file of the data folder: groups.json.
import { join } from "node:path";
import type { Clock } from "../async/clock.ts";
import type { Logger } from "../logger.ts";
import type { CalendarParts } from "../model/calendar.ts";
import { writeDurably } from "../platform/durable.ts";
import { readState } from "../platform/state-file.ts";
import type { GroupStore, StoredDeclarations, StoredGroup, StoredGroups } from "./port.ts";

/** 500 groups with files at their limits would be more: such a file is set aside, and the folder is read anyway. */
const maxBytes = 64 * 1024 * 1024;

export function createGroupStore(dataDir: string, deps: { clock: Clock; log: Logger }): GroupStore {
  const path = join(dataDir, "groups.json");
  const what = "what groups passed on when they were last valid";
  return {
    async read() {
      return (await readState({ path, what, maxBytes, parse }, deps)) ?? nothing;
    },
    write: ({ groups, kept }) =>
      writeDurably(path, `${JSON.stringify({ groups: Object.fromEntries(groups), ...kept }, null, 1)}\n`),
  };
}

const nothing: StoredGroups = { groups: new Map(), kept: { calendars: [], pools: [] } };

/** Throws for what is no such file. */
function parse(text: string): StoredGroups {
  const value = JSON.parse(text) as Partial<StoredDeclarations> & { groups: Record<string, StoredGroup> };
  const { groups, calendars = [], pools = [] } = value;
  const isWhole =
    Object.values(groups).every(({ text, ics }) => typeof text === "string" && typeof ics === "object") &&
    calendars.every(({ name, parts }) => typeof name === "string" && areParts(parts)) &&
    pools.every(({ group, name, size }) => typeof group === "string" && typeof name === "string" && size >= 1);
  if (!isWhole) throw new Error("it does not hold what groups pass on");
  return { groups: new Map(Object.entries(groups)), kept: { calendars, pools } };
}

function areParts({ days, yearly, ranges, weekdays }: Record<keyof CalendarParts, unknown>): boolean {
  return [days, yearly, ranges, weekdays].every(Array.isArray);
}
