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
      if (!file.startsWith(`${shown}/`)) return null;
      const path = file.slice(shown.length + 1).split("/");
      const isSettings = path.at(-2) === batch && ["batch.yaml", "batch.yml"].includes(path.at(-1) ?? "");
      if (!isSettings || path.some((part) => part === "" || part.startsWith("."))) return null;
      try {
        const home = await realpath(root);
        const real = await realpath(join(root, ...path));
        if (!real.startsWith(home + sep)) return null;
        return (await readBounded(real, maxBytes, "refuse")).bytes.toString("utf8");
      } catch {
        return null; // it may have changed or gone since the problem was told
      }
    },
  };
}
