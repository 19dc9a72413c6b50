// A remote repository in the data folder, by the system's git: what its ref names, and its commits as work trees.
// Layout: git/repo.git (shallow), git/trees/<commit>, and git/current, a link to the folder of batches in one of them.
import { createHash } from "node:crypto";
import { readlinkSync, statSync } from "node:fs";
import { lstat, readdir, realpath, rename, rm, stat, symlink } from "node:fs/promises";
import { join, resolve, sep } from "node:path";
import { ConfigError, messageOf, StoreError } from "../errors.ts";
import { syncFile, syncFolder } from "../platform/durable.ts";
import { isPassing, readText, removeTree, writeFresh } from "../platform/files.ts";
import { makeFolders, type EnsureFolder } from "../platform/folders.ts";
import { splitGitUrl, type AnsweredRef } from "./git-remote.ts";
import { GitRepository, PackTooLarge, type GitSettings } from "./git-repository.ts";
import { readSigners } from "./git-signature.ts";
import type { Remote, Checkout } from "./port.ts";

/** A digest. */
const maxSourceBytes = 64;

/**
 * Opens what is in the data folder; what was followed with other settings is deleted. Throws StoreError or
 * ConfigError.
 */
export async function openRemote(
  dataDir: string,
  settings: GitSettings,
  env: Readonly<Record<string, string | undefined>>,
  ensure: EnsureFolder = makeFolders,
): Promise<Remote> {
  if (settings.verify !== null)
    await readSigners(settings.verify).catch((error: unknown) => {
      throw new ConfigError(`--git-verify: ${messageOf(error)}`, "name a file as git's gpg.ssh.allowedSignersFile is");
    });
  const remote = new GitRemote(join(dataDir, "git"), settings, env, ensure);
  await remote.prepare();
  return {
    folder: remote.folder,
    url: remote.url,
    commit: () => remote.commit(),
    ask: () => remote.ask(),
    checkout: (ref) => remote.checkout(ref),
    tidy: () => remote.tidy(),
    close: () => remote.close(),
  };
}

/** Invariant: the link leads to a whole tree that is on the disk, or is not there. */
class GitRemote {
  readonly #home: string;
  readonly #settings: GitSettings;
  readonly #ensure: EnsureFolder;
  readonly #trees: string;
  readonly #link: string;
  readonly #url: string;
  readonly #repository: GitRepository;
  #commit: string | null = null;

  constructor(
    home: string,
    settings: GitSettings,
    env: Readonly<Record<string, string | undefined>>,
    ensure: EnsureFolder,
  ) {
    this.#home = home;
    this.#ensure = ensure;
    this.#settings = settings;
    this.#trees = join(home, "trees");
    this.#link = join(home, "current");
    const isLocal = !/^[a-z][a-z0-9+.-]*:\/\//i.test(settings.url) && !/^[^/]*:/.test(settings.url);
    const credentials = splitGitUrl(isLocal ? resolve(settings.url) : settings.url);
    this.#url = credentials.url;
    this.#repository = new GitRepository(home, settings, env, credentials);
  }

  get folder(): string {
    return this.#link;
  }

  get url(): string {
    return this.#url;
  }

  close(): void {
    this.#repository.close();
  }

