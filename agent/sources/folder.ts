// Reads batch folders, and archives as folders, into facts. What they mean is decided in core.
import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import { lstat, readdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { StoreError } from "../errors.ts";
import type { Folder } from "../model/batch.ts";
import { isBatchName, type Revision } from "../model/ids.ts";
import type { ProblemCode, Problem } from "../model/problem.ts";
import { errorCode, isWithin } from "../platform/files.ts";
import { archiveExtensions, batchNameOf, isArchiveName, isForeignArchive } from "./archive/inventory.ts";
import { isMadeByMachine } from "./leftovers.ts";
import { unsettledHint, type BatchSource, type Unchanged, type Loaded } from "./port.ts";
import { hashTree, walkTree, type TreeLimits, type OpenArchive, type Tree, type TreeFile } from "./tree.ts";
import { trimEndOf } from "../text/trim.ts";

export const settingsNames = ["batch.yaml", "batch.yml"];
const keptBytes = 1024 * 1024;
/** Most batches are a few small files: their bytes are passed on, so that they are read once. */
const smallBytes = 64 * 1024;
/** What changed more recently may change again with the same times: some file systems count in whole seconds. */
const surelyOlderMs = 2_000;

export interface SourceOptions {
  /** Opens archives; without it there are none. */
  unpack?: OpenArchive;
  /** An archive that was written to within so many ms is told as still being written, unread. None by default. */
  quietMs?: number;
  limits?: TreeLimits;
  /** Where the agent's own data really lies: no batch, also where it lies among them. */
  except?: string;
  /** What problems call the root; its path by default. */
  shownAs?: string;
}

/** Source of the folders and archives below `root`, a path as people gave it (problems show it so). */
export function createSource(root: string, options: SourceOptions = {}): BatchSource {
  const { unpack, quietMs = 0, limits, except } = options;
  const shown = trimEndOf(options.shownAs ?? root, "/") || "/";
  /** What was last listed: where the root really was, the archives of each batch, and all entries; null before. */
  let listed: { real: string; archives: ReadonlyMap<string, readonly string[]>; names: ReadonlySet<string> } | null =
    null;
  let foreign: readonly string[] = [];
  /** Archives as they were last read, so that an unchanged one is not unpacked at every look. */
  const remembered = new Map<string, { stamp: string; loaded: Loaded }>();

  function problem(entry: string, code: ProblemCode, message: string, hint: string | null, file?: string): Problem {
    const at = file === undefined || file === "" ? `${shown}/${entry}` : `${shown}/${entry}/${file}`;
    return { batch: entry, file: at, line: null, column: null, path: null, code, message, hint };
  }

  async function list(): Promise<string[]> {
    try {
      const real = realpathSync.native(root);
      const entries = (await readdir(real, { withFileTypes: true })).filter(
        ({ name }) =>
          !/^[._]/.test(name) && name !== "README.md" && !isMadeByMachine(name) && join(real, name) !== except,
      );
      const packed = entries.filter(
        (entry) => unpack !== undefined && isArchiveName(entry.name) && !entry.isDirectory(),
      );
      const archives = new Map<string, string[]>();
      for (const { name } of packed)
        archives.set(batchNameOf(name), [...(archives.get(batchNameOf(name)) ?? []), name]);
      foreign = entries.flatMap((entry) => (entry.isFile() && isForeignArchive(entry.name) ? [entry.name] : []));
      const names = new Set([
        ...entries.filter((entry) => !entry.isFile() && !packed.includes(entry)).map((entry) => entry.name),
        ...archives.keys(),
      ]);
      listed = { real, archives, names };
      const there = new Set(packed.map((entry) => entry.name));
      for (const entry of remembered.keys()) if (!there.has(entry)) remembered.delete(entry);
      return [...names];
    } catch (error) {
      throw new StoreError("read", root, error, "is the folder of batches there, and may the agent read it?");
    }
  }

  function load(name: string): Promise<Loaded>;
  function load(name: string, seen: string | null): Promise<Loaded | Unchanged>;
  async function load(name: string, seen: string | null = null): Promise<Loaded | Unchanged> {
    let entry = name;
    let real = listed?.real ?? "";
    try {
      if (real === "") real = realpathSync.native(root); // all of a batch comes from one tree, also when a link at the root is swapped
      const archives = await archivesOf(real, name);
      const beside = archives.length > 0 && (await isBeside(join(real, name)));
      if (archives.length > (beside ? 0 : 1))
        return await tellTwo(real, name, [...(beside ? [name] : []), ...archives]);
      entry = archives[0] ?? name;
      const path = join(real, entry);
      if (entry !== name) return await loadArchive(real, name, entry);
      const tree = await walkTree(real, path, limits);
      if (seen !== null && tree.signature === seen) return { kind: "unchanged" };
      return await readTree(name, entry, tree);
    } catch (error) {
      const code = errorCode(error);
      const missing = code === "ENOENT" || code === "ENOTDIR";
      if (missing && listed !== null && (await rootIsElsewhere(real))) {
        listed = null;
        return load(name, seen);
      }
      // A missing entry is absence only while its root is there.
      if (missing && (await rootIsThere())) return (await tellAstray(entry)) ?? { kind: "absent" };
      // A disk's own folder, say: no batch can have its name, and nobody is meant to look into it.
      if (["EACCES", "EPERM"].includes(code) && entry === name && !isBatchName(name)) return { kind: "absent" };
      const reason = error instanceof Error ? error.message : String(error);
      return { kind: "unreadable", problem: problem(entry, "unreadable", reason, unreadableHint(code)) };
    }
  }

  async function rootIsThere(): Promise<boolean> {
    return stat(root).then(
      (info) => info.isDirectory(),
      () => false,
    );
  }

  function rootIsElsewhere(real: string): Promise<boolean> {
    return realpath(root).then(
      (now) => now !== real,
      () => false,
    );
  }

  /** Whether a folder, or a link, lies at `path`: plain files are no batches. */
  function isBeside(path: string): Promise<boolean> {
    return lstat(path).then((info) => !info.isFile(), notThere);
  }

  /** The archives of a batch that are there now. */
  async function archivesOf(real: string, name: string): Promise<string[]> {
    if (unpack === undefined) return [];
    const candidates =
      listed === null ? archiveExtensions.map((extension) => name + extension) : (listed.archives.get(name) ?? []);
    const there = await Promise.all(
      candidates.map((entry) => lstat(join(real, entry)).then((info) => !info.isDirectory(), notThere)),
    );
    return candidates.filter((_, index) => there[index]);
  }

  /** What could not be found although it is there: a folder whose files come and go, a link that leads nowhere, and a name whose bytes are no UTF-8. */
  async function tellAstray(entry: string): Promise<Loaded | null> {
    const path = join(root, entry);
    const target = await stat(path).catch(() => null);
    if (target?.isDirectory() === true) return moving(entry);
    const link = await lstat(path).catch(() => null);
    if (target === null && link?.isSymbolicLink() === true) return astray(entry, "leads nowhere", link.ctimeMs);
    if (!entry.includes("\uFFFD") || listed?.names.has(entry) !== true) return null;
    const hint = "lower-case letters, digits and - only, no - at either end, at most 63 characters";
    return {
      kind: "unreadable",
      problem: problem(
        entry,
        "bad-name",
        `${JSON.stringify(entry)} cannot be the name of a batch: it is not UTF-8`,
        hint,
      ),
    };
  }

  /** Never the same twice, so that it is looked at again until it rests. */
  function moving(entry: string): Loaded {
    const found = problem(entry, "unsettled", "its files come and go while they are read", unsettledHint);
    return {
      kind: "found",
      changedAt: Date.now(),
      folder: empty(batchNameOf(entry), entry, [found], String(performance.now())),
    };
  }

  function astray(entry: string, why: string, changedAt: number): Loaded {
    const found = problem(entry, "link-outside", `it is a symbolic link that ${why}`, hints["link-outside"]);
    return { kind: "found", changedAt, folder: empty(batchNameOf(entry), entry, [found], why) };
  }

  async function tellTwo(real: string, name: string, found: readonly string[]): Promise<Loaded> {
    const shownNames = found.map((entry) => (entry === name ? `${entry}/` : entry)).join(" and ");
    const problems = found.map((entry) =>
      problem(
        entry,
        "two-sources",
        `${found.length > 2 ? "all of" : "both"} ${shownNames} are here`,
        "keep one of them",
      ),
    );
    const infos = await Promise.all(found.map((entry) => lstat(join(real, entry))));
    const changedAt = Math.max(...infos.map((info) => info.ctimeMs));
    return { kind: "found", changedAt, folder: empty(name, found[0] ?? name, problems, JSON.stringify(found)) };
  }

  async function loadArchive(real: string, name: string, entry: string): Promise<Loaded> {
    const path = join(real, entry);
    if (!isWithin(real, await realpath(path)))
      return astray(entry, "leaves the watched folder", (await lstat(path)).ctimeMs);
    const before = await stampOf(path);
    const known = remembered.get(entry);
    if (known?.stamp === before.stamp) return known.loaded;
    const ageMs = Date.now() - before.changedAt;
    if (ageMs >= 0 && ageMs < quietMs) {
      const growing = problem(entry, "bad-archive", "it is still being written", null);
      return { kind: "found", changedAt: before.changedAt, folder: empty(name, entry, [growing], before.stamp) };
    }
    const loaded = await (unpack as OpenArchive)(path, (tree) => readTree(name, entry, tree));
    const after = await stampOf(path);
    if (after.stamp !== before.stamp) return loaded.kind === "found" ? { ...loaded, changedAt: Date.now() } : loaded;
    if (ageMs > surelyOlderMs) remembered.set(entry, { stamp: before.stamp, loaded });
    return loaded;
  }

  function empty(name: string, entry: string, problems: Problem[], content: string): Folder {
    const digest = createHash("sha256").update(content).digest("hex").slice(0, 12) as Revision;
    return { name, entry, location: `${shown}/${entry}`, digest, settings: [], script: null, problems };
  }

  async function readTree(
    name: string,
    entry: string,
    { files, faults, changedMs: changedAt, signature = null }: Tree,
  ): Promise<Loaded> {
    const packed = entry !== name;
    const hintOf = (code: keyof typeof hints) => (packed ? (packedHints[code] ?? hints[code]) : hints[code]);
    const problems = faults.map((fault) =>
      problem(entry, fault.code, fault.message, fault.hint ?? hintOf(fault.code), fault.path),
    );
    const settingsFiles = files.filter((file) => settingsNames.includes(file.path));
    const scriptFile = files.find((file) => file.path === "script.sh");
    const special = faults.some(
      (fault) => ["", ...settingsNames, "script.sh"].includes(fault.path) && fault.code !== "too-large",
    );
    const whole = !faults.some((fault) => fault.code === "too-many-files");
    if (settingsFiles.length === 0 && scriptFile === undefined && !special && whole && !packed)
      return { kind: "absent" };

    const scriptFolder = files.some((file) => file.path.startsWith("script.sh/"));
    if (scriptFolder)
      problems.push(problem(entry, "special-file", "script.sh is a folder", "it must be a file", "script.sh"));
    if (problems.length > 0) {
      const content = JSON.stringify([problems, whole ? files.map((file) => [file.path, file.size]) : null, changedAt]);
      return { kind: "found", changedAt, folder: empty(name, entry, problems, content) };
    }

    const small = files.reduce((sum, file) => sum + file.size, 0) <= smallBytes;
    const kept = new Map<string, Uint8Array[]>();
    const digest = (await hashTree(files, (file, bytes) => {
      if (!small && file !== scriptFile && !settingsFiles.includes(file)) return;
      const chunks = kept.get(file.path) ?? [];
      if (chunks.reduce((sum, chunk) => sum + chunk.length, 0) <= keptBytes) chunks.push(bytes);
      kept.set(file.path, chunks);
    })) as Revision;
    const bytesOf = (file: TreeFile) => Buffer.concat(kept.get(file.path) ?? []).subarray(0, keptBytes + 1);
    const asRead = small && files.every((file) => kept.get(file.path)?.[0]?.length === file.size);
    return {
      kind: "found",
      changedAt,
      signature,
      folder: {
        name,
        entry,
        location: `${shown}/${entry}`,
        digest,
        settings: settingsFiles.map((file) => ({ file: file.path, bytes: bytesOf(file), size: file.size })),
        script: scriptFile === undefined ? null : { bytes: bytesOf(scriptFile), size: scriptFile.size },
        ...(asRead
          ? {
              files: files.map((file) => ({
                path: file.path,
                executable: file.executable,
                isPrivate: file.isPrivate,
                bytes: kept.get(file.path)?.[0] as Uint8Array,
              })),
            }
          : {}),
        problems: [],
      },
    };
  }

  return { list, foreign: () => foreign, load };
}

/** What cannot be looked at is not taken for what is not there. */
function notThere(error: unknown): false {
  if (!["ENOENT", "ENOTDIR"].includes(errorCode(error))) throw error;
  return false;
}

/** Whether a file is still the one it was, as far as can be told without reading it. */
async function stampOf(path: string): Promise<{ stamp: string; changedAt: number }> {
  const { dev, ino, size, mtimeMs, ctimeMs } = await stat(path);
  return { stamp: [dev, ino, size, mtimeMs, ctimeMs].join(":"), changedAt: Math.floor(Math.max(mtimeMs, ctimeMs)) }; // by the clock's whole ms, or it changed in the future
}

const hints = {
  "special-file": "a batch holds files and folders only; take it out",
  "link-outside": "links must stay within the folder of batches; copy the file instead",
  "too-many-files": "a batch is a script and a few files beside it; keep data elsewhere",
  "too-large": "a batch is a script and a few files beside it; keep data elsewhere",
  "bad-archive": "pack it again: batch.yaml, script.sh and what they need, plain files and folders",
} as const;

const packedHints: Partial<Record<keyof typeof hints, string>> = {
  "link-outside": "links must stay within the archive; pack the file itself instead",
  "special-file": "pack plain files and folders only",
  "too-many-files": "a batch is a script and a few files beside it; --archive-entries sets the limit",
  "too-large": "a batch is a script and a few files beside it; --archive-bytes sets the limit",
};

function unreadableHint(code: string): string {
  if (code === "EACCES" || code === "EPERM")
    return "give the agent's user read permission; what was in force stays in force";
  return "what was in force stays in force; the agent tries again at the next resync";
}
