// Gathers hints: which entries may have changed since they were last read.
import { batchNameOf } from "../sources/port.ts";

export interface Hints {
  /** True when any entry may have changed. */
  all: boolean;
  names: Set<string>;
  /** The same as paths below the root: what must be listed again, and the groups whose files may have changed. */
  paths: Set<string>;
}

export class DirtyNames {
  #hints: Hints = { all: false, names: new Set(), paths: new Set() };

  get all(): boolean {
    return this.#hints.all;
  }

  get names(): ReadonlySet<string> {
    return this.#hints.names;
  }

  get isEmpty(): boolean {
    return !this.#hints.all && this.#hints.names.size === 0;
  }

  addAll(): void {
    this.#hints.all = true;
  }

  addName(name: string): void {
    this.#hints.names.add(name);
  }

  /** Adds the entry at a path below the root; returns its possible names. */
  addPath(path: string): readonly string[] {
    this.#hints.paths.add(path);
    const entry = path.slice(path.lastIndexOf("/") + 1);
    const names = [entry, batchNameOf(entry)]; // x.zip is the batch x, or a folder of that name
    for (const name of names) this.#hints.names.add(name);
    return names;
  }

  /** Returns what was gathered, and begins anew. */
  drain(): Hints {
    const hints = this.#hints;
    this.#hints = { all: false, names: new Set(), paths: new Set() };
    return hints;
  }
}
