// Finds out whether a stored revision is whole, and takes out of it what does not belong there.
import { realpathSync } from "node:fs";
import { chmod, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Logger } from "../logger.ts";
import type { Revision } from "../model/ids.ts";
import { clearTree, removeTree } from "../platform/files.ts";
import { sealedRevision, unseal } from "./revision-seal.ts";
import type { Stamps } from "./revision-stamps.ts";
import { hashTree, unlimited, walkTree } from "./tree.ts";

/**
 * Returns whether what lies in `folder` has the revision's digest, and nothing lies beside it that the digest passes
 * over. What cannot be read (rights taken away, a FIFO in a file's place) is not whole.
 */
export async function isWhole(folder: string, revision: Revision, found: Stamps): Promise<boolean> {
  try {
    const real = realpathSync.native(folder);
    const { files } = await walkTree(real, real, unlimited);
    const expected = new Set(files.flatMap(({ path }) => [path, ...foldersOf(path)]));
    if ([...found.keys()].some((path) => !expected.has(path))) return false;
    return (await hashTree(files, () => undefined)) === revision;
  } catch {
    return false;
  }
}

/** Deletes what is in `after` and was not in `before`. */
export async function removeAdded(folder: string, before: Stamps, after: Stamps): Promise<void> {
  for (const added of [...after.keys()].filter((path) => !before.has(path))) {
    await chmod(folder, 0o755);
    await openFolders(folder, dirname(added));
    await removeTree(join(folder, added));
  }
}

/** `""`, `a` and `a/b` of `a/b/c`. */
function foldersOf(path: string): string[] {
  const parts = path.split("/");
  return parts.map((_part, index) => parts.slice(0, index).join("/"));
}

/** Makes the folders on the way to `inner` writable again, so that something can be taken out of it. */
async function openFolders(top: string, inner: string): Promise<void> {
  for (const folder of [...foldersOf(inner), inner].filter((one) => one !== "." && one !== ""))
    await chmod(join(top, folder), 0o755).catch(() => undefined);
}

/**
 * Deletes what an earlier agent was in the middle of. Call it under the lock, before anything is stored or unpacked.
 * What cannot be deleted is said and stays: nothing else will ever have its name.
 */
export async function clearLeftovers(dataDir: string, log: Logger): Promise<void> {
  const home = join(dataDir, "revisions");
  for (const entry of await readdir(home).catch(() => [])) {
    const sealed = sealedRevision(entry);
    if (sealed !== null) await unseal(home, sealed);
    if (/^\.(staging|trash|replaced)-/.test(entry)) await clearTree(join(home, entry), log);
  }
}
