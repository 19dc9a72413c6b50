// Finds out whether a batch's files name their process's own output, as `echo … > /dev/stderr` and `tee /dev/stdout`
// do, or put such a path together (`/dev/$stream`): what may name it counts, as a copier too many does no harm.
const openers = "[$\"'`{[*?%\\\\]";
const prefixes = [
  { text: Buffer.from("/dev/"), rest: new RegExp(`^(?:std(?:out|err|${openers})|fd(?:/|${openers})|${openers})`) },
  {
    text: Buffer.from("/proc/"),
    rest: new RegExp(`^(?:(?:thread-)?self/(?:fd|${openers})|${openers})`),
  },
];
/** Maximum number of bytes after a prefix that tell. */
const maxRest = "thread-self/fd".length;
const overlap = "/proc/".length + maxRest - 1;

/** Takes the bytes of files piece by piece; those of one file in order. */
export function createOutputScan(): { push: (path: string, bytes: Uint8Array) => void; found: () => boolean } {
  let last: { path: string; end: Buffer } | null = null;
  let isFound = false;
  return {
    push(path, bytes) {
      if (isFound) return;
      const piece = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const before = last?.path === path ? last.end : Buffer.alloc(0);
      const seam = Buffer.concat([before, piece.subarray(0, overlap)]);
      isFound = namesOutput(piece) || namesOutput(seam);
      // A small piece ends what the one before it began.
      last = { path, end: piece.length >= overlap ? Buffer.from(piece.subarray(-overlap)) : seam.subarray(-overlap) };
    },
    found: () => isFound,
  };
}

function namesOutput(bytes: Buffer): boolean {
  return prefixes.some(({ text, rest }) => {
    for (let at = bytes.indexOf(text); at !== -1; at = bytes.indexOf(text, at + text.length)) {
      const from = at + text.length;
      if (rest.test(bytes.toString("latin1", from, from + maxRest))) return true;
    }
    return false;
  });
}
