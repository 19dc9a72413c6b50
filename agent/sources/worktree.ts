// What git says of the work tree that a folder lies in, read from git's own files: no process, so it also works without
// git. Never an error: what cannot be read is not known. A repository of another owner than the folder's is not believed,
// as git itself does not (safe.directory): anybody can put one into a folder above, such as /tmp.
import { readFile, realpath, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { WorkTree, WorkTreeState } from "./port.ts";

const unknown: WorkTreeState = { commit: null, lockedAt: null };
/** A list of packed refs beyond this is not read. */
const packedBytes = 16 * 1024 * 1024;

/** The work tree around `root`, links resolved anew at each look: a subfolder, a linked work tree and a submodule count too. */
export function createWorkTree(root: string): WorkTree {
  async function look(): Promise<WorkTreeState> {
    const gitFolder = await findGitFolder(await realpath(root));
    if (gitFolder === null) return unknown;
    const lock = await stat(join(gitFolder, "index.lock")).catch(() => null);
    return { commit: await readHead(gitFolder), lockedAt: lock === null ? null : lock.mtimeMs };
  }
  return { look: () => look().catch(() => unknown) };
}

/** Where git keeps what belongs to the work tree; null outside of one. Like git it does not look beyond the file system. */
async function findGitFolder(start: string): Promise<string | null> {
  const { dev, uid } = await stat(start);
  for (let folder = start; ; folder = dirname(folder)) {
    const path = join(folder, ".git");
    const info = await stat(path).catch(() => null);
    if (info !== null && info.uid !== uid && info.uid !== 0) return null;
    if (info?.isDirectory() && (await stat(join(path, "HEAD")).catch(() => null)) !== null) return path;
    if (info?.isFile()) {
      const target = /^gitdir: (.+?)\r?\n?$/.exec(await readFile(path, "utf8"))?.[1];
      return target === undefined ? null : resolve(folder, target);
    }
    if (folder === dirname(folder) || (await stat(dirname(folder))).dev !== dev) return null;
  }
}

/** The commit of HEAD, 40 hex; null when there is none yet, or it is kept in a form not read here (reftable, SHA-256). */
async function readHead(gitFolder: string): Promise<string | null> {
  const common = await readFile(join(gitFolder, "commondir"), "utf8").then(
    (text) => resolve(gitFolder, text.trim()),
    () => gitFolder,
  );
  let text = await readFile(join(gitFolder, "HEAD"), "utf8");
  for (let step = 0; step < 5; step++) {
    const commit = /^[0-9a-f]{40}$/.exec(text.trim())?.[0];
    if (commit !== undefined) return commit;
    const ref = /^ref: (refs\/\S+)$/.exec(text.trim())?.[1];
    if (ref === undefined || ref.split("/").includes("..")) return null;
    const loose = await readFile(join(gitFolder, ref), "utf8").catch(() =>
      readFile(join(common, ref), "utf8").catch(() => null),
    );
    if (loose === null) return readPacked(join(common, "packed-refs"), ref);
    text = loose;
  }
  return null;
}

async function readPacked(path: string, ref: string): Promise<string | null> {
  if ((await stat(path)).size > packedBytes) return null;
  const line = (await readFile(path, "utf8")).split("\n").find((candidate) => candidate.slice(41) === ref);
  return line === undefined ? null : (/^[0-9a-f]{40}(?= )/.exec(line)?.[0] ?? null);
}
