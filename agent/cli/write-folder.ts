// Makes batch folders where there are none yet. Overwrites nothing.
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { StoreError } from "../errors.ts";
import { errorCode, writeFresh } from "../platform/files.ts";
import { archiveExtensions } from "../sources/archive/inventory.ts";

/**
 * Returns those of `names` that something in `dir` has already: a folder, a file, an archive. Reads the folder once,
 * however many names there are. Throws StoreError when a folder that is there cannot be read.
 */
export async function existing(dir: string, names: readonly string[]): Promise<string[]> {
  const entries = new Set(
    await readdir(dir).catch((error: unknown) => {
      if (errorCode(error) === "ENOENT") return [];
      throw new StoreError("read", dir, error);
    }),
  );
  return names.filter((name) => ["", ...archiveExtensions].some((ending) => entries.has(name + ending)));
}

/** Writes one folder, seen by others only once it is whole. Throws StoreError, also when the name is taken. */
export async function writeFolder(dir: string, name: string, files: Readonly<Record<string, string>>): Promise<void> {
  const staging = join(dir, `.${name}.new-${process.pid}`);
  try {
    await mkdir(staging, { recursive: true });
    for (const [file, text] of Object.entries(files)) await writeFresh(join(staging, file), text, { mode: 0o666 });
    await rename(staging, join(dir, name));
  } catch (error) {
    await rm(staging, { recursive: true, force: true });
    throw new StoreError("write", join(dir, name), error);
  }
}
