// `batch-agent validate`: every problem of a folder, with its place. Needs no agent.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { parseBatch, type ParsedBatch } from "../definitions/batch.ts";
import { buildGraph } from "../definitions/chain-graph.ts";
import { notesOf } from "../definitions/schedule-notes.ts";
import type { Batch, Folder } from "../model/batch.ts";
import type { EpochMs, Revision } from "../model/ids.ts";
import type { Note, Problem } from "../model/problem.ts";
import { mapLimit } from "../platform/files.ts";
import { foreignMessage } from "../sources/archive/inventory.ts";
import { settingsNames } from "../sources/group-tree.ts";
import type { BatchSource } from "../sources/port.ts";
import { formatReport } from "./report/problems.ts";

const parallelLoads = 8;
/** Maximum number of entries that are named where none is a batch. */
const maxSeen = 8;

/** What reading a folder of batches takes, and where the answer goes. */
export interface FolderDeps {
  source: BatchSource;
  now: EpochMs;
  write: (text: string) => void;
}

/** Writes the report; gives the exit code, 1 if there is any problem. Throws StoreError when the root cannot be read. */
export async function validate(
  dir: string,
  options: { format: "text" | "json" | "github"; timeZone: string },
  deps: FolderDeps,
): Promise<number> {
  const looks = await lookAtAll(deps.source, options.timeZone);
  const problems = looks.flatMap((look) => look.problems);
  const notes = looks.flatMap((look) => (look.parsed === null ? [] : notesOf(look.parsed, deps.now)));
  const sources = new Map(looks.flatMap((look) => look.sources));
  if (looks.length === 0) problems.push(await nothingThere(dir, deps.source));
  notes.push(...foreignNotes(dir, deps.source));
  deps.write(formatReport({ problems, notes, batches: looks.length, sources }, options.format));
  return problems.length === 0 ? 0 : 1;
}

/** Archives of kinds that are not read: whoever put one beside batches meant it for a batch. */
function foreignNotes(dir: string, source: BatchSource): Note[] {
  return (source.foreign?.() ?? []).map((entry) => ({
    batch: entry,
    file: join(dir, entry),
    line: null,
    column: null,
    message: foreignMessage(entry),
  }));
}

/** A green answer would say that all is well with a folder from which nothing will ever run. */
async function nothingThere(dir: string, source: BatchSource): Promise<Problem> {
  const entries = (await readdir(dir, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1));
  const names = entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name));
  const own = [...settingsNames, "script.sh"].find((file) => names.includes(file));
  const foreign = source.foreign?.() ?? [];
  const others = names.length > maxSeen ? ` and ${names.length - maxSeen} more` : "";
  const seen = names.length === 0 ? "it is empty" : `it holds ${names.slice(0, maxSeen).join(", ")}${others}`;
  const [message, hint] =
    own !== undefined
      ? [`${dir} is a batch itself: it holds ${own}`, `name the folder it lies in: ${join(dir, "..")}`]
      : [
          `there is no batch in ${dir}: ${seen}`,
          foreign.length > 0
            ? "an archive is a .zip, .tar, .tar.gz or .tgz, in lower case"
            : "a batch is a folder in it, with a batch.yaml and a script.sh",
        ];
  return { batch: "", file: dir, line: null, column: null, path: null, code: "no-batch", message, hint };
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
