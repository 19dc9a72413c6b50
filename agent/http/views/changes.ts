// Describes what is different between an execution and the last success of its batch before it: the files of the two
// revisions.
import { createTurns } from "../../async/turns.ts";
import { redactPair } from "../../definitions/redact.ts";
import type { HistoryReader } from "../../history/port.ts";
import type { Execution } from "../../model/execution.ts";
import type { Iso, Revision } from "../../model/ids.ts";
import type { RevisionFile, Revisions } from "../../sources/port.ts";
import { isText, unifiedDiff, type DiffSide } from "./unified-diff.ts";

const largestFile = 1024 * 1024;
const largestAnswer = 1024 * 1024;
const maxMs = 1_500;
/** Comparisons that wait for their turn; a file is shown without its diff where more do. */
const maxWaiting = 64;
const turns = createTurns(maxWaiting);

/** One side of a comparison. */
interface ChangesSide {
  execution: string;
  revision: Revision | null;
  commit: string | null;
}

interface ChangedFile {
  path: string;
  kind: "added" | "removed" | "changed";
  /** Unified; null for what is no text, or too large to compare. */
  diff: string | null;
}

export interface Changes {
  /** null when nothing succeeded before. */
  from: ChangesSide | null;
  to: ChangesSide;
  /** By path; null when they cannot be compared: nothing succeeded before, or a revision is not there. */
  files: ChangedFile[] | null;
}

export type ChangesDeps = {
  history: Pick<HistoryReader, "find" | "outlines">;
  revisions: Pick<Revisions, "files">;
  monotonic: () => number;
};

/**
 * Returns what finds the files that differ from a batch's last success before an execution; null when that cannot be
 * told.
 */
export function changedFilesFinder(deps: ChangesDeps) {
  return async (execution: Execution): Promise<{ since: Iso; files: string[] } | null> => {
    const { from, files } = await changesOf(execution, deps);
    const since = from === null ? null : ((await deps.history.find(from.execution))?.finishedAt ?? null);
    return since === null || files === null ? null : { since, files: files.map(({ path }) => path) };
  };
}

/** Compares `execution` with the last success of its batch before it. Throws on I/O errors. */
export async function changesOf(execution: Execution, deps: ChangesDeps): Promise<Changes> {
  const last = await lastSuccessBefore(execution, deps.history);
  const to = sideOf(execution);
  if (last === undefined) return { from: null, to, files: null };
  const from = sideOf(last);
  if (from.revision === null || to.revision === null) return { from, to, files: null };
  if (from.revision === to.revision) return { from, to, files: [] };
  const [before, after] = await Promise.all([deps.revisions.files(from.revision), deps.revisions.files(to.revision)]);
  return { from, to, files: before === null || after === null ? null : await compare(before, after, deps.monotonic) };
}

async function lastSuccessBefore(
  { id, batch }: Execution,
  history: Pick<HistoryReader, "find" | "outlines">,
): Promise<Execution | undefined> {
  for (const outline of history.outlines(batch))
    if (outline.status === "succeeded" && outline.id < id) return history.find(outline.id);
  return undefined;
}

function sideOf({ id, revision, commit }: Execution): ChangesSide {
  return { execution: id, revision, commit };
}

async function compare(
  before: readonly RevisionFile[],
  after: readonly RevisionFile[],
  monotonic: () => number,
): Promise<ChangedFile[]> {
  const until = monotonic() + maxMs;
  const [old, young] = [byPath(before), byPath(after)];
  const changed: ChangedFile[] = [];
  let room = largestAnswer;
  for (const path of [...new Set([...old.keys(), ...young.keys()])].sort()) {
    const [a, b] = [old.get(path) ?? null, young.get(path) ?? null];
    const kind = a === null ? "added" : b === null ? "removed" : "changed";
    if (a !== null && b !== null && (await isSame(a, b))) continue;
    const diff = room > 0 && monotonic() < until ? await diffOf(path, a, b) : null;
    const fits = diff !== null && diff.length <= room;
    if (fits) room -= diff.length;
    changed.push({ path, kind, diff: fits ? diff : null });
  }
  return changed;
}

function byPath(files: readonly RevisionFile[]): Map<string, RevisionFile> {
  return new Map(files.map((file) => [file.path, file]));
}

async function isSame(a: RevisionFile, b: RevisionFile): Promise<boolean> {
  return a.size === b.size && a.executable === b.executable && (await a.digest()) === (await b.digest());
}

async function diffOf(path: string, a: RevisionFile | null, b: RevisionFile | null): Promise<string | null> {
  const [before, after] = [await textOf(a), await textOf(b)];
  if (before === "unfit" || after === "unfit") return null;
  // One after the other, and others have theirs in between: the event loop stands still for as long as one takes.
  if (!(await turns.acquire())) return null;
  if (!["batch.yaml", "batch.yml", "_group.yaml"].includes(path)) return unifiedDiff(path, before, after);
  const shown = redactPair(before?.text ?? null, after?.text ?? null);
  if ((before !== null && shown.before === null) || (after !== null && shown.after === null)) return null;
  const side = (of: DiffSide | null, text: string | null) => (of === null || text === null ? null : { ...of, text });
  return unifiedDiff(path, side(before, shown.before), side(after, shown.after));
}

/** null where it is not there. */
async function textOf(file: RevisionFile | null): Promise<DiffSide | null | "unfit"> {
  if (file === null) return null;
  if (file.size > largestFile) return "unfit";
  const bytes = await file.read();
  return isText(bytes)
    ? { executable: file.executable, text: new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes) }
    : "unfit";
}
