// Where a piece of a log may end, so that a reader gets whole lines and never half a character. Bytes only.

const newline = 0x0a;

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
