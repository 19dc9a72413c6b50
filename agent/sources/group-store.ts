// Keeps the last valid content of every `_group.yaml` over restarts, and what batches in force still use of earlier
// ones, in one small file of the data folder: groups.json.
import { join } from "node:path";
import { writeDurably } from "../platform/durable.ts";
import { readBounded } from "../platform/files.ts";
import type { GroupStore, StoredDeclarations, StoredGroup, StoredGroups } from "./port.ts";

/**
 * 500 groups with files at their limits would be more: then a restart knows none of them until it has read the
 * folder.
 */
const maxBytes = 64 * 1024 * 1024;

export function createGroupStore(dataDir: string): GroupStore {
  const path = join(dataDir, "groups.json");
  return {
    async read() {
      try {
        const { bytes, size } = await readBounded(path, maxBytes, "refuse");
        return size > maxBytes ? nothing : parse(new TextDecoder().decode(bytes));
      } catch {
        return nothing; // not there, or damaged: the folder is read anyway
      }
    },
    write: ({ groups, kept }) =>
      writeDurably(path, `${JSON.stringify({ groups: Object.fromEntries(groups), ...kept }, null, 1)}\n`),
  };
}

const nothing: StoredGroups = { groups: new Map(), kept: { calendars: [], pools: [] } };

function parse(text: string): StoredGroups {
  const value = JSON.parse(text) as { groups?: Record<string, StoredGroup> } & Partial<StoredDeclarations>;
  const groups = Object.entries(value.groups ?? {});
  return {
    groups: new Map(groups.filter(([, { text, ics }]) => typeof text === "string" && typeof ics === "object")),
    kept: { calendars: value.calendars ?? [], pools: value.pools ?? [] },
  };
}
