// `batch-agent validate`: every problem of a folder, with its place. Needs no agent.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseBatch, type ParsedBatch } from "../definitions/batch.ts";
import { buildGraph } from "../definitions/chain-graph.ts";
import { notesOf } from "../definitions/schedule-notes.ts";
import { UsageError } from "../errors.ts";
import type { Batch, Folder } from "../model/batch.ts";
import type { EpochMs, Revision } from "../model/ids.ts";
import type { Problem } from "../model/problem.ts";
import { mapLimit } from "../platform/files.ts";
import { settingsNames } from "../sources/folder.ts";
import type { BatchSource } from "../sources/port.ts";
import { formatReport } from "./report/problems.ts";

const parallelLoads = 8;

/** What reading a folder of batches takes, and where the answer goes. */
export interface FolderDeps {
  source: BatchSource;
  now: EpochMs;
  write: (text: string) => void;
}

/** Writes the report; gives the exit code, 1 if there is any problem. Throws StoreError when the root cannot be read, UsageError when it is a batch. */
export async function validate(
  dir: string,
  options: { format: "text" | "json" | "github"; timeZone: string },
  deps: FolderDeps,
): Promise<number> {
  const looks = await lookAtAll(deps.source, options.timeZone);
  const problems = looks.flatMap((look) => look.problems);
  const notes = looks.flatMap((look) => (look.parsed === null ? [] : notesOf(look.parsed, deps.now)));
  const sources = new Map(looks.flatMap((look) => look.sources));
  const own =
    looks.length === 0 ? [...settingsNames, "script.sh"].find((file) => existsSync(join(dir, file))) : undefined;
  if (own !== undefined)
    throw new UsageError(
      `${dir} is a batch itself: it holds ${own}`,
      `name the folder it lies in: batch-agent validate ${join(dir, "..")}`,
    );
  if (looks.length === 0 && options.format === "text") deps.write(`there is no batch in ${dir}\n`);
  else deps.write(formatReport({ problems, notes, batches: looks.length, sources }, options.format));
  return problems.length === 0 ? 0 : 1;
}

export interface Look {
  name: string;
  /** null when it could not be read. */
  parsed: ParsedBatch | null;
  /** Its definition, even where its place in a chain keeps it from starting (`parsed.batch` is null then). */
  definition: Batch | null;
  /** Digest of its files; null when it could not be read. */
  revision: Revision | null;
  problems: readonly Problem[];
  /** Texts of its files. */
  sources: readonly (readonly [string, string])[];
}

/** Reads and judges every batch there is, by name. Throws StoreError when the root cannot be read. */
export async function lookAtAll(source: BatchSource, timeZone: string): Promise<Look[]> {
  const names = (await source.list()).sort();
  const looks = await mapLimit(names, parallelLoads, async (name): Promise<Look | null> => {
    const loaded = await source.load(name);
    if (loaded.kind === "absent") return null;
    if (loaded.kind === "unreadable")
      return { name, parsed: null, definition: null, revision: null, problems: [loaded.problem], sources: [] };
    const parsed = parseBatch(loaded.folder, { timeZone });
    const { problems } = parsed;
    return {
      name,
      parsed,
      definition: parsed.batch,
      revision: loaded.folder.digest,
      problems,
      sources: sourcesOf(loaded.folder),
    };
  });
  return withChains(looks.filter((look) => look !== null));
}

/** What only shows over all batches is told with each of them; such a batch never starts. */
function withChains(looks: readonly Look[]): Look[] {
  const names = looks.map(({ name }) => name);
  const { problems } = buildGraph(
    looks.flatMap(({ parsed }) => parsed?.batch ?? []),
    new Set(names),
  );
  return looks.map((look) => {
    const found = problems.get(look.name);
    if (found === undefined || look.parsed === null) return look;
    return { ...look, parsed: { ...look.parsed, batch: null }, problems: [...look.problems, ...found] };
  });
}

function sourcesOf({ location, settings, script }: Folder): [string, string][] {
  const files = [...settings, ...(script === null ? [] : [{ file: "script.sh", bytes: script.bytes }])];
  return files.map(({ file, bytes }) => [`${location}/${file}`, new TextDecoder().decode(bytes)]);
}
