// Decides where the entries of one archive are put, below one folder, and what the readers of its kinds share.
// Nothing that is there is ever written over, and nothing is written through a link.
import { mkdir, open, symlink, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import {
  createInventory,
  linkStaysInside,
  type ArchivedKind,
  type ArchiveFault,
  type ArchiveLimits,
} from "./inventory.ts";
import { StoreError } from "../../errors.ts";

export const chunkBytes = 64 * 1024;
export const roomHint = "is there room in the data folder?";

/** Thrown among these files only: the archive is not sound. */
export class InvalidArchive extends Error {
  readonly fault: ArchiveFault;
  constructor(fault: ArchiveFault) {
    super(fault.message);
    this.fault = fault;
  }
}

/** Describes where entries are put, below one folder; `moved` is called for every sign of life. */
export interface Extractor {
  /** Begins a file; its bytes follow by `write` and end with `finish`. */
  begin: (name: string, bytes: number, executable: boolean) => Promise<void>;
  write: (bytes: Uint8Array) => Promise<void>;
  finish: () => Promise<void>;
  folder: (name: string) => Promise<void>;
  /** Notes a symbolic link; `link` makes them all, once nothing else is to be written. */
  note: (name: string, target: string) => void;
  link: () => Promise<void>;
  close: () => Promise<void>;
}

export function createExtractor(home: string, limits: ArchiveLimits, moved: () => void): Extractor {
  const inventory = createInventory(limits);
  const links: { path: string; target: string }[] = [];
  const folders = new Set<string>([home]);
  let current: { name: string; handle: FileHandle; left: number } | null = null;
  let closed = false;

  function place(name: string, kind: ArchivedKind, bytes: number): string {
    moved();
    const answer = inventory.add(name, kind, bytes);
    if ("fault" in answer) throw new InvalidArchive(answer.fault);
    return answer.path;
  }

  async function inside<T>(work: () => Promise<T>): Promise<T> {
    if (closed) throw new Error("given up");
    try {
      return await work();
    } catch (error) {
      throw new StoreError("unpack into", home, error, roomHint);
    }
  }

  async function makeAll(path: string): Promise<void> {
    if (folders.has(path)) return;
    await inside(() => mkdir(path, { recursive: true }));
    folders.add(path);
  }

  async function close(): Promise<void> {
    const last = current;
    current = null;
    await last?.handle.close();
  }

  return {
    async begin(name, bytes, executable) {
      const path = join(home, place(name, "file", bytes));
      await makeAll(dirname(path));
      const handle = await inside(() => open(path, "wx", executable ? 0o755 : 0o644));
      current = { name, handle, left: bytes };
      if (closed) await close();
    },
    async write(bytes) {
      moved();
      const file = current;
      if (file === null) throw new Error("given up");
      file.left -= bytes.length;
      if (file.left < 0)
        throw new InvalidArchive(damaged(`${JSON.stringify(file.name)} holds more than its entry says`));
      for (let at = 0; at < bytes.length;) at += (await inside(() => file.handle.write(bytes, at))).bytesWritten;
    },
    async finish() {
      if (current !== null && current.left > 0)
        throw new InvalidArchive(damaged(`${JSON.stringify(current.name)} holds less than its entry says`));
      await close();
    },
    async folder(name) {
      await makeAll(join(home, place(name, "folder", 0)));
    },
    note(name, target) {
      const path = place(name, "link", 0);
      if (!linkStaysInside(path, target))
        throw new InvalidArchive({
          code: "link-outside",
          path,
          message: `the symbolic link ${path} leaves the archive`,
        });
      links.push({ path, target });
    },
    async link() {
      for (const { path, target } of links) {
        await makeAll(dirname(join(home, path)));
        await inside(() => symlink(target, join(home, path)));
      }
    },
    async close() {
      closed = true;
      await close();
    },
  };
}

export function damaged(message: string): ArchiveFault {
  return { code: "bad-archive", path: "", message };
}

export function special(name: string, what: string): InvalidArchive {
  return new InvalidArchive({ code: "special-file", path: "", message: `${JSON.stringify(name)} in it is ${what}` });
}

/** Bytes of the archive; ends early, and keeps the error, when it cannot be read: no stream of this ever emits one. */
export function readFrom(
  archive: FileHandle,
  start: number,
  length: number,
  failed: (error: unknown) => void,
): Readable {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    try {
      for (let at = start; at < start + length;) {
        const { bytesRead, buffer } = await archive.read(
          Buffer.allocUnsafe(Math.min(chunkBytes, start + length - at)),
          0,
          null,
          at,
        );
        if (bytesRead === 0) return;
        at += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    } catch (error) {
      failed(error);
    }
  }
  // Whatever destroys it may give it an error to tell: that is not one of reading.
  return Readable.from(chunks(), { objectMode: false, highWaterMark: chunkBytes }).on("error", () => undefined);
}

/** Returns what a file is, by its first bytes; null where they do not tell. */
export function looksLike(head: Buffer): "zip" | "gzip" | "tar" | null {
  if (head.length >= 2 && head.readUInt16LE(0) === 0x8b1f) return "gzip";
  if (head.length >= 4 && [0x04034b50, 0x06054b50].includes(head.readUInt32LE(0))) return "zip";
  return head.toString("latin1", 257, 262) === "ustar" ? "tar" : null;
}

const programs: readonly [start: string, words: string][] = [
  ["#!", "script"],
  ["MZ", "Windows program"],
  ["\x7fELF", "program"],
];

/** Returns which program a file is, by its first bytes: some unpack themselves; null where it is none. */
export function programOf(head: Buffer): string | null {
  const text = head.toString("latin1", 0, 4);
  return programs.find(([start]) => text.startsWith(start))?.[1] ?? null;
}

/** Says that an archive is not of the kind `wanted`, by its first bytes. */
export function otherKind(head: Buffer, wanted: string): InvalidArchive {
  if (head.length === 0) return new InvalidArchive(damaged("it is empty"));
  const kind = looksLike(head) ?? programOf(head);
  return new InvalidArchive(damaged(`it is not a ${wanted}${kind === null ? "" : ` but a ${kind}`}`));
}

export async function headOf(archive: FileHandle): Promise<Buffer> {
  const { buffer, bytesRead } = await archive.read(Buffer.alloc(512), 0, 512, 0);
  return buffer.subarray(0, bytesRead);
}