  async prepare(): Promise<void> {
    const path = join(this.#home, "source");
    const source = this.#sourceDigest();
    try {
      const known = await readText(path, maxSourceBytes, "refuse").catch((error: unknown) => {
        // What was fetched may be all that there is, while nobody answers.
        if (isPassing(error)) throw error;
        return "";
      });
      if (known === source && (await this.#clearStaging())) return;
      await removeTree(this.#home);
      await this.#makeHome();
    } catch (error) {
      const hint = "the data folder must be writable; choose another with --data";
      throw new StoreError("prepare", this.#home, error, hint);
    }
  }

  /** Makes what is not there of the folders; what something else has taken the place of was no repository of ours. */
  async #makeHome(): Promise<void> {
    const isNew = [this.#home, this.#trees].map((path) => this.#ensure(path)).includes(true);
    if (isNew) await writeFresh(join(this.#home, "source"), this.#sourceDigest(), { flush: true });
  }

  /** Names what is followed, and how. */
  #sourceDigest(): string {
    return (
      createHash("sha256")
        // Whatever an agent without --git-verify put in force was not verified.
        .update(
          JSON.stringify([
            this.#url,
            this.#settings.ref,
            this.#settings.path,
            ...(this.#settings.verify === null ? [] : ["verified"]),
          ]),
        )
        .digest("hex")
    );
  }

  /** Deletes trees that were never finished; false where there is no folder of trees to be had. */
  async #clearStaging(): Promise<boolean> {
    const names = await readdir(this.#trees).catch((error: unknown) => {
      if (isPassing(error)) throw error;
      return null;
    });
    for (const name of names ?? []) if (name.startsWith(".new-")) await removeTree(join(this.#trees, name));
    return names !== null;
  }

  /** The commit in force; the last one that was seen while the disk does not tell. */
  commit(): string | null {
    try {
      this.#commit = this.#readCommit();
    } catch (error) {
      if (!isPassing(error)) this.#commit = null;
    }
    return this.#commit;
  }

  #readCommit(): string | null {
    if (!statSync(this.#link).isDirectory()) return null; // somebody has removed the tree, or replaced it
    return /(?:^|\/)trees\/([0-9a-f]{40})(?:\/|$)/.exec(readlinkSync(this.#link))?.[1] ?? null;
  }

  async ask(): Promise<AnsweredRef> {
    await this.#makeHome();
    return this.#repository.ask();
  }

  async checkout(asked: { name: string; commit: string }): Promise<Checkout> {
    let id: string;
    try {
      id = await this.#repository.fetch(asked.name);
      const refused = await this.#whyRefused(id);
      if (refused !== null || id === this.commit()) return { commit: id, refused: null, ...refused };
    } catch (error) {
      if (error instanceof PackTooLarge)
        return { commit: asked.commit, refused: `commit ${asked.commit.slice(0, 12)} is not taken: ${error.message}` };
      throw new StoreError("take over", this.#url, error);
    }
    const staging = join(this.#trees, `.new-${id}`);
    try {
      await this.#repository.checkOut(id, staging);
      if (!(await this.#holdsFolder(staging))) {
        await this.#repository.clearTree(staging);
        return { commit: id, refused: `commit ${id.slice(0, 12)} has no folder ${this.#settings.path}` };
      }
      await this.#switchTo(id, staging);
      return { commit: id, refused: null };
    } catch (error) {
      // a half tree takes the room that executions need
      await this.#repository.clearTree(staging).catch(() => undefined);
      throw new StoreError("take over", this.#url, error, "is there room in the data folder?");
    }
  }

  /** Returns why a commit that was fetched is not put in force; null when it can be. */
  async #whyRefused(id: string): Promise<Pick<Checkout, "refused" | "unverified"> | null> {
    if (id === this.commit()) return null;
    const short = id.slice(0, 12);
    const unverified = await this.#repository.whyUnverified(id);
    if (unverified !== null) return { refused: `commit ${short} is not put in force: ${unverified}`, unverified: true };
    const tooLarge = await this.#repository.whyTooLarge(id);
    if (tooLarge === null) return null;
    await this.#repository.delete();
    return { refused: `commit ${short} is not taken: ${tooLarge}` };
  }

  /** Puts a whole tree in force: durable before the link is swapped. */
  async #switchTo(id: string, staging: string): Promise<void> {
    const tree = join(this.#trees, id);
    await syncTree(staging);
    await rm(tree, { recursive: true, force: true });
    await rename(staging, tree);
    await syncFolder(this.#trees);
    await rm(`${this.#link}.tmp`, { force: true });
    await symlink(join("trees", id, this.#settings.path), `${this.#link}.tmp`);
    if ((await lstat(this.#link).catch(() => null))?.isDirectory() === true) await removeTree(this.#link);
    await rename(`${this.#link}.tmp`, this.#link);
    await syncFolder(this.#home);
  }

  async #holdsFolder(tree: string): Promise<boolean> {
    try {
      const [top, folder] = await Promise.all([realpath(tree), realpath(join(tree, this.#settings.path))]);
      return (folder === top || folder.startsWith(top + sep)) && (await stat(folder)).isDirectory();
    } catch {
      return false;
    }
  }

  async tidy(): Promise<void> {
    const current = this.commit();
    if (current === null) return; // it is not known which of them is in force
    for (const name of await readdir(this.#trees))
      if (name !== current) await rm(join(this.#trees, name), { recursive: true, force: true });
  }
}

/** A tree that is in force is whole after a power cut too. */
async function syncTree(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  const pathsOf = (kind: "isFile" | "isDirectory") =>
    entries.filter((entry) => entry[kind]()).map((entry) => join(entry.parentPath, entry.name));
  await Promise.all([...pathsOf("isFile").map(syncFile), ...[folder, ...pathsOf("isDirectory")].map(syncFolder)]);
}
