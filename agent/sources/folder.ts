// Reads batch folders, and archives as folders, into facts. What they mean is decided in core.
import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import { lstat, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, StoreError } from "../errors.ts";
import type { Folder } from "../model/batch.ts";
import { groupFileName, type GroupFile, type GroupName } from "../model/group.ts";
import { isBatchName, type Revision } from "../model/ids.ts";
import type { ProblemCode, Problem } from "../model/problem.ts";
import { errorCode, isWithin, readBounded } from "../platform/files.ts";
import { archiveExtensions, batchNameOf, isForeignArchive } from "./archive/inventory.ts";
import { createGroupTree, entryPath, settingsNames, type Listing, type EntryRef } from "./group-tree.ts";
import { inheritedName } from "../model/revision.ts";
import { unsettledHint, type BatchSource, type GroupSource, type Unchanged, type Loaded } from "./port.ts";
import { isMadeByMachine } from "./leftovers.ts";
import { createOutputScan } from "./output-paths.ts";
import { trimEndOf } from "../text/trim.ts";
import { hashTree, walkTree, type TreeLimits, type OpenArchive, type Tree, type TreeFile, unlimited } from "./tree.ts";

const keptBytes = 1024 * 1024;
const maxGroupFileBytes = 256 * 1024;
/** For a file that a `_group.yaml` names, such as an iCalendar file. */
const maxBesideBytes = 1024 * 1024;

/** An entry of a group, batch or not. */
type At = Pick<EntryRef, "group" | "entry">;

/** Most batches are a few small files: their bytes are passed on, so that they are read once. */
const smallBytes = 64 * 1024;
/** Holds what changed more recently may change again with the same times: some file systems count in whole seconds. */
const surelyOlderMs = 2_000;

export interface SourceOptions {
  /** Opens archives; without it there are none. */
  unpack?: OpenArchive;
  /** An archive that was written to within so many ms is told as still being written, unread. None by default. */
  quietMs?: number;
  limits?: TreeLimits;
  /** Tells where the agent's own data really lies: no batch, also where it lies among them. */
  except?: string;
  /** Holds what problems call the root; its path by default. */
  shownAs?: string;
}

