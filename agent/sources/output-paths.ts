// Finds out whether a batch's files name their process's own output, as `echo … > /dev/stderr` and `tee /dev/stdout`
// do.
const needles = ["/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/self/fd", "/proc/$$/fd", "/proc/$BASHPID/fd"].map(
  (text) => Buffer.from(text),
);
const overlap = Math.max(...needles.map(({ length }) => length)) - 1;

/** Takes the bytes of files piece by piece; those of one file in order. */
export function createOutputScan(): { push: (path: string, bytes: Uint8Array) => void; found: () => boolean } {
  let last: { path: string; end: Buffer } | null = null;
  let isFound = false;
  return {
    push(path, bytes) {
      if (isFound) return;
      const piece = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const seam = last?.path === path ? Buffer.concat([last.end, piece.subarray(0, overlap)]) : null;
      isFound = needles.some((needle) => piece.includes(needle) || seam?.includes(needle) === true);
      last = { path, end: Buffer.from(piece.subarray(Math.max(0, piece.length - overlap))) };
    },
    found: () => isFound,
  };
}
