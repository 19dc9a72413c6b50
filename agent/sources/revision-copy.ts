// Writes the files of a batch as a revision: read-only, synced, and for the owner only what was for the owner only.
import { chmodSync, closeSync, fchmodSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Folder } from "../model/batch.ts";
import { syncFile, syncFolder } from "../platform/durable.ts";
import { inheritedName } from "../model/revision.ts";
import { freshFlags } from "../platform/files.ts";
import { hashTree, type TreeFile } from "./tree.ts";

type CopiedFile = Pick<TreeFile, "path" | "executable" | "isPrivate">;

const ownerOnly = 0o700;
const everybody = 0o777;

/** Writes files as they were read; all on disk, and read-only, when it resolves. */
export async function writeOut(
  files: NonNullable<Folder["files"]>,
  inherited: string | null,
  target: string,
): Promise<void> {
  const copy = beginCopy(target);
  try {
    for (const { bytes, ...file } of files) copy.write(file, bytes);
    writeInherited(copy, inherited);
  } finally {
    copy.close();
  }
  await copy.settled();
}

/**
 * Reads, copies and hashes in one pass, so that the digest is that of the copied files; all on disk, and read-only,
 * when it resolves.
 */
export async function copy(files: readonly TreeFile[], inherited: string | null, target: string): Promise<string> {
  const copy = beginCopy(target);
  const own = files.filter(({ path }) => path !== inheritedName);
  const digest = await hashTree(own, (file, bytes) => copy.write(file, bytes)).finally(copy.close);
  writeInherited(copy, inherited);
  copy.close();
  await copy.settled();
  return digest;
}

/** Values of env may come from a group: for the owner only, as the groups' own files may be. */
function writeInherited(copy: ReturnType<typeof beginCopy>, inherited: string | null): void {
  if (inherited === null) return;
  copy.write({ path: inheritedName, executable: false, isPrivate: true }, new TextEncoder().encode(inherited));
}

/**
 * A copy that grows file by file; what is written to one path in a row is one file. Close it, then wait until it is
 * settled.
 */
function beginCopy(target: string) {
  /** Each folder, and whether anything in it is for everybody. */
  const folders = new Map([[target, false]]);
  const paths: string[] = [];
  let current: { path: string; file: number } | null = null;

  function close(): void {
    if (current !== null) closeSync(current.file);
    current = null;
  }

  function begin({ path, executable, isPrivate }: CopiedFile): number {
    close();
    const whole = join(target, path);
    const folder = dirname(whole);
    if (folder !== target) mkdirSync(folder, { recursive: true });
    for (let above = folder; ; above = dirname(above)) {
      folders.set(above, !isPrivate || folders.get(above) === true);
      if (above === target) break;
    }
    // Private before the first byte is in it.
    const file = openSync(whole, freshFlags, 0o600);
    current = { path, file };
    paths.push(whole);
    fchmodSync(file, (executable ? 0o555 : 0o444) & (isPrivate ? ownerOnly : everybody));
    return file;
  }

  return {
    write(file: CopiedFile, bytes: Uint8Array): void {
      writeFileSync(current?.path === file.path ? current.file : begin(file), bytes);
    },
    close,
    async settled(): Promise<void> {
      for (const [folder, isShared] of folders) chmodSync(folder, 0o555 & (isShared ? everybody : ownerOnly));
      await Promise.all([...paths.map(syncFile), ...[...folders.keys()].map(syncFolder)]);
    },
  };
}
