// Reads files of the data folder, which scripts of the agent's own user can replace: never waits for a FIFO, never reads more than asked for.
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { readFlags } from "../platform/files.ts";

/** The bytes of a plain file. Throws on what is none, and on more than `max` bytes. */
export function readFile(path: string, max: number): Buffer {
  const file = openSync(path, readFlags);
  try {
    const info = fstatSync(file);
    if (!info.isFile()) throw new Error("it is not a file");
    if (info.size > max) throw new Error(`it is larger than ${max} bytes`);
    const bytes = Buffer.allocUnsafe(info.size);
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read)
      read = readSync(file, bytes, length, bytes.length - length, length);
    return bytes.subarray(0, length);
  } finally {
    closeSync(file);
  }
}

/** At most `length` bytes of a plain file from `offset` on. Throws on what is none. */
export function readPart(path: string, offset: number, length: number): Buffer {
  const file = openSync(path, readFlags);
  try {
    if (!fstatSync(file).isFile()) throw new Error("it is not a file");
    const bytes = Buffer.allocUnsafe(length);
    return bytes.subarray(0, readSync(file, bytes, 0, length, offset));
  } finally {
    closeSync(file);
  }
}
