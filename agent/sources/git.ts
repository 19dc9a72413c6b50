// A remote repository in the data folder, by the system's git: what its ref names, and its commits as work trees.
// Layout: git/repo.git (shallow), git/trees/<commit>, and git/current, a link to the folder of batches in one of them.
import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { readlinkSync } from "node:fs";
import { mkdir, readdir, realpath, rename, rm, stat, statfs, symlink } from "node:fs/promises";
import { join, resolve, sep } from "node:path";
import { StringDecoder } from "node:string_decoder";
import { ConfigError, messageOf, StoreError } from "../errors.ts";
import { syncFile, syncFolder } from "../platform/durable.ts";
import { readText, removeTree, writeFresh } from "../platform/files.ts";
import {
  AmbiguousRef,
  askedRefs,
  createRefReader,
  createTreeMeasure,
  shownGitMessage,
  splitGitUrl,
  type AnsweredRef,
  type TreeLimits,
} from "./git-remote.ts";
import { isSigned, prepareKeys, readSigners } from "./git-signature.ts";
import type { Remote, Taken } from "./port.ts";

const askMs = 30_000;
const fetchMs = 600_000;
const buildMs = 300_000;
const keptBytes = 64 * 1024;
const watchPackMs = 500;
/** Room on the disk that an entry takes at most beyond its bytes. */
const blockBytes = 4_096;
/** A digest. */
const maxSourceBytes = 64;

/** Share of the free room of the data folder that a tree may take: executions need the rest. */
const maxShareOfRoom = 0.8;

/** Files come out as they were committed: nothing converts them, whatever their attributes ask for. */
const attributes = "* -text -ident -filter !eol !working-tree-encoding\n";

/** Nothing of the repository is run, no helper program is a transport, and large files stay the pointers they are. */
const safety = [
  ...[
    "protocol.ext.allow=never",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "submodule.recurse=false",
    "credential.interactive=false",
  ],
  ...["filter.lfs.smudge=", "filter.lfs.process=", "filter.lfs.required=false"],
  ...["gc.autoDetach=false", "gc.pruneExpire=now", "http.lowSpeedLimit=1000", "http.lowSpeedTime=60"],
];

export interface GitSettings {
  url: string;
  ref: string | null;
  path: string;
  limits: TreeLimits;
  /** File of the keys that must have signed each commit; null: unsigned ones are taken too. */
  verify: string | null;
}

/**
 * Opens what is in the data folder; what was followed with other settings is deleted. Throws StoreError or
 * ConfigError.
 */
