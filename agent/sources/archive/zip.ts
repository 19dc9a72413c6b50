// Reads zip archives with unzipper: its list of entries and each entry's stream, never its `Extract`. What it does not
// check is checked here: counts before it allocates for them, sizes, CRC-32, encryption, methods.
import type { FileHandle } from "node:fs/promises";
import type { Readable } from "node:stream";
import { crc32 } from "node:zlib";
import { Open, type File } from "unzipper";
import type { ArchiveLimits } from "./inventory.ts";
import {
  damaged,
  headOf,
  looksLike,
  otherKind,
  programOf,
  readFrom,
  InvalidArchive,
  special,
  type Extractor,
} from "./extractor.ts";

const entrySignature = 0x02014b50;
const endSignature = 0x06054b50;
const endBytes = 22;
const end64Signature = 0x06064b50;
const end64Bytes = 56;
const locatorBytes = 20;
/** Holds what a central directory may measure: it is held in memory. */
const directoryBytes = 64 * 1024 * 1024;

/** The end of a zip is looked for so far from the file's end, for the message alone. */
const maxAfterBytes = 16 * 1024 * 1024;

/**
 * Throws InvalidArchive for what is wrong with the archive, the libraries' errors for damage, and those of the file
 * system.
 */
export async function unzip(
  archive: FileHandle,
  size: number,
  limits: ArchiveLimits,
  extractor: Extractor,
  stop: AbortSignal,
): Promise<void> {
  let failure: unknown;
  const failed = (error: unknown) => (failure ??= error);
  const opened = new Set<Readable>();
  stop.addEventListener("abort", () => opened.forEach((stream) => stream.destroy()));
  const source = {
    size: () => Promise.resolve(size),
    stream(offset: number, length = size - offset) {
      const stream = readFrom(archive, offset, Math.max(0, Math.min(length, size - offset)), failed);
      opened.add(stream);
      stream.once("close", () => opened.delete(stream));
      return stream;
    },
  };
  try {
    const end = await findEnd(archive, size, limits);
    const { files } = await (Open.custom as OpenCustom)(source, { tailSize: size - end, padding: 4096 });
    if (!files.every(isEntry)) throw new InvalidArchive(damaged("it is damaged: its list of entries is broken"));
    const declared = files.reduce((sum, file) => sum + file.uncompressedSize, 0);
    if (declared > limits.bytes)
      throw new InvalidArchive({
        code: "too-large",
        path: "",
        message: `unpacks to ${declared} bytes, more than ${limits.bytes}`,
      });
    for (const file of files) if (!/^__MACOSX(\/|$)/.test(file.path)) await unzipEntry(file, extractor);
  } catch (error) {
    throw failure ?? error;
  }
}

/** The types of the library leave its options out. */
type OpenCustom = (
  source: Parameters<typeof Open.custom>[0],
  options: { tailSize: number; padding: number },
) => ReturnType<typeof Open.custom>;

/** Returns where the end record begins. Refuses, before the library allocates for them, more entries than may be. */
async function findEnd(archive: FileHandle, size: number, limits: ArchiveLimits): Promise<number> {
  const length = Math.min(size, endBytes + 0xffff);
  const tail = Buffer.alloc(length);
  await archive.read(tail, 0, length, size - length);
  let at = length - endBytes;
  while (at >= 0 && !(tail.readUInt32LE(at) === endSignature && at + endBytes + tail.readUInt16LE(at + 20) === length))
    at -= 1;
  if (at < 0) {
    const head = await headOf(archive);
    if (looksLike(head) !== "zip") throw otherKind(head, "zip");
    const after = await bytesAfterEnd(archive, size);
    throw new InvalidArchive(
      damaged(
        after === null
          ? "it is cut off: the end is missing"
          : `${after} ${after === 1 ? "byte follows" : "bytes follow"} its end: something was added to it`,
      ),
    );
  }
  let [entries, bytes, directory] = [
    tail.readUInt16LE(at + 10),
    tail.readUInt32LE(at + 12),
    tail.readUInt32LE(at + 16),
  ];
  const end = size - length + at;
  let directoryEnd = end;
  if (tail.readUInt16LE(at + 4) === 0xffff || entries === 0xffff || directory === 0xffffffff) {
    const locator = Buffer.alloc(locatorBytes);
    const record = Buffer.alloc(end64Bytes);
    await archive.read(locator, 0, locatorBytes, Math.max(0, end - locatorBytes));
    const told = Number(locator.readBigUInt64LE(8));
    await archive.read(record, 0, end64Bytes, Math.min(size, told));
    directoryEnd = Math.max(0, end - locatorBytes - end64Bytes);
    if (record.readUInt32LE(0) !== end64Signature) {
      await archive.read(record, 0, end64Bytes, directoryEnd);
      if (record.readUInt32LE(0) === end64Signature && told < directoryEnd)
        throw await selfExtracting(archive, directoryEnd - told);
    }
    entries = Number(record.readBigUInt64LE(32));
    bytes = Number(record.readBigUInt64LE(40));
    directory = Number(record.readBigUInt64LE(48));
  }
  if (entries > limits.entries)
    throw new InvalidArchive({
      code: "too-many-files",
      path: "",
      message: `holds ${entries} entries, more than ${limits.entries}`,
    });
  if (directory > end)
    throw new InvalidArchive(damaged("it is damaged or cut off: its list of entries lies beyond its end"));
  if (end - directory > directoryBytes)
    throw new InvalidArchive({ code: "too-large", path: "", message: "its list of entries is too long" });
  const before = directoryEnd - bytes - directory;
  if (before > 0 && !(await isListAt(archive, directory)) && (await isListAt(archive, directory + before)))
    throw await selfExtracting(archive, before);
  return end;
}

