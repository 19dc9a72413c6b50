// Decides where a piece of a log may end, so that a reader gets whole lines and never half a character. Bytes only.

import { isUtf8 } from "node:buffer";

const newline = 0x0a;
const carriageReturn = 0x0d;
/** `data: ` before each line of an event. */
const linePrefixBytes = 6;
/** The id, and what else an event has once. */
const eventHeadBytes = 64;

/** How many of `bytes` are whole lines, each with its newline; 0 when no line ends in them. */
export function wholeLines(bytes: Uint8Array): number {
  return bytes.lastIndexOf(newline) + 1;
}

/** How many of `bytes` are left once a UTF-8 character that is cut off at their end is taken away. */
export function wholeCharacters(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] as number;
    if ((byte & 0xc0) === 0x80) continue; // inside a character: its first byte is further ahead
    const length = byte >= 0xf0 && byte < 0xf8 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back && byte < 0xf8 ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

/**
 * Returns how many of `bytes` may be sent as one event of at most `max` bytes, up to the end of a line where there
 * is one.
 * Each line costs its prefix, a carriage return is sent as a character of three bytes, and so is each byte that is
 * no UTF-8.
 */
export function eventBytes(bytes: Uint8Array, max: number): number {
  const high = isUtf8(bytes) ? 1 : 3;
  let cost = 0;
  let line = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    cost += byte === newline ? linePrefixBytes + 1 : byte === carriageReturn ? 3 : byte < 0x80 ? 1 : high;
    if (cost > max - eventHeadBytes) return line > 0 ? line : Math.max(1, wholeCharacters(bytes.subarray(0, at)));
    if (byte === newline) line = at + 1;
  }
  return bytes.length;
}
