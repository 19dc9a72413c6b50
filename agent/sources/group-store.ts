// Keeps the last valid content of every `_group.yaml` over restarts, in one small file of the data folder: groups.json.
import { join } from "node:path";
import { writeDurably } from "../platform/durable.ts";
import { readBounded } from "../platform/files.ts";
import type { GroupStore, StoredGroup } from "./port.ts";

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
        if (size > maxBytes) return new Map();
        const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
        const groups = Object.entries((value as { groups?: Record<string, StoredGroup> }).groups ?? {});
        return new Map(groups.filter(([, { text, ics }]) => typeof text === "string" && typeof ics === "object"));
      } catch {
        return new Map(); // not there, or damaged: the folder is read anyway
      }
    },
    write: (groups) => writeDurably(path, `${JSON.stringify({ groups: Object.fromEntries(groups) }, null, 1)}\n`),
  };
}