async function isListAt(archive: FileHandle, offset: number): Promise<boolean> {
  const start = Buffer.alloc(4);
  await archive.read(start, 0, 4, offset);
  return start.readUInt32LE(0) === entrySignature;
}

/** Says that all offsets in a zip are off by as many bytes as stand before it. */
async function selfExtracting(archive: FileHandle, bytes: number): Promise<InvalidArchive> {
  const program = programOf(await headOf(archive));
  const what = program === null ? "something else" : `a ${program}, as in a self-extracting one`;
  const message = `the zip begins after ${bytes} ${bytes === 1 ? "byte" : "bytes"} of ${what}`;
  const hint = "pack it again as a plain zip; zip -J takes away what stands before it";
  return new InvalidArchive({ ...damaged(message), hint });
}

/**
 * Bytes that follow the end of a whole zip; null where no end is found. Only for the message, so only so far from the
 * end.
 */
async function bytesAfterEnd(archive: FileHandle, size: number): Promise<number | null> {
  const length = Math.min(size, maxAfterBytes);
  const tail = Buffer.alloc(length);
  await archive.read(tail, 0, length, size - length);
  const entryStart = Buffer.alloc(4);
  const mark = Buffer.alloc(4);
  mark.writeUInt32LE(endSignature);
  for (let at = tail.lastIndexOf(mark); at >= 0; at = at === 0 ? -1 : tail.lastIndexOf(mark, at - 1)) {
    if (at + endBytes > length) continue;
    const end = size - length + at;
    const [entries, bytes, directory] = [
      tail.readUInt16LE(at + 10),
      tail.readUInt32LE(at + 12),
      tail.readUInt32LE(at + 16),
    ];
    const after = size - (end + endBytes + tail.readUInt16LE(at + 20));
    if (after <= 0 || directory + bytes !== end) continue;
    await archive.read(entryStart, 0, 4, directory);
    if (entries === 0 || entryStart.readUInt32LE(0) === entrySignature) return after;
  }
  return null;
}

/** The library takes whatever lies there for an entry. */
function isEntry({ signature, compressedSize, uncompressedSize, offsetToLocalFileHeader }: File): boolean {
  return (
    signature === entrySignature &&
    [compressedSize, uncompressedSize, offsetToLocalFileHeader].every(
      (value) => Number.isSafeInteger(value) && value >= 0,
    )
  );
}

const fileTypes = { mask: 0o170000, file: 0o100000, folder: 0o040000, link: 0o120000 };
const unix = 3;
const macOs = 19;

async function unzipEntry(file: File, extractor: Extractor): Promise<void> {
  const name = utf8(file.pathBuffer);
  const mode = [unix, macOs].includes(file.versionMadeBy >> 8) ? file.externalFileAttributes >>> 16 : 0;
  const type = mode & fileTypes.mask;
  if ((file.flags & 0x2041) !== 0) throw new InvalidArchive(damaged(`${JSON.stringify(name)} is encrypted`));
  if (name.endsWith("/") || type === fileTypes.folder) {
    if (file.uncompressedSize > 0) throw new InvalidArchive(damaged(`the folder ${JSON.stringify(name)} holds bytes`));
    return extractor.folder(name);
  }
  if (![0, fileTypes.file, fileTypes.link].includes(type)) throw special(name, "neither a file nor a folder");
  if (file.compressionMethod !== 0 && file.compressionMethod !== 8) {
    throw new InvalidArchive(
      damaged(
        `${JSON.stringify(name)} is compressed by method ${file.compressionMethod}; only stored and deflated ` +
          "ones can be read",
      ),
    );
  }
  if (type === fileTypes.link) {
    if (file.uncompressedSize > 4096) throw new InvalidArchive(damaged(`the link ${JSON.stringify(name)} is too long`));
    const target: Uint8Array[] = [];
    await eachChunk(file, (chunk) => void target.push(chunk));
    extractor.note(name, utf8(Buffer.concat(target)));
    return;
  }
  await extractor.begin(name, file.uncompressedSize, (mode & 0o111) !== 0);
  await eachChunk(file, extractor.write);
  await extractor.finish();
}

/** Gives the bytes of an entry, no more than it says, and checks size and CRC-32 against the list of entries. */
async function eachChunk(file: File, use: (chunk: Uint8Array) => Promise<void> | void): Promise<void> {
  let [sum, left] = [0, file.uncompressedSize];
  if (file.compressedSize > 0) {
    const stream = file.stream();
    stream.on("error", () => undefined); // it may emit more than the one that ends the loop
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      left -= chunk.length;
      if (left < 0) break;
      sum = crc32(chunk, sum);
      await use(chunk);
    }
  }
  const shown = JSON.stringify(utf8(file.pathBuffer));
  if (left !== 0) throw new InvalidArchive(damaged(`${shown} holds ${left < 0 ? "more" : "less"} than its entry says`));
  if (sum !== file.crc32) throw new InvalidArchive(damaged(`${shown} is damaged: its checksum (CRC-32) is wrong`));
}

/** Text of a name; what is no UTF-8 shows as U+FFFD, which no name may hold. The library gives "" for an empty one. */
function utf8(bytes: Uint8Array | string): string {
  return typeof bytes === "string" ? bytes : new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}
