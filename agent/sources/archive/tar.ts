// Reads tar archives, plain or gzipped, with tar's strict parser. It is fed chunk by chunk, and what it says of a chunk
// is carried out before the next one, so memory stays small whatever the archive holds.
import type { FileHandle } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { Parser, type ReadEntry } from "tar";
import type { ArchiveLimits } from "./inventory.ts";
import { StoreError } from "../../errors.ts";
import {
  chunkBytes,
  damaged,
  headOf,
  looksLike,
  otherKind,
  readFrom,
  InvalidArchive,
  special,
  type Extractor,
} from "./extractor.ts";

/** Holds what headers and padding may add to the files' own bytes. */
const overheadBytes = { each: 4096, all: 1024 * 1024 };

/**
 * Extended headers of sparse files: GNU tar's and bsdtar's three forms, star's, and Solaris'. GNU's old form has a
 * type of its own.
 */
const sparse = /(?:^|\n)\d+ (?:GNU\.sparse\.|SCHILY\.realsize=|SUN\.holesdata=)/;

function sparseName(headers: string): string {
  return /(?:^|\n)\d+ (?:GNU\.sparse\.name|path)=([^\n]*)/.exec(headers)?.[1] ?? "a file";
}

const kinds: Partial<Record<string, string>> = { SparseFile: "a sparse file: pack it without --sparse" };

/**
 * Throws InvalidArchive for what is wrong with the archive, the libraries' errors for damage, and those of the file
 * system.
 */
export async function untar(
  archive: FileHandle,
  zipped: boolean,
  limits: ArchiveLimits,
  extractor: Extractor,
  stop: AbortSignal,
): Promise<void> {
  let failure: unknown;
  let ended = false;
  let whole = false;
  /** Holds what the parser has said and is not yet done: at most what one chunk holds. */
  const steps: (() => Promise<void> | void)[] = [];
  const parser = new Parser({
    strict: true,
    brotli: false,
    zstd: false,
    onReadEntry(entry) {
      const { isFile, step } = stepOf(entry, extractor);
      steps.push(step);
      entry.on("end", () => isFile && steps.push(extractor.finish));
      entry.on("data", (chunk: Buffer) => isFile && steps.push(() => extractor.write(chunk)));
      entry.on("error", (error: unknown) => (failure ??= error));
    },
  });
  parser.on("error", (error: unknown) => (failure ??= error));
  parser.on("ignoredEntry", ({ path, meta, type }: ReadEntry) => {
    failure ??= meta
      ? new InvalidArchive(damaged("a header in it is too long"))
      : special(path, kinds[type] ?? `of a kind that is not known (${type})`);
  });
  // The library knows nothing of them, and would give what is stored, a map of the holes included, for the file.
  parser.on("meta", (text: string) => {
    if (sparse.test(text)) failure ??= special(sparseName(text), "a sparse file: pack it without --sparse");
  });
  parser.on("nullBlock", () => (whole = true));
  parser.on("eof", () => (ended = true));

  let raw = 0;
  const maxBytes = limits.bytes + limits.entries * overheadBytes.each + overheadBytes.all;
  async function write(chunks: AsyncIterable<Buffer>): Promise<void> {
    let head: Buffer | null = Buffer.alloc(0);
    for await (const piece of chunks) {
      raw += piece.length;
      const chunk: Buffer = head === null ? piece : Buffer.concat([head, piece]);
      head = chunk.length < 512 && head !== null ? chunk : null;
      if (head !== null) continue;
      // The parser would unpack a gzip within by itself, uncounted.
      if (raw === chunk.length && ["gzip", "zip"].includes(looksLike(chunk) ?? "")) throw otherKind(chunk, "tar");
      if (raw > maxBytes)
        throw new InvalidArchive({
          code: "too-large",
          path: "",
          message: `unpacks to more than ${limits.bytes} bytes`,
        });
      if (!ended) parser.write(chunk);
      if (failure !== undefined) throw failure as Error;
      for (const step of steps.splice(0)) await step();
    }
    if (head !== null) throw otherKind(head, "tar");
    if (!ended) parser.end();
    if (failure !== undefined) throw failure as Error;
    for (const step of steps.splice(0)) await step();
    if (!whole) throw new InvalidArchive(damaged("it is cut off: the end is missing"));
  }

  let unreadable: unknown;
  if (zipped) {
    const head = await headOf(archive);
    if (looksLike(head) !== "gzip") throw otherKind(head, "gzipped tar");
  }
  const bytes = readFrom(archive, 0, Infinity, (error) => (unreadable ??= error));
  let taking: Promise<void> = Promise.resolve();
  const taker = (chunks: AsyncIterable<Buffer>) => (taking = write(chunks));
  try {
    if (zipped) await pipeline(bytes, createGunzip({ chunkSize: chunkBytes }), taker, { signal: stop });
    else await pipeline(bytes, taker, { signal: stop });
  } catch (error) {
    // Nothing may be written once this has ended; and what it threw is hidden where it makes the others abort.
    const own: unknown = await taking.catch((thrown: unknown) => thrown);
    throw unreadable ?? (own instanceof InvalidArchive || own instanceof StoreError ? own : (failure ?? error));
  }
}

const specialKinds: Readonly<Record<string, string>> = {
  Link: "a hard link",
  CharacterDevice: "a device",
  BlockDevice: "a device",
  FIFO: "a FIFO",
};

function stepOf(entry: ReadEntry, extractor: Extractor): { isFile: boolean; step: () => Promise<void> | void } {
  const { path, type, mode = 0, linkpath = "" } = entry;
  const size = entry.header.size ?? NaN; // what is no number, or negative, would else be taken for 0
  if (["File", "OldFile", "ContiguousFile"].includes(type))
    return { isFile: true, step: () => extractor.begin(path, size, (mode & 0o111) !== 0) };
  if (type === "Directory" || type === "GNUDumpDir") return { isFile: false, step: () => extractor.folder(path) };
  if (type === "SymbolicLink") return { isFile: false, step: () => extractor.note(path, linkpath) };
  const refuse = () => {
    throw special(path, specialKinds[type] ?? "neither a file nor a folder");
  };
  return { isFile: false, step: refuse };
}