export async function openRemote(
  dataDir: string,
  settings: GitSettings,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Remote> {
  const home = join(dataDir, "git");
  const [repo, trees, link] = [join(home, "repo.git"), join(home, "trees"), join(home, "current")];
  const local = !/^[a-z][a-z0-9+.-]*:\/\//i.test(settings.url) && !/^[^/]*:/.test(settings.url);
  const { url, user, password } = splitGitUrl(local ? resolve(settings.url) : settings.url);
  const running = new Set<ChildProcess>();
  const gitEnv = environment(env, url, user, password);
  if (settings.verify !== null)
    await readSigners(settings.verify).catch((error: unknown) => {
      throw new ConfigError(`--git-verify: ${messageOf(error)}`, "name a file as git's gpg.ssh.allowedSignersFile is");
    });
  await prepare();

  async function prepare(): Promise<void> {
    const path = join(home, "source");
    const source = createHash("sha256")
      // Whatever an agent without --git-verify put in force was not verified.
      .update(JSON.stringify([url, settings.ref, settings.path, ...(settings.verify === null ? [] : ["verified"])]))
      .digest("hex");
    try {
      const known = await readText(path, maxSourceBytes, "refuse").catch(() => "");
      if (known === source && (await clearStaging())) return;
      await removeTree(home);
      await mkdir(trees, { recursive: true });
      await writeFresh(path, source, { flush: true });
    } catch (error) {
      throw new StoreError("prepare", home, error, "the data folder must be writable; choose another with --data");
    }
  }

  /** Deletes trees that were never finished; false where there is no folder of trees to be had. */
  async function clearStaging(): Promise<boolean> {
    const names = await readdir(trees).catch(() => null);
    for (const name of names ?? []) if (name.startsWith(".new-")) await removeTree(join(trees, name));
    return names !== null;
  }

  /** Runs git without a terminal it could ask at; its group is killed when it takes too long. */
  function git(
    args: readonly string[],
    limitMs: number,
    more: Readonly<Record<string, string>> = {},
    hooks: { onOutput?: (text: string) => string | null; onStart?: (stop: (why: string) => void) => () => void } = {},
  ): Promise<{ code: number; output: string; message: string }> {
    const options = [...safety, `safe.directory=${repo}`].flatMap((option) => ["-c", option]);
    return new Promise((done, fail) => {
      const child = spawn("git", [...options, ...args], {
        cwd: home,
        env: { ...gitEnv, ...more },
        stdio: ["ignore", "pipe", "pipe"],
        detached: true,
      });
      running.add(child);
      let output = "";
      let said = "";
      let stopped: string | null = null;
      const stop = (why: string) => {
        stopped ??= why;
        kill(child);
      };
      const timer = setTimeout(() => stop(`git did not end within ${limitMs / 1000} s`), limitMs);
      const release = hooks.onStart?.(stop);
      const decoder = new StringDecoder("utf8");
      const keep = (text: string) => {
        output = (output + text).slice(0, keptBytes);
        return null;
      };
      child.stdout.on("data", (chunk: Buffer) => {
        const why = stopped ?? (hooks.onOutput ?? keep)(decoder.write(chunk));
        if (why !== null) stop(why);
      });
      child.stderr.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-keptBytes)));
      child.on("error", (error) => {
        running.delete(child);
        clearTimeout(timer);
        release?.();
        fail("code" in error && error.code === "ENOENT" ? new Error("git is not on the agent's PATH") : error);
      });
      child.on("close", (code) => {
        running.delete(child);
        clearTimeout(timer);
        release?.();
        const message = stopped ?? shownGitMessage(said, [user, password]);
        done({ code: stopped === null ? (code ?? 1) : 1, output, message: message || "git was ended" });
      });
    });
  }

  async function must(
    args: readonly string[],
    limitMs: number,
    more: Readonly<Record<string, string>> = {},
    hooks: Parameters<typeof git>[3] = {},
  ): Promise<string> {
    const { code, output, message } = await git(args, limitMs, more, hooks);
    if (code !== 0) throw new Error(message);
    return output.trim();
  }

  function commit(): string | null {
    try {
      return /(?:^|\/)trees\/([0-9a-f]{40})(?:\/|$)/.exec(readlinkSync(link))?.[1] ?? null;
    } catch {
      return null;
    }
  }

  async function ask(): Promise<AnsweredRef> {
    try {
      const reader = createRefReader(settings.ref);
      const onOutput = (text: string) => {
        reader.push(text);
        return null;
      };
      const args = ["ls-remote", "--", url, ...askedRefs(settings.ref)];
      const { code, message } = await git(args, askMs, {}, { onOutput });
      if (code !== 0) throw new Error(message);
      const found = reader.end();
      if (found === "ambiguous") throw new AmbiguousRef(settings.ref ?? "");
      if (found === null)
        throw new Error(settings.ref === null ? "it has no commit yet" : `it has no branch or tag ${settings.ref}`);
      return found;
    } catch (error) {
      throw new StoreError("follow", url, error);
    }
  }

  async function take(asked: { name: string }): Promise<Taken> {
    let id: string;
    try {
      id = await fetch(asked.name);
      if (id === commit()) return { commit: id, refused: null };
      const unverified = await whyUnverified(id);
      if (unverified !== null)
        return {
          commit: id,
          refused: `commit ${id.slice(0, 12)} is not put in force: ${unverified}`,
          unverified: true,
        };
      const refused = await tooLarge(id);
      if (refused !== null) {
        await rm(repo, { recursive: true, force: true });
        return { commit: id, refused: `commit ${id.slice(0, 12)} is not taken: ${refused}` };
      }
    } catch (error) {
      throw new StoreError("take over", url, error);
    }
    const staging = join(trees, `.new-${id}`);
    const index = `${staging}.index`;
    const clear = async () => {
      for (const left of [staging, index, `${index}.lock`]) await rm(left, { recursive: true, force: true });
    };
    try {
      const tree = join(trees, id);
      await clear(); // of a git that was killed
      await mkdir(staging, { recursive: true });
      await must([`--git-dir=${repo}`, `--work-tree=${staging}`, "read-tree", "-u", "--reset", id], buildMs, {
        GIT_INDEX_FILE: index,
      });
      await rm(index, { force: true });
      if (!(await holdsFolder(staging))) {
        await clear();
        return { commit: id, refused: `commit ${id.slice(0, 12)} has no folder ${settings.path}` };
      }
      await syncTree(staging);
      await rm(tree, { recursive: true, force: true });
      await rename(staging, tree);
      await syncFolder(trees);
      await rm(`${link}.tmp`, { force: true });
      await symlink(join("trees", id, settings.path), `${link}.tmp`);
      await rename(`${link}.tmp`, link);
      await syncFolder(home);
      return { commit: id, refused: null };
    } catch (error) {
      await clear().catch(() => undefined); // a half tree takes the room that executions need
      throw new StoreError("take over", url, error, "is there room in the data folder?");
    }
  }

  /** Returns why a commit's signature cannot be verified; null when it can, or need not be. */
  async function whyUnverified(id: string): Promise<string | null> {
    if (settings.verify === null) return null;
    const keys = await prepareKeys(settings.verify, join(home, "keys"), gitEnv).catch(messageOf);
    if (typeof keys === "string") return keys;
    const own = ["--no-replace-objects", `--git-dir=${repo}`];
    if (!isSigned(await must([...own, "cat-file", "commit", id], askMs))) return "it is not signed";
    const { code, message } = await git([...keys.options, ...own, "verify-commit", id], askMs, keys.env);
    return code === 0 ? null : `its signature is by none of the keys of --git-verify: ${message}`;
  }

  /** Returns why a commit's tree cannot be unpacked, before anything of it is; null when it can. */
  async function tooLarge(id: string): Promise<string | null> {
    const measure = createTreeMeasure(settings.limits);
    let why = null as string | null;
    const onOutput = (text: string) => (why = measure.push(text));
    const { code, message } = await git(
      [`--git-dir=${repo}`, "ls-tree", "-r", "-t", "-l", "-z", "--full-tree", id],
      buildMs,
      {},
      { onOutput },
    );
    if (why !== null) return why;
    if (code !== 0) throw new Error(message);
    const { bavail, bsize } = await statfs(home);
    const { bytes, entries } = measure.size();
    if (bytes + entries * blockBytes > bavail * bsize * maxShareOfRoom)
      throw new Error(`it unpacks to ${bytes} bytes in ${entries} entries, and the data folder has no room for them`);
    return null;
  }

  /** Stops a fetch that brings more than a tree may hold. */
  function watchPacks(before: number) {
    return (stop: (why: string) => void) => {
      const timer = setInterval(() => {
        void packBytes().then((now) => {
          if (now - before > settings.limits.bytes)
            stop(`what it sends is more than ${settings.limits.bytes} bytes (--archive-bytes)`);
        });
      }, watchPackMs);
      return () => clearInterval(timer);
    };
  }

  async function packBytes(): Promise<number> {
    const folder = join(repo, "objects", "pack");
    let total = 0;
    for (const name of await readdir(folder).catch(() => []))
      total += (await stat(join(folder, name)).catch(() => null))?.size ?? 0;
    return total;
  }

  /** Only what is new comes over the line. A repository that makes trouble is begun anew at the next look. */
  async function fetch(name: string): Promise<string> {
    try {
      await must(["init", "--quiet", "--bare", "--template=", repo], askMs);
      await mkdir(join(repo, "info"), { recursive: true });
      await writeFresh(join(repo, "info", "attributes"), attributes);
      const options = ["--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"];
      await must(
        [`--git-dir=${repo}`, "fetch", ...options, "--", url, `+${name}:refs/followed`],
        fetchMs,
        {},
        { onStart: watchPacks(await packBytes()) },
      );
      return await must([`--git-dir=${repo}`, "rev-parse", "--verify", "refs/followed^{commit}"], askMs);
    } catch (error) {
      await rm(repo, { recursive: true, force: true });
      throw error;
    }
  }

  async function holdsFolder(tree: string): Promise<boolean> {
    try {
      const [top, folder] = await Promise.all([realpath(tree), realpath(join(tree, settings.path))]);
      return (folder === top || folder.startsWith(top + sep)) && (await stat(folder)).isDirectory();
    } catch {
      return false;
    }
  }

  async function tidy(): Promise<void> {
    const current = commit();
    for (const name of await readdir(trees))
      if (name !== current) await rm(join(trees, name), { recursive: true, force: true });
  }

  return { folder: link, url, commit, ask, take, tidy, close: () => running.forEach(kill) };
}

