// Reads the settings file of a batch as it lies in the watched folder now, for people to look at. Judges nothing.
import { realpath } from "node:fs/promises";
import { join, sep } from "node:path";
import type { SettingsFiles } from "./port.ts";
import { readBounded } from "../platform/files.ts";
import { trimEndOf } from "../text/trim.ts";

const maxBytes = 256 * 1024;

/** Settings files below `root`, by the name that problems give them, where `root` goes by `shownAs`. */
export function createSettingsFiles(root: string, shownAs = root): SettingsFiles {
  const shown = trimEndOf(shownAs, "/") || "/";
  return {
    async read(batch, file) {
      const name = ["batch.yaml", "batch.yml"].find((candidate) => file === `${shown}/${batch}/${candidate}`);
      if (name === undefined || batch === "" || batch.includes("/") || batch.startsWith(".")) return null;
      try {
        const home = await realpath(root);
        const path = await realpath(join(root, batch, name));
        if (!path.startsWith(home + sep)) return null;
        return (await readBounded(path, maxBytes, "refuse")).bytes.toString("utf8");
      } catch {
        return null; // it may have changed or gone since the problem was told
      }
    },
  };
}
