// Zip and tar archives byte by byte, so that they can lie about anything. Not made by the libraries that read them.
import { crc32, deflateRawSync, gzipSync } from "node:zlib";

/** One entry of a zip; what is left out is told as it is. */
export interface ZipEntry {
  name: string | Buffer;
  data?: string | Buffer;
  /** Unix mode with its file type, 0 for none. */
  mode?: number;
  method?: number;
  flags?: number;
  crc?: number;
  size?: number;
  packedSize?: number;
  /** Upper byte of "version made by": 3 is Unix, 0 is DOS. */
  madeBy?: number;
  extra?: Buffer;
  /** In the list of entries, instead of the true one. */
  offset?: number;
}

export function zip(
  entries: readonly ZipEntry[],
  options: { comment?: string; count?: number; before?: Buffer; signature?: number; zip64?: boolean } = {},
): Buffer {
  const { before = Buffer.alloc(0), comment = "", signature = 0x02014b50 } = options;
  const parts: Buffer[] = [before];
  const list: Buffer[] = [];
  let at = before.length;
  for (const entry of entries) {
    const name = Buffer.from(entry.name as string);
    const data = Buffer.from((entry.data ?? "") as string);
    const { mode = 0o100644, method = 8, flags = 0x800, madeBy = 3, extra = Buffer.alloc(0) } = entry;
    const packed = method === 8 ? deflateRawSync(data) : data;
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(flags, 2);
    common.writeUInt16LE(method, 4);
    common.writeUInt32LE(entry.crc ?? crc32(data), 10);
    common.writeUInt32LE(entry.packedSize ?? packed.length, 14);
    common.writeUInt32LE(entry.size ?? data.length, 18);
    common.writeUInt16LE(name.length, 22);
    common.writeUInt16LE(extra.length, 24);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(mode * 65536, 6);
    rest.writeUInt32LE(entry.offset ?? at, 10);
    list.push(Buffer.concat([number32(signature), Buffer.from([20, madeBy]), common, rest, name, extra]));
    const local = Buffer.concat([number32(0x04034b50), common, name, extra, packed]);
    parts.push(local);
    at += local.length;
  }
  const directory = Buffer.concat(list);
  const count = options.count ?? entries.length;
  const zip64 = options.zip64 === true ? zip64End(count, directory.length, at) : Buffer.alloc(0);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(options.zip64 === true ? 0xffff : count, 8);
  end.writeUInt16LE(options.zip64 === true ? 0xffff : count, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(options.zip64 === true ? 0xffffffff : at, 16);
  end.writeUInt16LE(Buffer.byteLength(comment), 20);
  return Buffer.concat([...parts, directory, zip64, end, Buffer.from(comment)]);
}

function zip64End(count: number, length: number, offset: number): Buffer {
  const record = Buffer.alloc(56);
  record.writeUInt32LE(0x06064b50, 0);
  record.writeBigUInt64LE(44n, 4);
  record.writeBigUInt64LE(BigInt(count), 24);
  record.writeBigUInt64LE(BigInt(count), 32);
  record.writeBigUInt64LE(BigInt(length), 40);
  record.writeBigUInt64LE(BigInt(offset), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(offset + length), 8);
  return Buffer.concat([record, locator]);
}

function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** One entry of a tar; what is left out is told as it is. */
export interface TarEntry {
  name: string | Buffer;
  data?: string | Buffer;
  mode?: number;
  /** "0" file, "1" hard link, "2" symbolic link, "3" "4" devices, "5" folder, "6" FIFO, "x" pax header. */
  type?: string;
  link?: string;
  /** The size field as it stands there. */
  size?: Buffer | number;
  checksum?: number;
}

export function tar(entries: readonly TarEntry[], options: { end?: boolean } = {}): Buffer {
  const blocks = entries.flatMap((entry) => {
    const data = Buffer.from((entry.data ?? "") as string);
    return [tarHeader(entry, data.length), data, Buffer.alloc((512 - (data.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(options.end === false ? 0 : 1024)]);
}

function tarHeader({ name, mode = 0o644, type = "0", link = "", size, checksum }: TarEntry, length: number): Buffer {
  const block = Buffer.alloc(512);
  Buffer.from(name as string).copy(block, 0, 0, 100);
  block.write(octal(mode, 8), 100);
  block.write(octal(0, 8), 108);
  block.write(octal(0, 8), 116);
  if (Buffer.isBuffer(size)) size.copy(block, 124, 0, 12);
  else block.write(octal(size ?? length, 12), 124);
  block.write(octal(1_700_000_000, 12), 136);
  block.write("        ", 148);
  block.write(type, 156);
  block.write(link, 157, 100);
  block.write("ustar\u000000", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${(checksum ?? sum).toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

function octal(value: number, width: number): string {
  return `${value.toString(8).padStart(width - 1, "0")}\0`;
}

/** A pax header with these records, for the entry that follows it. */
export function pax(records: Readonly<Record<string, string>>): TarEntry {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    let length = Buffer.byteLength(rest);
    while (Buffer.byteLength(`${length}${rest}`) !== length) length = Buffer.byteLength(`${length}${rest}`);
    return `${length}${rest}`;
  });
  return { name: "PaxHeader", type: "x", data: lines.join("") };
}

export const gzip = (bytes: Buffer): Buffer => gzipSync(bytes);

/** A batch as both kinds take it. */
export const plainEntries = [
  { name: "batch.yaml", data: 'cron: "0 4 * * *"\n' },
  { name: "script.sh", data: "echo hello\n" },
];
