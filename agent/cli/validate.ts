// `batch-agent validate`: every problem of a folder, with its place. Needs no agent.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { AllowList } from "../definitions/allowed.ts";
import { loadAll } from "../definitions/load-all.ts";
import { notesOf } from "../definitions/schedule-notes.ts";
import type { EpochMs } from "../model/ids.ts";
import type { Note, Problem } from "../model/problem.ts";
import { foreignMessage } from "../sources/archive/inventory.ts";
import { settingsNames } from "../sources/group-tree.ts";
import type { BatchSource, GroupSource } from "../sources/port.ts";
import { formatReport } from "./report/problems.ts";

/** Maximum number of entries that are named where none is a batch. */
const maxSeen = 8;

/** Describes what reading a folder of batches takes, and where the answer goes. */
export interface FolderDeps {
  source: BatchSource & GroupSource;
  now: EpochMs;
  write: (text: string) => void;
}

/**
 * Writes the report; gives the exit code, 1 if there is any problem. Throws StoreError when the root cannot be read.
 */
export async function validate(
  dir: string,
  options: { format: "text" | "json" | "github"; timeZone: string; kubernetes?: AllowList | null },
  deps: FolderDeps,
): Promise<number> {
  const { entries, groupProblems, sources } = await loadAll(deps.source, {
    timeZone: options.timeZone,
    now: deps.now,
    kubernetes: options.kubernetes ?? null,
  });
  const problems = [...groupProblems, ...entries.flatMap((entry) => entry.problems)];
  const notes = entries.flatMap((entry) => (entry.parsed === null ? [] : notesOf(entry.parsed, deps.now)));
  if (entries.length === 0) problems.push(await nothingThere(dir, deps.source));
  notes.push(...foreignNotes(dir, deps.source));
  deps.write(formatReport({ problems, notes, batches: entries.length, sources }, options.format));
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
