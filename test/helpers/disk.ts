// A small disk of its own, to fill and to make read-only. Needs root, as mounting does.
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, statfsSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { chmod, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach } from "vitest";
import { temporaryFolder } from "./tmp.ts";

export const canMount = process.getuid?.() === 0;
const mounted: string[] = [];

afterEach(() => {
  for (const path of mounted.splice(0)) execFileSync("umount", ["--lazy", path]);
});

export function smallDisk(size = "8m") {
  const path = join(temporaryFolder(), "disk");
  mkdirSync(path);
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", path]);
  mounted.push(path);
  const filler = join(path, "filler");
  return {
    path,
    /** Leaves not a page free. */
    fill() {
      const { bfree, bsize } = statfsSync(path);
      writeFileSync(filler, Buffer.alloc(bfree * bsize));
    },
    /** Leaves so many bytes free of what was filled. */
    leave: (bytes: number) => truncateSync(filler, statSync(filler).size - bytes),
    empty: () => rmSync(filler, { force: true }),
    remount: (mode: "ro" | "rw") => execFileSync("mount", ["-o", `remount,${mode}`, path]),
  };
}

/** Nothing can be recorded until what this gives is called: a file is in the journal's place. */
export async function block(data: string): Promise<() => Promise<void>> {
  const journal = join(data, "journal");
  await rename(journal, `${journal}.away`);
  await writeFile(journal, "");
  return async () => {
    await rm(journal);
    await rename(`${journal}.away`, journal);
  };
}

/**
 * A batch's document cannot be written until what this gives is called: a disk of its own lies in the place of its
 * temporary file, which cannot be deleted; for who may not mount, its folder takes no files.
 */
export async function blockDocument(data: string, name: string): Promise<() => Promise<void>> {
  const folder = join(data, "batches", name);
  const path = join(folder, "history.json.tmp");
  await mkdir(folder, { recursive: true });
  if (!canMount) {
    await chmod(folder, 0o555);
    return () => chmod(folder, 0o755);
  }
  await mkdir(path);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=8k", "tmpfs", path]);
  mounted.push(path);
  return async () => {
    execFileSync("umount", ["--lazy", path]);
    mounted.splice(mounted.indexOf(path), 1);
    await rm(path, { recursive: true, force: true });
  };
}
