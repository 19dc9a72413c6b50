// Makes the scripts of a revision immutable while they run, for root, whom mode bits do not stop: a shell reads its
// script as it runs it, so a line that a script appends to itself runs as well. Only revisions that were found changed
// are sealed, and only while they run: the flag (`chattr +i`) also stops whoever wants to delete the data folder.
import { execFile } from "node:child_process";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Revision } from "../model/ids.ts";
import { writeFresh } from "../platform/files.ts";

const maxWaitMs = 5_000;
/** Stands before a revision's name: its scripts may bear the flag, as after a kill -9. */
const mark = ".sealed-";

/** One execution's hold on the seal of its revision. */
export interface Seal {
  revision: Revision;
}

/** Invariant: whatever bears the flag has a mark beside it. */
export class RevisionSeals {
  readonly #home: string;
  readonly #seals = new Map<Revision, Set<Seal>>();
  /** The flags are set and taken off one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  #isPossible = process.getuid?.() === 0;

  /** @param home the folder of revisions */
  constructor(home: string) {
    this.#home = home;
  }

  /** Seals a revision for one execution; null where the system or its file system cannot. Never rejects. */
  seal(revision: Revision): Promise<Seal | null> {
    return this.#inTurn(async () => {
      const seals = this.#seals.get(revision) ?? new Set();
      if (seals.size === 0 && this.#isPossible) {
        await writeFresh(join(this.#home, mark + revision), "");
        this.#isPossible = await setFlag(join(this.#home, revision), "+i");
        if (!this.#isPossible) await unseal(this.#home, revision);
      }
      if (!this.#isPossible) return null;
      const seal = { revision };
      this.#seals.set(revision, seals.add(seal));
      return seal;
    });
  }

  /** Gives up one execution's seal; the flag goes with the last. Never rejects. */
  async release(seal: Seal): Promise<void> {
    const { revision } = seal;
    await this.#inTurn(async () => {
      const seals = this.#seals.get(revision);
      if (seals?.delete(seal) === true && seals.size === 0) await this.#unseal(revision);
      return null;
    });
  }

  /** Takes the flag off whoever holds the seal, as a revision is replaced. Never rejects. */
  async open(revision: Revision): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#seals.has(revision)) await this.#unseal(revision);
      return null;
    });
  }

  async #unseal(revision: Revision): Promise<void> {
    this.#seals.delete(revision);
    await unseal(this.#home, revision);
  }

  #inTurn<T>(work: () => Promise<T | null>): Promise<T | null> {
    const done = this.#turn.then(work).catch(() => null);
    this.#turn = done;
    return done;
  }
}

/** Returns whether a path is that of a script that a shell reads while it runs it. */
export function isShellScript(path: string): boolean {
  return path.endsWith(".sh");
}

/** Returns the revision that an entry of the folder of revisions marks as sealed; null for any other entry. */
export function sealedRevision(entry: string): string | null {
  const revision = entry.startsWith(mark) ? entry.slice(mark.length) : "";
  return /^[0-9a-f]{12}$/.test(revision) ? revision : null;
}

/** Takes the flag off the scripts of a revision, and its mark away. */
export async function unseal(home: string, revision: string): Promise<void> {
  await setFlag(join(home, revision), "-i");
  await rm(join(home, mark + revision), { force: true });
}

/** Sets the flag of all shell scripts below `folder`, or takes it off; false where that fails for one. */
async function setFlag(folder: string, flag: "+i" | "-i"): Promise<boolean> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const scripts = entries.filter((entry) => entry.isFile() && isShellScript(entry.name));
    const paths = scripts.map(({ parentPath, name }) => join(parentPath, name));
    // In pieces: the system takes only so long a list of arguments.
    for (let i = 0; i < paths.length; i += 500)
      await promisify(execFile)("chattr", [flag, "--", ...paths.slice(i, i + 500)], { timeout: maxWaitMs });
    return true;
  } catch {
    return false;
  }
}
