// Turns what was read of one entry into the facts that are validated: a folder with its files, or what is wrong with
// it.
import { createHash } from "node:crypto";
import type { Folder } from "../model/batch.ts";
import type { Revision } from "../model/ids.ts";
import type { Problem, ProblemCode } from "../model/problem.ts";
import { inheritedName } from "../model/revision.ts";
import { batchNameOf } from "./archive/inventory.ts";
import { entryPath, settingsNames, type EntryRef } from "./group-tree.ts";
import { createOutputScan } from "./output-paths.ts";
import { unsettledHint, type Loaded } from "./port.ts";
import { hashTree, type Tree, type TreeFile } from "./tree.ts";

/** Maximum number of bytes of a settings file or script that are passed on. */
const keptBytes = 1024 * 1024;
/** Most batches are a few small files: their bytes are passed on, so that they are read once. */
const smallBytes = 64 * 1024;

/** An entry of a group, batch or not. */
export type At = Pick<EntryRef, "group" | "entry">;

export class FolderBuilder {
  readonly #shown: string;
  readonly #isStored: boolean;

  /**
   * @param shown    the root as problems show it
   * @param isStored true for revisions, which hold what they inherit in a file of their own
   */
  constructor(shown: string, isStored: boolean) {
    this.#shown = shown;
    this.#isStored = isStored;
  }

  /** Returns where people find a path below the root. */
  locationOf(path: string): string {
    return `${this.#shown}/${path}`;
  }

  problem(ref: At, code: ProblemCode, message: string, hint: string | null, file?: string): Problem {
    const whole = `${this.#shown}/${entryPath(ref)}`;
    const at = file === undefined || file === "" ? whole : `${whole}/${file}`;
    return { batch: ref.entry, file: at, line: null, column: null, path: null, code, message, hint };
  }

  /** Never the same twice, so that it is looked at again until it rests. */
  unstableProblem(ref: At): Loaded {
    const found = this.problem(ref, "unsettled", "its files come and go while they are read", unsettledHint);
    const name = batchNameOf(ref.entry);
    return { kind: "found", changedAt: Date.now(), folder: this.empty(name, ref, [found], String(performance.now())) };
  }

  brokenLink(ref: At, why: string, changedAt: number): Loaded {
    const found = this.problem(ref, "link-outside", `it is a symbolic link that ${why}`, hints["link-outside"]);
    return { kind: "found", changedAt, folder: this.empty(batchNameOf(ref.entry), ref, [found], why) };
  }

  tooDeep(ref: EntryRef): Loaded {
    const message = "groups are nested more than 8 deep here: nothing below is read";
    const found = this.problem(ref, "group-depth", message, "move it nearer to the top");
    return { kind: "found", changedAt: 0, folder: this.empty(ref.entry, ref, [found], entryPath(ref)) };
  }

  growing(name: string, ref: At, { stamp, changedAt }: { stamp: string; changedAt: number }): Loaded {
    const found = this.problem(ref, "bad-archive", "it is still being written", null);
    return { kind: "found", changedAt, folder: this.empty(name, ref, [found], stamp) };
  }

  /** @param changedAt when any of the entries last changed */
  several(name: string, refs: readonly EntryRef[], changedAt: number): Loaded {
    const paths = refs.map((ref) => `${entryPath(ref)}${ref.kind === "archive" ? "" : "/"}`).sort();
    const all = `${refs.length > 2 ? "all of" : "both"} ${paths.join(" and ")}`;
    const inOneGroup = refs.every(({ group }) => group === refs[0]?.group);
    const hint = "a name is used once over all groups: rename one";
    const problems = refs.map((ref) =>
      inOneGroup
        ? this.problem(ref, "two-sources", `${all} are here`, "keep one of them")
        : this.problem(ref, "duplicate-name", `${all} are called ${name}`, hint),
    );
    const first = refs[0] ?? { group: "", entry: name };
    return { kind: "found", changedAt, folder: this.empty(name, first, problems, JSON.stringify(paths)) };
  }

  empty(name: string, { group, entry }: At, problems: Problem[], content: string): Folder {
    const digest = createHash("sha256").update(content).digest("hex").slice(0, 12) as Revision;
    const location = `${this.#shown}/${entryPath({ group, entry })}`;
    return { name, entry, group, location, digest, settings: [], script: null, problems };
  }

  async fromTree(
    name: string,
    ref: At,
    { files: all, faults, changedMs: changedAt, signature = null }: Tree,
  ): Promise<Loaded> {
    const inheritedFile = this.#isStored ? all.find(({ path }) => path === inheritedName) : undefined;
    const files = inheritedFile === undefined ? all.filter(({ path }) => path !== inheritedName) : all;
    const { entry } = ref;
    const packed = entry !== name;
    const hintOf = (code: keyof typeof hints) => (packed ? (packedHints[code] ?? hints[code]) : hints[code]);
    const problems = faults.map((fault) =>
      this.problem(ref, fault.code, fault.message, fault.hint ?? hintOf(fault.code), fault.path),
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
      problems.push(this.problem(ref, "special-file", "script.sh is a folder", "it must be a file", "script.sh"));
    if (problems.length > 0) {
      const content = JSON.stringify([problems, whole ? files.map((file) => [file.path, file.size]) : null, changedAt]);
      return { kind: "found", changedAt, folder: this.empty(name, ref, problems, content) };
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
        location: `${this.#shown}/${entryPath(ref)}`,
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
