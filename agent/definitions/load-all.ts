// Loads a whole folder of batches at once, for commands that need no agent: groups, definitions, chains.
import pMap from "p-map";
import type { Batch, Folder } from "../model/batch.ts";
import type { EpochMs } from "../model/ids.ts";
import type { Problem } from "../model/problem.ts";
import { withInherited } from "../model/revision.ts";
import type { BatchSource, GroupSource, GroupStore } from "../sources/port.ts";
import type { AllowList } from "./allowed.ts";
import { parseBatch, type ParsedBatch } from "./batch.ts";
import { buildGraph, type Graph } from "./chain-graph.ts";
import { createGroups } from "./group-files.ts";

const parallelLoads = 8;

interface LoadedEntry {
  name: string;
  /** null when it could not be read. */
  parsed: ParsedBatch | null;
  /** Its definition, even where its place in a chain keeps it from starting (`parsed.batch` is null then). */
  definition: Batch | null;
  /** Its files, with what they inherit; null when it could not be read. */
  folder: Folder | null;
  problems: readonly Problem[];
}

export interface LoadedFolder {
  entries: readonly LoadedEntry[];
  /** Problems of the groups' own files. */
  groupProblems: readonly Problem[];
  /** Text of every file that a problem may name, by the name that problems give it. */
  sources: ReadonlyMap<string, string>;
  /** Chains over everything that was loaded. */
  graph: Graph;
}

/**
 * Reads and judges every batch there is, by name, or those of `only`. Throws StoreError when the root cannot be read.
 * @param options.now calendars that leave no day within five years of it are a problem
 */
export async function loadAll(
  source: BatchSource & GroupSource,
  options: { timeZone: string; now: EpochMs; only?: readonly string[]; kubernetes?: AllowList | null },
): Promise<LoadedFolder> {
  const { timeZone, now, kubernetes = null } = options;
  const listed = (await source.list()).sort();
  const groups = createGroups({
    source,
    store: nothingStored,
    clock: { now: () => now },
    log: quiet,
    timeZone,
    settleMs: 0,
    onProblems: () => undefined,
  });
  await groups.refresh(null);
  const wanted = options.only === undefined ? listed : listed.filter((name) => options.only?.includes(name));
  const entries = await pMap(
    wanted,
    async (name): Promise<LoadedEntry | null> => {
      const loaded = await source.load(name);
      if (loaded.kind === "absent") return null;
      if (loaded.kind === "unreadable")
        return { name, folder: null, parsed: null, definition: null, problems: [loaded.problem] };
      const inheritance = groups.inheritance(loaded.folder.group);
      const parsed = parseBatch(loaded.folder, { timeZone, now, inheritance, kubernetes });
      const folder = withInherited(loaded.folder, parsed.inherits);
      return { name, folder, parsed, definition: parsed.batch, problems: parsed.problems };
    },
    { concurrency: parallelLoads },
  );
  const found = entries.filter((entry) => entry !== null);
  const graph = buildGraph(
    found.flatMap(({ parsed }) => parsed?.batch ?? []),
    new Set(found.map(({ name }) => name)),
  );
  const files = found.flatMap(({ folder }) => (folder === null ? [] : sourcesOf(folder)));
  const sources = new Map([...groups.sources(), ...files]);
  return { entries: withChains(found, graph), groupProblems: groups.problems(), sources, graph };
}

const nothingStored: GroupStore = {
  read: () => Promise.resolve({ groups: new Map(), kept: { calendars: [], pools: [] } }),
  write: () => Promise.resolve(),
};
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Returns what only shows over all batches is told with each of them; such a batch never starts. */
function withChains(entries: readonly LoadedEntry[], { problems }: Graph): LoadedEntry[] {
  return entries.map((entry) => {
    const found = problems.get(entry.name);
    if (found === undefined || entry.parsed === null) return entry;
    return { ...entry, parsed: { ...entry.parsed, batch: null }, problems: [...entry.problems, ...found] };
  });
}

function sourcesOf({ location, settings, script }: Folder): [string, string][] {
  const files = [...settings, ...(script === null ? [] : [{ file: "script.sh", bytes: script.bytes }])];
  return files.map(({ file, bytes }) => [`${location}/${file}`, new TextDecoder().decode(bytes)]);
}
