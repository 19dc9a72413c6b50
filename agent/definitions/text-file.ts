// Bytes of a text file → text, or what keeps them from being text. Knows nothing of what the text means.
import type { Place, ProblemCode } from "../model/problem.ts";

/** Something wrong at one place of a file; lines and columns count from 1. */
export interface Fault {
  code: ProblemCode;
  /** Path of a key in batch.yaml; empty where there is none. */
  path: readonly (string | number)[];
  place: Place | null;
  message: string;
  hint: string | null;
  /** The file that `path` and `place` are of, where it is not the one that was read. */
  file?: string;
}

/**
 * The text of `bytes`, with its byte order mark if it has one; or the one fault that makes it none. `size` is the whole
 * file's. `anyCharset`: bytes that are no UTF-8 are let through, as bash does with an old Latin-1 script.
 */
export function decodeText(
  file: string,
  bytes: Uint8Array,
  size: number,
  anyCharset = false,
): { text: string } | { fault: Fault } {
  const fault = (message: string, hint: string, place: Place | null = null, code: ProblemCode = "not-text") => ({
    fault: { code, path: [], place, message: `${file} ${message}`, hint },
  });
  if (size === 0 || bytes.length === 0)
    return fault("is empty", "write it, or take the folder out", null, "empty-file");
  const [first, second] = bytes;
  const wide =
    (first === 0xff && second === 0xfe) ||
    (first === 0xfe && second === 0xff) ||
    (first !== 0 && second === 0 && bytes[3] === 0);
  if (wide) return fault("is UTF-16", "save as UTF-8");
  const zero = bytes.indexOf(0);
  const loose = () => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  if (zero !== -1) {
    const place = placeAt(new TextDecoder().decode(bytes.subarray(0, zero)));
    return fault(
      "holds a NUL byte: it is not text",
      "save as UTF-8 text; a program's binary belongs in a file of its own",
      place,
    );
  }
  try {
    // Whatever was cut off may end within a character.
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes, {
      stream: bytes.length < size,
    });
    if (bytes.length === size && text.replace(/^\uFEFF/, "").trim() === "")
      return fault("holds nothing but blanks", "write it, or take the folder out", null, "empty-file");
    return { text };
  } catch {
    const text = loose();
    if (anyCharset) return { text };
    return fault("holds bytes that are no UTF-8", "save as UTF-8", placeAt(text.slice(0, text.indexOf("\uFFFD"))));
  }
}

/** Returns what bash would stumble over in a script that is text: a byte order mark, or Windows line endings. */
export function scriptFaults(file: string, text: string): Fault[] {
  const faults: Fault[] = [];
  if (text.startsWith("\uFEFF")) {
    const hint = `save as "UTF-8 without BOM", or: sed -i '1s/^\\xEF\\xBB\\xBF//' ${file}`;
    faults.push({
      code: "not-text",
      path: [],
      place: { line: 1, column: 1 },
      message: `${file} begins with a byte order mark (BOM), which bash takes for part of the first command`,
      hint,
    });
  }
  const at = text.indexOf("\r\n");
  if (at !== -1) {
    const count = text.split("\r\n").length - 1;
    const place = placeAt(text.slice(0, at));
    const message =
      `${file} has Windows line endings (CRLF), on ` +
      (count === 1 ? `line ${place.line}` : `${count} lines, first on line ${place.line}`);
    faults.push({
      code: "crlf",
      path: [],
      place,
      message,
      hint: `sed -i 's/\\r$//' ${file}; and in .gitattributes: *.sh text eol=lf`,
    });
  }
  return faults;
}

/** The place just after `before`. */
function placeAt(before: string): Place {
  const lines = before.replace(/^\uFEFF/, "").split("\n");
  return { line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 };
}
