// Reads batch folders into facts. What they mean is decided in core.
import { createHash } from "node:crypto";
import { readdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Folder, Problem, ProblemCode, Revision } from "../core/model.ts";
import { StoreError } from "../errors.ts";
import type { BatchSource, Loaded } from "../ports.ts";
import { errorCode, hashTree, walkTree, type TreeFile } from "./files.ts";

const archive = /\.(zip|tar|tar\.gz|tgz)$/;
const settingsNames = ["batch.yaml", "batch.yml"];
const keptBytes = 1024 * 1024;

/** Source of the folders below `root`, a path as people gave it (problems show it so). */
export function createSource(root: string): BatchSource {
  const shown = root.replace(/\/+$/, "") || "/";
  let archives = new Set<string>();

  function problem(name: string, code: ProblemCode, message: string, hint: string | null, file?: string): Problem {
    const at = file === undefined || file === "" ? `${shown}/${name}` : `${shown}/${name}/${file}`;
    return { batch: name, file: at, line: null, column: null, path: null, code, message, hint };
  }

  async function list(): Promise<string[]> {
    try {
      const entries = await readdir(root, { withFileTypes: true });
      archives = new Set(entries.filter((entry) => archive.test(entry.name)).map((entry) => entry.name));
      return entries
        .filter((entry) => !/^[._]/.test(entry.name) && entry.name !== "README.md")
        .filter((entry) => !entry.isFile() || archive.test(entry.name))
        .map((entry) => entry.name);
    } catch (error) {
      throw new StoreError("read", root, error, "is the folder of batches there, and may the agent read it?");
    }
  }

  async function load(name: string): Promise<Loaded> {
    try {
      const real = await realpath(root); // once, so that all of a batch comes from the same tree when a link at the root is swapped
      const path = join(real, name);
      const info = await stat(path);
      if (!info.isDirectory()) return archive.test(name) ? loadArchive(name, info.mtimeMs) : { kind: "absent" };
      return await loadFolder(name, real, path);
    } catch (error) {
      const code = errorCode(error);
      // A missing entry is absence only while its root is there.
      if ((code === "ENOENT" || code === "ENOTDIR") && (await rootIsThere())) return { kind: "absent" };
      const reason = error instanceof Error ? error.message : String(error);
      return { kind: "unreadable", problem: problem(name, "unreadable", reason, unreadableHint(code)) };
    }
  }

  async function rootIsThere(): Promise<boolean> {
    return stat(root).then(
      (info) => info.isDirectory(),
      () => false,
    );
  }

  async function loadArchive(name: string, changedAt: number): Promise<Loaded> {
    const folderName = name.replace(archive, "");
    const twin = await stat(join(root, folderName)).then((info) => info.isDirectory(), () => false);
    const found = twin
      ? problem(name, "two-sources", `both ${folderName}/ and ${name} are here`, "keep one of them")
      : problem(name, "not-supported-yet", "archives are not supported yet", "unpack it into a folder of that name");
    return { kind: "found", changedAt, folder: empty(name, [found], `${name} ${twin}`) };
  }

  function empty(name: string, problems: Problem[], content: string): Folder {
    const digest = createHash("sha256").update(content).digest("hex").slice(0, 12) as Revision;
    return { name, location: `${shown}/${name}`, digest, settings: [], script: null, problems };
  }

  async function loadFolder(name: string, real: string, path: string): Promise<Loaded> {
    const { files, faults, changedMs: changedAt } = await walkTree(real, path);
    const problems = faults.map((fault) => problem(name, fault.code, fault.message, hints[fault.code], fault.path));
    const settingsFiles = files.filter((file) => settingsNames.includes(file.path));
    const scriptFile = files.find((file) => file.path === "script.sh");
    const special = faults.some((fault) => ["", ...settingsNames, "script.sh"].includes(fault.path) && fault.code !== "too-large");
    const whole = !faults.some((fault) => fault.code === "too-many-files");
    if (settingsFiles.length === 0 && scriptFile === undefined && !special && whole) return { kind: "absent" };

    const scriptFolder = files.some((file) => file.path.startsWith("script.sh/"));
    if (scriptFolder) problems.push(problem(name, "special-file", "script.sh is a folder", "it must be a file", "script.sh"));
    const twin = [...archives].find((entry) => entry.replace(archive, "") === name);
    if (twin !== undefined) {
      problems.push(problem(name, "two-sources", `both ${name}/ and ${twin} are here`, "keep one of them"));
    }
    if (problems.length > 0) {
      const content = JSON.stringify([problems, files.map((file) => [file.path, file.size]), changedAt]);
      return { kind: "found", changedAt, folder: { ...empty(name, problems, content) } };
    }

    const kept = new Map<string, Uint8Array[]>();
    const digest = (await hashTree(files, (file, bytes) => {
      if (file !== scriptFile && !settingsFiles.includes(file)) return;
      const chunks = kept.get(file.path) ?? [];
      if (chunks.reduce((sum, chunk) => sum + chunk.length, 0) <= keptBytes) chunks.push(bytes);
      kept.set(file.path, chunks);
    })) as Revision;
    const bytesOf = (file: TreeFile) => Buffer.concat(kept.get(file.path) ?? []).subarray(0, keptBytes + 1);
    return {
      kind: "found",
      changedAt,
      folder: {
        name,
        location: `${shown}/${name}`,
        digest,
        settings: settingsFiles.map((file) => ({ file: file.path, bytes: bytesOf(file), size: file.size })),
        script: scriptFile === undefined ? null : { bytes: bytesOf(scriptFile), size: scriptFile.size },
        problems: [],
      },
    };
  }

  return { list, load };
}

const hints = {
  "special-file": "a batch holds files and folders only; take it out",
  "link-outside": "links must stay within the folder of batches; copy the file instead",
  "too-many-files": "a batch is a script and a few files beside it; keep data elsewhere",
  "too-large": "a batch is a script and a few files beside it; keep data elsewhere",
} as const;

function unreadableHint(code: string): string {
  if (code === "EACCES" || code === "EPERM") return "give the agent's user read permission; what was in force stays in force";
  return "what was in force stays in force; the agent tries again at the next resync";
}
