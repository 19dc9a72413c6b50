// Folders for `parseBatch`: from texts, from disk, and the fixtures of what can be wrong with them.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Folder } from "../../agent/model/batch.ts";
import type { Revision } from "../../agent/model/ids.ts";
import { problemCodes, type ProblemCode, type Problem } from "../../agent/model/problem.ts";

const invalid = join(import.meta.dirname, "../fixtures/invalid");

/** Codes that are found while reading a folder; `parseBatch` only passes them on. */
export const codesOfReading: readonly ProblemCode[] = [
  "two-sources",
  "bad-archive",
  "too-many-files",
  "special-file",
  "link-outside",
  "unreadable",
  "unsettled",
];

/** Codes that only show over all batches. */
export const codesOfChains: readonly ProblemCode[] = [
  "unknown-batch",
  "cycle",
  "no-common-root",
  "no-start",
  "no-batch",
];

/** Codes of the agent's own trouble, not of a folder: test/faults and test/e2e/git.test.ts show them. */
export const codesOfTrouble: readonly ProblemCode[] = [
  "no-batch",
  "not-stored",
  "revision-changed",
  "data-folder",
  "data-folder-replaced",
  "history-corrupt",
  "git-not-followed",
  "git-ambiguous",
  "git-not-verified",
  "reconcile-failed",
  "no-bash",
  "no-mail",
  "kubernetes-not-allowed", // it depends on options: test/definitions/allowed.test.ts
  "not-delivered",
];

/** Codes of groups and their files: test/definitions/group.test.ts and test/sources show them. */
export const codesOfGroups: readonly ProblemCode[] = ["bad-calendar", "duplicate-name", "group-depth", "group-invalid"];

export interface InvalidFixture {
  /** `<code>` or `<code>-<number>`; also the batch's name, unless make.sh says otherwise. */
  name: string;
  code: ProblemCode;
  /** In order; where make.sh makes the situation, only the fields that do not depend on the machine. */
  expected: Partial<Problem>[];
}

export function invalidFixtures(): InvalidFixture[] {
  return readdirSync(invalid)
    .sort()
    .map((name) => {
      const code = problemCodes.find((candidate) => candidate === name.replace(/-\d+$/, ""));
      if (code === undefined) throw new Error(`no problem code belongs to the fixture ${name}`);
      return {
        name,
        code,
        expected: JSON.parse(readFileSync(join(invalid, name, "expected.json"), "utf8")) as Partial<Problem>[],
      };
    });
}

/** Lays a fixture out in the empty folder `root`, as a folder of batches. */
export function layOut({ name }: InvalidFixture, root: string): void {
  const make = join(invalid, name, "make.sh");
  if (existsSync(make)) execFileSync("bash", [make, root]);
  else
    cpSync(join(invalid, name), join(root, name), {
      recursive: true,
      filter: (path) => !path.endsWith("expected.json"),
    });
}

/** Problems of the folder `root` as expected.json has them: below `batches.d`. */
export function atHome(problems: readonly Problem[], root: string): Problem[] {
  return problems.map((problem) => ({ ...problem, file: problem.file?.replace(root, "batches.d") ?? null }));
}

/** What a plain folder on disk is to `parseBatch`. */
export function folderAt(root: string, name: string): Folder {
  const read = (file: string) => {
    const path = join(root, name, file);
    if (!existsSync(path)) return [];
    const bytes = readFileSync(path);
    return [{ file, bytes, size: bytes.length }];
  };
  return textFolder(name, [...read("batch.yaml"), ...read("batch.yml")], read("script.sh")[0] ?? null);
}

/** A folder with these texts. */
export function folderOf(
  settings: string | Uint8Array | null,
  script: string | Uint8Array | null = "echo hello\n",
  name = "report",
): Folder {
  const bytesOf = (content: string | Uint8Array) =>
    typeof content === "string" ? new TextEncoder().encode(content) : content;
  const part = (content: string | Uint8Array) => ({ bytes: bytesOf(content), size: bytesOf(content).length });
  return textFolder(
    name,
    settings === null ? [] : [{ file: "batch.yaml", ...part(settings) }],
    script === null ? null : part(script),
  );
}

function textFolder(name: string, settings: Folder["settings"], script: Folder["script"]): Folder {
  return {
    name,
    entry: name,
    group: "",
    location: `batches.d/${name}`,
    digest: "aaaaaaaaaaaa" as Revision,
    settings,
    script,
    problems: [],
  };
}
