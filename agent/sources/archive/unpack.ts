// Unpacks archives into a folder that is deleted again. What they may hold is decided in core; what an entry says of
// itself is never believed: bytes are counted as they come, and links are made last, so that nothing is written
// through one.
import type { untar } from "./tar.ts";
import type { unzip } from "./zip.ts";
import { constants } from "node:fs";
import { chmod, mkdtemp, open, readdir, realpath, rm, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, StoreError } from "../../errors.ts";
import { makeFolders, type EnsureFolder } from "../../platform/folders.ts";
import { walkTree, type OpenArchive } from "../tree.ts";
import { createExtractor, InvalidArchive, roomHint } from "./extractor.ts";
import { topOf, type ArchiveFault, type ArchiveLimits } from "./inventory.ts";

/** So long without a byte and it is given up: a library that waits for ever must not stop the reconcile. */
const stallMs = 30_000;

/**
 * Opens archives by unpacking them below `home`, a folder that is made if need be. What is wrong with an archive shows
 * as the tree's one fault; trouble of the file system is thrown, as StoreError where it is that of `home`.
 */
export function createUnpacker(home: string, limits: ArchiveLimits, ensure: EnsureFolder = makeFolders): OpenArchive {
  return async (path, work) => {
    // Without O_NONBLOCK a FIFO under an archive's name would be waited for.
    const archive = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const staging = await makeStaging(home, ensure).catch(async (error: unknown) => {
      await archive.close();
      throw error;
    });
    try {
      const info = await archive.stat();
      const changedMs = Math.max(info.mtimeMs, info.ctimeMs);
      const refuse = (fault: ArchiveFault) => work({ files: [], faults: [fault], changedMs });
      if (!info.isFile()) return await refuse({ code: "special-file", path: "", message: "it is not a file" });
      if ((info.mode & 0o004) !== 0) await chmod(staging, 0o755); // else all in it is as private as the archive
      const fault = await fill(staging, archive, path, info.size, limits);
      if (fault !== null) return await refuse(fault);
      const top = topOf(
        (await readdir(staging, { withFileTypes: true })).map((entry) => ({
          name: entry.name,
          folder: entry.isDirectory(),
        })),
      );
      const real = await realpath(staging);
      const tree = await walkTree(real, join(real, top), { files: limits.entries, bytes: limits.bytes });
      return await work({ ...tree, changedMs });
    } catch (error) {
      // A file that is missing in here must not be taken for an archive that is.
      throw error instanceof StoreError ? error : new StoreError("unpack into", home, error, roomHint);
    } finally {
      await archive.close();
      await rm(staging, { recursive: true, force: true, maxRetries: 2 });
    }
  };
}

let readers: Promise<{ unzip: typeof unzip; untar: typeof untar }> | null = null;

/**
 * Loads what reads archives, once. Commands that meet none do without; an agent calls it at its start, as an update may
 * have taken the program's folder away by the time of its first archive.
 */
export function loadReaders(): NonNullable<typeof readers> {
  return (readers ??= Promise.all([import("./zip.ts"), import("./tar.ts")]).then(([zip, tar]) => ({
    unzip: zip.unzip,
    untar: tar.untar,
  })));
}

async function makeStaging(home: string, ensure: EnsureFolder): Promise<string> {
  try {
    ensure(home);
    return await mkdtemp(join(home, ".staging-archive-"));
  } catch (error) {
    throw new StoreError("unpack into", home, error, roomHint);
  }
}

/** Unpacks into `staging`; why not, or null. */
async function fill(
  staging: string,
  archive: FileHandle,
  path: string,
  size: number,
  limits: ArchiveLimits,
): Promise<ArchiveFault | null> {
  const stop = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const stalled = new Promise<never>((_, reject) => {
    const giveUp = () => reject(new StoreError("read", path, new Error(`nothing came for ${stallMs / 1000} s`)));
    timer = setTimeout(giveUp, stallMs);
  });
  const extractor = createExtractor(staging, limits, () => timer?.refresh());
  const unpack = async () => {
    const { unzip, untar } = await loadReaders();
    if (path.endsWith(".zip")) await unzip(archive, size, limits, extractor, stop.signal);
    else await untar(archive, !path.endsWith(".tar"), limits, extractor, stop.signal);
  };
  try {
    await Promise.race([unpack(), stalled]);
    await extractor.link();
    return null;
  } catch (error) {
    if (error instanceof InvalidArchive) return error.fault;
    if (error instanceof StoreError || (error instanceof Error && "syscall" in error)) throw error;
    const why = messageOf(error);
    return { code: "bad-archive", path: "", message: `it is damaged or cut off: ${why}` };
  } finally {
    clearTimeout(timer);
    stop.abort();
    await extractor.close();
  }
}