function kill(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

/**
 * The user's own, so that helpers, SSH and proxies work. Credentials of the URL go in by a helper, seen in no list of
 * processes; it is asked for that host alone, so that a redirect leads them nowhere else.
 */
function environment(
  env: Readonly<Record<string, string | undefined>>,
  url: string,
  user: string | null,
  password: string | null,
): Record<string, string> {
  const unwanted =
    /^(BATCH_AGENT_.*|GIT_(DIR|WORK_TREE|INDEX_FILE|OBJECT_DIRECTORY|COMMON_DIR|NAMESPACE|TRACE.*|CURL_VERBOSE)|SSH_ASKPASS)$/;
  const kept = Object.entries(env).flatMap(([name, value]) =>
    value === undefined || unwanted.test(name) ? [] : [[name, value] as const],
  );
  const result: Record<string, string> = {
    ...Object.fromEntries(kept),
    GIT_TERMINAL_PROMPT: "0",
    GIT_OPTIONAL_LOCKS: "0",
    LC_ALL: "C",
  };
  const helper = `!f() { test "$1" = get && printf 'username=%s\\npassword=%s\\n' "$FOLLOWED_USER" "$FOLLOWED_PASSWORD"; }; f`;
  const scope = user !== null || password !== null ? `credential.${new URL(url).origin}` : "";
  const settings =
    password !== null
      ? [
          [`${scope}.helper`, ""],
          [`${scope}.helper`, helper],
        ]
      : user !== null
        ? [[`${scope}.username`, user]]
        : [];
  let count = Number(result["GIT_CONFIG_COUNT"] ?? 0);
  for (const [key = "", value = ""] of settings) {
    result[`GIT_CONFIG_KEY_${count}`] = key;
    result[`GIT_CONFIG_VALUE_${count}`] = value;
    count += 1;
  }
  if (count > 0) result["GIT_CONFIG_COUNT"] = String(count);
  if (password !== null) Object.assign(result, { FOLLOWED_USER: user ?? "", FOLLOWED_PASSWORD: password });
  return result;
}

/** A tree that is in force is whole after a power cut too. */
async function syncTree(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  const pathsOf = (kind: "isFile" | "isDirectory") =>
    entries.filter((entry) => entry[kind]()).map((entry) => join(entry.parentPath, entry.name));
  await Promise.all([...pathsOf("isFile").map(syncFile), ...[folder, ...pathsOf("isDirectory")].map(syncFolder)]);
}
