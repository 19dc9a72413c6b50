// Makes batch folders where there are none yet. Overwrites nothing.
import { lstat, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { StoreError } from "../errors.ts";
import { writeFresh } from "../platform/files.ts";

/** The ones of `names` that something in `dir` has already: a folder, a file, an archive. */
export async function existing(dir: string, names: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const name of names) {
    const paths = ["", ".zip", ".tar", ".tar.gz", ".tgz"].map((ending) => join(dir, name + ending));
    const there = await Promise.all(
      paths.map((path) =>
        lstat(path).then(
          () => true,
          () => false,
        ),
      ),
    );
    if (there.includes(true)) found.push(name);
  }
  return found;
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
