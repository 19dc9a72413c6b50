// The repository of what is followed, in the data folder: asks what its ref names, fetches commits and writes them out.
import { mkdir, readdir, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, StoreError } from "../errors.ts";
import { writeFresh } from "../platform/files.ts";
import { Git, type GitCredentials } from "./git-process.ts";
import {
  AmbiguousRef,
  askedRefs,
  createRefReader,
  createTreeMeasure,
  type AnsweredRef,
  type TreeLimits,
} from "./git-remote.ts";
import { isSigned, prepareKeys } from "./git-signature.ts";

const askMs = 30_000;
const fetchMs = 600_000;
const buildMs = 300_000;
const watchPackMs = 500;
/** Room on the disk that an entry takes at most beyond its bytes. */
const blockBytes = 4_096;

/** Share of the free room of the data folder that a tree may take: executions need the rest. */
const maxShareOfRoom = 0.8;

/** Files come out as they were committed: nothing converts them, whatever their attributes ask for. */
const attributes = "* -text -ident -filter !eol !working-tree-encoding\n";

export interface GitSettings {
  url: string;
  ref: string | null;
  path: string;
  limits: TreeLimits;
  /** File of the keys that must have signed each commit; null: unsigned ones are taken too. */
  verify: string | null;
}

/** A commit brings more over the line than a tree may hold: to fetch it again would end the same way. */
export class PackTooLarge extends Error {}

/** Invariant: a repository that made trouble is gone, and begun anew at the next look. */
export class GitRepository {
  readonly #home: string;
  readonly #repo: string;
  readonly #settings: GitSettings;
  readonly #url: string;
  readonly #git: Git;

  constructor(
    home: string,
    settings: GitSettings,
    env: Readonly<Record<string, string | undefined>>,
    credentials: GitCredentials,
  ) {
    this.#home = home;
    this.#repo = join(home, "repo.git");
    this.#settings = settings;
    this.#url = credentials.url;
    this.#git = new Git(home, this.#repo, env, credentials);
  }

  /** Deletes what was fetched. */
  async delete(): Promise<void> {
    await rm(this.#repo, { recursive: true, force: true });
  }

  close(): void {
    this.#git.close();
  }

  async ask(): Promise<AnsweredRef> {
    try {
      const reader = createRefReader(this.#settings.ref);
      const onOutput = (text: string) => {
        reader.push(text);
        return null;
      };
      const args = ["ls-remote", "--", this.#url, ...askedRefs(this.#settings.ref)];
      const { code, message } = await this.#git.run(args, askMs, {}, { onOutput });
      if (code !== 0) throw new Error(message);
      const found = reader.end();
      if (found === "ambiguous") throw new AmbiguousRef(this.#settings.ref ?? "");
      if (found === null)
        throw new Error(
          this.#settings.ref === null ? "it has no commit yet" : `it has no branch or tag ${this.#settings.ref}`,
        );
      return found;
    } catch (error) {
      throw new StoreError("follow", this.#url, error);
    }
  }

  /** Writes a commit's files out; what a git that was killed left there goes first. */
  async checkOut(id: string, staging: string): Promise<void> {
    await this.clearTree(staging);
    await mkdir(staging, { recursive: true });
    const args = [`--git-dir=${this.#repo}`, `--work-tree=${staging}`, "read-tree", "-u", "--reset", id];
    await this.#git.must(args, buildMs, { GIT_INDEX_FILE: `${staging}.index` });
    await rm(`${staging}.index`, { force: true });
  }

  async clearTree(staging: string): Promise<void> {
    for (const left of [staging, `${staging}.index`, `${staging}.index.lock`])
      await rm(left, { recursive: true, force: true });
  }

  /** Returns why a commit's signature cannot be verified; null when it can, or need not be. */
  async whyUnverified(id: string): Promise<string | null> {
    if (this.#settings.verify === null) return null;
    const keys = await prepareKeys(this.#settings.verify, join(this.#home, "keys"), this.#git.env).catch(messageOf);
    if (typeof keys === "string") return keys;
    const own = ["--no-replace-objects", `--git-dir=${this.#repo}`];
    if (!isSigned(await this.#git.must([...own, "cat-file", "commit", id], askMs))) return "it is not signed";
    const { code, message } = await this.#git.run([...keys.options, ...own, "verify-commit", id], askMs, keys.env);
    return code === 0 ? null : `its signature is by none of the keys of --git-verify: ${message}`;
  }

  /** Returns why a commit's tree cannot be unpacked, before anything of it is; null when it can. */
  async whyTooLarge(id: string): Promise<string | null> {
    const measure = createTreeMeasure(this.#settings.limits);
    let why = null as string | null;
    const onOutput = (text: string) => (why = measure.push(text));
    const { code, message } = await this.#git.run(
      [`--git-dir=${this.#repo}`, "ls-tree", "-r", "-t", "-l", "-z", "--full-tree", id],
      buildMs,
      {},
      { onOutput },
    );
    if (why !== null) return why;
    if (code !== 0) throw new Error(message);
    const { bavail, bsize } = await statfs(this.#home);
    const { bytes, entries } = measure.size();
    if (bytes + entries * blockBytes > bavail * bsize * maxShareOfRoom)
      throw new Error(`it unpacks to ${bytes} bytes in ${entries} entries, and the data folder has no room for them`);
    return null;
  }

  /** Stops a fetch that brings more than a tree may hold. */
  #watchPacks(before: number, onTooLarge: () => void) {
    return (stop: (why: string) => void) => {
      const timer = setInterval(() => {
        void this.#isPackTooLarge(before).then((isTooLarge) => {
          if (!isTooLarge) return;
          onTooLarge();
          stop("more than its limit");
        });
      }, watchPackMs);
      return () => clearInterval(timer);
    };
  }

  async #isPackTooLarge(before: number): Promise<boolean> {
    return (await this.#packBytes()) - before > this.#settings.limits.bytes;
  }

  async #packBytes(): Promise<number> {
    const folder = join(this.#repo, "objects", "pack");
    let total = 0;
    for (const name of await readdir(folder).catch(() => []))
      total += (await stat(join(folder, name)).catch(() => null))?.size ?? 0;
    return total;
  }

  /**
   * Only what is new comes over the line. A repository that makes trouble is begun anew at the next look. Throws
   * PackTooLarge.
   */
  async fetch(name: string): Promise<string> {
    let isTooLarge = false;
    try {
      await this.#git.must(["init", "--quiet", "--bare", "--template=", this.#repo], askMs);
      await mkdir(join(this.#repo, "info"), { recursive: true });
      await writeFresh(join(this.#repo, "info", "attributes"), attributes);
      const options = ["--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"];
      const before = await this.#packBytes();
      const onTooLarge = () => (isTooLarge = true);
      await this.#git.must(
        [`--git-dir=${this.#repo}`, "fetch", ...options, "--", this.#url, `+${name}:refs/followed`],
        fetchMs,
        {},
        { onStart: this.#watchPacks(before, onTooLarge) },
      );
      // It may have come between two looks.
      if (await this.#isPackTooLarge(before)) isTooLarge = true;
      if (isTooLarge) throw new Error("it is too large");
      return await this.#git.must(
        [`--git-dir=${this.#repo}`, "rev-parse", "--verify", "refs/followed^{commit}"],
        askMs,
      );
    } catch (error) {
      await rm(this.#repo, { recursive: true, force: true });
      if (isTooLarge)
        throw new PackTooLarge(`it sends more than ${this.#settings.limits.bytes} bytes (--archive-bytes)`);
      throw error;
    }
  }
}