/** Source of the folders and archives below `root`, a path as people gave it (problems show it so). */
export function createSource(root: string, options: SourceOptions = {}): BatchSource & GroupSource {
  const { unpack, quietMs = 0, limits, except } = options;
  const shown = trimEndOf(options.shownAs ?? root, "/") || "/";
  const tree = createGroupTree({
    archives: unpack !== undefined,
    passesOver: (name) => /^[._]/.test(name) || name === "README.md" || isMadeByMachine(name),
    ...(except === undefined ? {} : { except }),
  });
  /** Holds what was last listed; null before. */
  let listed: Listing | null = null;
  /** Archives as they were last read, by their paths, so that an unchanged one is not unpacked at every look. */
  const remembered = new Map<string, { stamp: string; loaded: Loaded }>();

  function problem(ref: At, code: ProblemCode, message: string, hint: string | null, file?: string): Problem {
    const whole = `${shown}/${entryPath(ref)}`;
    const at = file === undefined || file === "" ? whole : `${whole}/${file}`;
    return { batch: ref.entry, file: at, line: null, column: null, path: null, code, message, hint };
  }

  async function list(changed: ReadonlySet<string> | null = null): Promise<string[]> {
    try {
      const real = realpathSync.native(root);
      listed = await tree.list(real, changed);
      const archives = new Set(
        [...listed.entries.values()].flatMap((refs) =>
          refs.flatMap((ref) => (ref.kind === "archive" ? [entryPath(ref)] : [])),
        ),
      );
      for (const path of remembered.keys()) if (!archives.has(path)) remembered.delete(path);
      return [...listed.entries.keys()];
    } catch (error) {
      throw new StoreError("read", root, error, "is the folder of batches there, and may the agent read it?");
    }
  }

  function groups(): readonly GroupName[] {
    return [...(listed?.groups.keys() ?? [""])];
  }

  function groupsWithFile(): readonly GroupName[] {
    return [...(listed?.groups ?? [])].flatMap(([name, { hasFile }]) => (hasFile ? name : []));
  }

  function groupOf(name: string): GroupName {
    return listed?.entries.get(name)?.[0]?.group ?? "";
  }

  async function readGroupFile(name: GroupName): Promise<GroupFile | null | { unreadable: string }> {
    const path = join(name, groupFileName);
    try {
      const real = await realpath(join(realRoot(), path));
      if (!isWithin(realRoot(), real)) return { unreadable: "it is a symbolic link that leaves the watched folder" };
      const { bytes, size, changedMs } = await readBounded(real, maxGroupFileBytes, "refuse");
      return { name, location: `${shown}/${path}`, bytes, size, changedAt: changedMs };
    } catch (error) {
      if (errorCode(error) === "ENOENT" && (await rootIsThere())) return null;
      return { unreadable: messageOf(error) };
    }
  }

  async function readBeside(group: GroupName, file: string): Promise<{ text: string } | { fault: string }> {
    try {
      const path = join(realRoot(), group, file);
      const real = await realpath(path);
      if (!isWithin(realRoot(), real)) return { fault: "it is a link that leaves the watched folder" };
      const { bytes, size } = await readBounded(real, maxBesideBytes, "refuse");
      if (size > maxBesideBytes) return { fault: `it has ${size} bytes, more than ${maxBesideBytes}` };
      return { text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
    } catch (error) {
      if (errorCode(error) === "ENOENT") return { fault: "there is no such file beside _group.yaml" };
      return { fault: error instanceof TypeError ? "it is not UTF-8" : messageOf(error) };
    }
  }

  function realRoot(): string {
    return listed?.real ?? realpathSync.native(root);
  }

  function load(name: string): Promise<Loaded>;
  function load(name: string, seen: string | null): Promise<Loaded | Unchanged>;
  async function load(name: string, seen: string | null = null): Promise<Loaded | Unchanged> {
    let ref: At = { group: groupOf(name), entry: name };
    let real = listed?.real ?? "";
    try {
      // all of a batch comes from one tree, also when a link at the root is swapped
      if (real === "") real = realpathSync.native(root);
      const refs = await refsOf(real, name);
      if (refs.length > 1) return await reportSeveral(real, name, refs);
      if (refs[0]?.kind === "too-deep") return tooDeep(refs[0]);
      // Listed, and neither a batch nor what may become one when it is read.
      if (refs.length === 0 && listed !== null && !(await rootIsElsewhere(real))) return { kind: "absent" };
      ref = refs[0] ?? ref;
      if (ref.entry !== name) return await loadArchive(real, name, ref);
      const found = await walkTree(real, join(real, entryPath(ref)), limits);
      if (seen !== null && found.signature === seen) return { kind: "unchanged" };
      return await readTree(name, ref, found);
    } catch (error) {
      const code = errorCode(error);
      const missing = code === "ENOENT" || code === "ENOTDIR";
      if (missing && listed !== null && (await rootIsElsewhere(real))) {
        listed = null;
        return load(name, seen);
      }
      // A missing entry is absence only while its root is there.
      if (missing && (await rootIsThere())) return (await explainMissing(ref)) ?? { kind: "absent" };
      // A disk's own folder, say: no batch can have its name, and nobody is meant to look into it.
      if (["EACCES", "EPERM"].includes(code) && ref.entry === name && !isBatchName(name)) return { kind: "absent" };
      return { kind: "unreadable", problem: problem(ref, "unreadable", messageOf(error), unreadableHint(code)) };
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

  /** Returns where a batch lies now: as listed, or at the top where nothing is listed yet. */
  async function refsOf(real: string, name: string): Promise<EntryRef[]> {
    const candidates: readonly EntryRef[] =
      listed === null
        ? [
            { group: "", entry: name, kind: "folder" },
            ...(unpack === undefined ? [] : archiveExtensions).map((extension): EntryRef => ({
              group: "",
              entry: name + extension,
              kind: "archive",
            })),
          ]
        : (listed.entries.get(name) ?? []);
    // Alone it is read, which tells best what is wrong with it.
    if (candidates.length === 1) return [...candidates];
    const there = await Promise.all(candidates.map((ref) => isThere(join(real, entryPath(ref)), ref.kind)));
    const found = candidates.filter((_, index) => there[index]);
    return found.length === 0 ? candidates.slice(0, 1) : found;
  }

  /** Plain files are no batches, folders no archives. */
  function isThere(path: string, kind: EntryRef["kind"]): Promise<boolean> {
    return lstat(path).then((info) => (kind === "archive" ? !info.isDirectory() : !info.isFile()), notThere);
  }

  /**
   * Explains why an entry that was listed could not be found: its files come and go, it is a link that leads nowhere,
   * or its name is not UTF-8.
   */
  async function explainMissing(ref: At): Promise<Loaded | null> {
    const path = join(root, entryPath(ref));
    const target = await stat(path).catch(() => null);
    if (target?.isDirectory() === true) return moving(ref);
    const link = await lstat(path).catch(() => null);
    if (target === null && link?.isSymbolicLink() === true) return brokenLink(ref, "leads nowhere", link.ctimeMs);
    const { entry } = ref;
    if (!entry.includes("\uFFFD") || listed?.entries.has(entry) !== true) return null;
    const hint = "lower-case letters, digits and - only, no - at either end, at most 63 characters";
    const message = `${JSON.stringify(entry)} cannot be the name of a batch: it is not UTF-8`;
    return { kind: "unreadable", problem: problem(ref, "bad-name", message, hint) };
  }

  /** Never the same twice, so that it is looked at again until it rests. */
  function moving(ref: At): Loaded {
    const found = problem(ref, "unsettled", "its files come and go while they are read", unsettledHint);
    const name = batchNameOf(ref.entry);
    return { kind: "found", changedAt: Date.now(), folder: empty(name, ref, [found], String(performance.now())) };
  }

  function brokenLink(ref: At, why: string, changedAt: number): Loaded {
    const found = problem(ref, "link-outside", `it is a symbolic link that ${why}`, hints["link-outside"]);
    return { kind: "found", changedAt, folder: empty(batchNameOf(ref.entry), ref, [found], why) };
  }

  function tooDeep(ref: EntryRef): Loaded {
    const message = "groups are nested more than 8 deep here: nothing below is read";
    const found = problem(ref, "group-depth", message, "move it nearer to the top");
    return { kind: "found", changedAt: 0, folder: empty(ref.entry, ref, [found], entryPath(ref)) };
  }

  async function reportSeveral(real: string, name: string, refs: readonly EntryRef[]): Promise<Loaded> {
    const paths = refs.map((ref) => `${entryPath(ref)}${ref.kind === "archive" ? "" : "/"}`).sort();
    const all = `${refs.length > 2 ? "all of" : "both"} ${paths.join(" and ")}`;
    const inOneGroup = refs.every(({ group }) => group === refs[0]?.group);
    const problems = refs.map((ref) =>
      inOneGroup
        ? problem(ref, "two-sources", `${all} are here`, "keep one of them")
        : problem(
            ref,
            "duplicate-name",
            `${all} are called ${name}`,
            "a name is used once over all groups: rename one",
          ),
    );
    const infos = await Promise.all(refs.map((ref) => lstat(join(real, entryPath(ref)))));
    const changedAt = Math.max(...infos.map((info) => info.ctimeMs));
    const first = refs[0] ?? { group: "", entry: name };
    return { kind: "found", changedAt, folder: empty(name, first, problems, JSON.stringify(paths)) };
  }

  async function loadArchive(real: string, name: string, ref: At): Promise<Loaded> {
    const path = join(real, entryPath(ref));
    if (!isWithin(real, await realpath(path)))
      return brokenLink(ref, "leaves the watched folder", (await lstat(path)).ctimeMs);
    const before = await stampOf(path);
    const known = remembered.get(entryPath(ref));
    if (known?.stamp === before.stamp) return known.loaded;
    const ageMs = Date.now() - before.changedAt;
    if (ageMs >= 0 && ageMs < quietMs) {
      const growing = problem(ref, "bad-archive", "it is still being written", null);
      return { kind: "found", changedAt: before.changedAt, folder: empty(name, ref, [growing], before.stamp) };
    }
    const loaded = await (unpack as OpenArchive)(path, (tree) => readTree(name, ref, tree));
    const after = await stampOf(path);
    if (after.stamp !== before.stamp) return loaded.kind === "found" ? { ...loaded, changedAt: Date.now() } : loaded;
    if (ageMs > surelyOlderMs) remembered.set(entryPath(ref), { stamp: before.stamp, loaded });
    return loaded;
  }

  function empty(name: string, { group, entry }: At, problems: Problem[], content: string): Folder {
    const digest = createHash("sha256").update(content).digest("hex").slice(0, 12) as Revision;
    const location = `${shown}/${entryPath({ group, entry })}`;
    return { name, entry, group, location, digest, settings: [], script: null, problems };
  }

  async function readTree(
    name: string,
    ref: At,
    { files: all, faults, changedMs: changedAt, signature = null }: Tree,
  ): Promise<Loaded> {
    const inheritedFile = limits === unlimited ? all.find(({ path }) => path === inheritedName) : undefined;
    const files = inheritedFile === undefined ? all.filter(({ path }) => path !== inheritedName) : all;
    const { entry } = ref;
    const packed = entry !== name;
    const hintOf = (code: keyof typeof hints) => (packed ? (packedHints[code] ?? hints[code]) : hints[code]);
    const problems = faults.map((fault) =>
      problem(ref, fault.code, fault.message, fault.hint ?? hintOf(fault.code), fault.path),
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
      problems.push(problem(ref, "special-file", "script.sh is a folder", "it must be a file", "script.sh"));
    if (problems.length > 0) {
      const content = JSON.stringify([problems, whole ? files.map((file) => [file.path, file.size]) : null, changedAt]);
      return { kind: "found", changedAt, folder: empty(name, ref, problems, content) };
    }

    const small = files.reduce((sum, file) => sum + file.size, 0) <= smallBytes;
    const kept = new Map<string, Uint8Array[]>();
    const output = createOutputScan();
    const digest = (await hashTree(files, (file, bytes) => {
      output.push(file.path, bytes);
      if (!small && file !== scriptFile && file !== inheritedFile && !settingsFiles.includes(file)) return;
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
        group: ref.group,
        location: `${shown}/${entryPath(ref)}`,
        digest,
        ...(inheritedFile === undefined
          ? {}
          : { inherited: { filesDigest: digest, text: new TextDecoder().decode(bytesOf(inheritedFile)) } }),
        settings: settingsFiles.map((file) => ({ file: file.path, bytes: bytesOf(file), size: file.size })),
        script: scriptFile === undefined ? null : { bytes: bytesOf(scriptFile), size: scriptFile.size },
        namesOutput: output.found(),
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

  /** Archives of other kinds, by their paths. */
  function foreign(): readonly string[] {
    return (listed?.files ?? []).filter((path) => isForeignArchive(path.slice(path.lastIndexOf("/") + 1)));
  }

  return { list, foreign, load, groups, groupsWithFile, groupOf, readGroupFile, readBeside };
}

/** Returns what cannot be looked at is not taken for what is not there. */
function notThere(error: unknown): false {
  if (!["ENOENT", "ENOTDIR"].includes(errorCode(error))) throw error;
  return false;
}

/** Returns whether a file is still the one it was, as far as can be told without reading it. */
async function stampOf(path: string): Promise<{ stamp: string; changedAt: number }> {
  const { dev, ino, size, mtimeMs, ctimeMs } = await stat(path);
  // by the clock's whole ms, or it changed in the future
  return { stamp: [dev, ino, size, mtimeMs, ctimeMs].join(":"), changedAt: Math.floor(Math.max(mtimeMs, ctimeMs)) };
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
