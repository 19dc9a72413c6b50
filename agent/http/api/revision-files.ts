// The files of a batch's revision in force; values of `env` and the addresses of webhooks are hidden.
import { redactPair } from "../../definitions/redact.ts";
import type { BatchStatus } from "../../model/batch.ts";
import type { RevisionFile, Revisions } from "../../sources/port.ts";
import { HttpProblem } from "../protocol/problem.ts";
import { isText } from "../views/unified-diff.ts";

const maxShownBytes = 1024 * 1024;
const settingsNames: readonly string[] = ["batch.yaml", "batch.yml", "_group.yaml"];

type Stored = Pick<Revisions, "files">;

/** All files, by path; throws a 404 where there is no revision. */
export async function fileList(revisions: Stored, status: BatchStatus) {
  const files = await filesOf(revisions, status);
  const items = files.map(({ path, size, executable }) => ({ path, size, executable }));
  return { items: items.sort((a, b) => (a.path < b.path ? -1 : 1)) };
}

/** One file as text; throws a 404 for one that is not there, a 413 or 415 for one that cannot be shown. */
export async function fileText(revisions: Stored, status: BatchStatus, path: string): Promise<string> {
  const file = (await filesOf(revisions, status)).find((one) => one.path === path);
  if (file === undefined) throw new HttpProblem(404, `revision ${status.revision} has no file ${path}`);
  if (file.size > maxShownBytes) throw new HttpProblem(413, `${path} is larger than ${maxShownBytes} bytes`);
  const bytes = await file.read();
  if (!isText(bytes)) throw new HttpProblem(415, `${path} is not text`);
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  if (!settingsNames.includes(path)) return text;
  const shown = redactPair(null, text).after;
  if (shown === null) throw new HttpProblem(415, `${path} cannot be shown without the values that it hides`);
  return shown;
}

async function filesOf(revisions: Stored, { name, revision }: BatchStatus): Promise<RevisionFile[]> {
  const files = revision === null ? null : await revisions.files(revision);
  if (files === null) throw new HttpProblem(404, `batch ${name} has no revision in force`);
  return files;
}
