// Decides whether the data folder takes writes: asked of the folder itself, so that it is known before a start
// depends on it.
import { join } from "node:path";
import { StoreError } from "../errors.ts";
import type { Folders } from "./folders.ts";
import { writeFresh } from "./files.ts";

export interface Probe {
  /** Tries again; one try at a time. */
  check: () => Promise<void>;
  /** Why the last try failed, or a folder in it cannot be used; null when all is well. */
  trouble: () => StoreError | null;
}

/** A page: a disk that takes no more than a byte is full. */
const bytes = Buffer.alloc(4_096, ".");

export function createProbe(dataDir: string, folders: Pick<Folders, "check" | "trouble">): Probe {
  const path = join(dataDir, ".probe");
  let trouble: StoreError | null = null;
  let trying: Promise<void> | null = null;

  async function attempt(): Promise<void> {
    folders.check();
    try {
      await writeFresh(path, bytes);
      trouble = null;
    } catch (error) {
      trouble = new StoreError(
        "write",
        path,
        error,
        "is there room in the data folder, and may the agent write there?",
      );
    }
  }

  return {
    check: () => (trying ??= attempt().finally(() => (trying = null))),
    trouble: () => trouble ?? folders.trouble(),
  };
}
