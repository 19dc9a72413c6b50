// Keeps account of what the settings of all entries take of the heap, so that a folder of long ones is a problem of
// those that find no room, and not the end of the agent.
import type { Folder } from "../model/batch.ts";
import type { Problem } from "../model/problem.ts";
import { settingsBytes } from "../sources/port.ts";

/** Invariant: what was granted is never more than there is room for. */
export class SettingsRoom {
  readonly #maxBytes: number;
  readonly #granted = new Map<string, number>();
  #sum = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Returns whether an entry has room with these settings, in place of those that it had; if not, it keeps those. */
  grant(name: string, { settings }: Pick<Folder, "settings">): boolean {
    const before = this.#granted.get(name) ?? 0;
    const bytes = settings.reduce((sum, one) => sum + settingsBytes(one.bytes), 0);
    if (bytes > before && this.#sum - before + bytes > this.#maxBytes) return false;
    this.#granted.set(name, bytes);
    this.#sum += bytes - before;
    return true;
  }

  release(name: string): void {
    this.#sum -= this.#granted.get(name) ?? 0;
    this.#granted.delete(name);
  }
}

export function noRoomProblem({ entry, location, settings }: Folder): Problem {
  const [{ file, size } = { file: "batch.yaml", size: 0 }] = settings;
  const message = `the memory of the agent has no room for its ${size} bytes of settings beside all others`;
  const hint =
    "raise it with NODE_OPTIONS=--max-old-space-size=<MiB>, keep data in files of its own, " +
    "or divide the folder between agents";
  const [batch, at] = [entry, `${location}/${file}`];
  return { batch, file: at, line: null, column: null, path: null, code: "too-large", message, hint };
}
