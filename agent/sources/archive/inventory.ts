// Describes what an archive may be called and what it may hold. Pure; reading one is the adapter's.
import type { ProblemCode } from "../../model/problem.ts";
import { isMadeByMachine } from "../leftovers.ts";

const extension = /\.(zip|tar|tar\.gz|tgz)$/;
/** All of them, longest first where one ends in another. */
export const archiveExtensions = [".zip", ".tar.gz", ".tgz", ".tar"] as const;

export function isArchiveName(entry: string): boolean {
  return extension.test(entry);
}

/** Returns what the batch of an entry is called: an archive's name without its extension. */
export function batchNameOf(entry: string): string {
  return entry.replace(extension, "");
}

export interface ArchiveLimits {
  entries: number;
  /** For all files together, unpacked. */
  bytes: number;
}

/** Why an archive is refused. `path` is the name inside it, "" where it is the whole. */
export interface ArchiveFault {
  code: Extract<ProblemCode, "bad-archive" | "special-file" | "link-outside" | "too-large" | "too-many-files">;
  path: string;
  message: string;
  /** Tells where there is a better one than its code's. */
  hint?: string;
}

export type ArchivedKind = "file" | "folder" | "link";

/** Keeps account of what an archive holds, entry by entry, and refuses the first that is not sound. */
export interface Inventory {
  /**
   * The path to unpack to, with `/` and below the top ("" for the top itself), or why not. `bytes` is the size as
   * declared.
   */
  add: (name: string, kind: ArchivedKind, bytes: number) => { path: string } | { fault: ArchiveFault };
}

const maxLength = { part: 255, path: 1024 };

export function createInventory(limits: ArchiveLimits): Inventory {
  const kinds = new Map<string, ArchivedKind>();
  /** Paths by what a file system that knows no case makes of them. */
  const folded = new Map<string, string>();
  let entries = 0;
  let bytes = 0;

  function add(name: string, kind: ArchivedKind, size: number): ReturnType<Inventory["add"]> {
    const bad = (message: string) => ({ fault: { code: "bad-archive", path: "", message } as const });
    const shown = JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name);
    entries += 1;
    if (entries > limits.entries)
      return { fault: { code: "too-many-files", path: "", message: `holds more than ${limits.entries} entries` } };
    bytes += size;
    if (!(size >= 0)) return bad(`${shown} has no size`);
    if (bytes > limits.bytes)
      return { fault: { code: "too-large", path: "", message: `unpacks to more than ${limits.bytes} bytes` } };

    const wrong = wrongName(name);
    if (wrong !== null) return bad(`the name ${shown} ${wrong}`);
    const parts = name.split("/").filter((part) => part !== "" && part !== ".");
    const path = parts.join("/");
    if (path === "") return kind === "folder" ? { path } : bad(`the name ${shown} names no file`);
    for (let depth = 1; depth <= parts.length; depth++) {
      const part = parts.slice(0, depth).join("/");
      const last = depth === parts.length;
      const before = kinds.get(part);
      if (last && before !== undefined && (before !== "folder" || kind !== "folder"))
        return bad(`${shown} is in it twice`);
      if (!last && before !== undefined && before !== "folder")
        return bad(`${shown} lies below ${JSON.stringify(part)}, which is not a folder`);
      const twin = folded.get(fold(part));
      if (twin !== undefined && twin !== part)
        return bad(`${JSON.stringify(part)} and ${JSON.stringify(twin)} differ in upper and lower case only`);
      kinds.set(part, last ? kind : "folder");
      folded.set(fold(part), part);
    }
    return { path };
  }

  return { add };
}

function fold(path: string): string {
  return path.normalize("NFC").toLowerCase();
}

/** Returns what is wrong with a name, after "the name x"; null when nothing is. U+FFFD stands for what was no UTF-8. */
function wrongName(name: string): string | null {
  if (name.startsWith("/")) return "is absolute";
  if (name.includes("\uFFFD")) return "is not UTF-8";
  if (name.includes("\\")) return "holds a backslash";
  if (/[\u0000-\u001f\u007f]/.test(name)) return "holds a control character";
  const parts = name.split("/");
  if (parts.includes("..")) return "leads out of the archive";
  if (byteLength(name) > maxLength.path || parts.some((part) => byteLength(part) > maxLength.part))
    return "is too long";
  return null;
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** Returns whether the target of a symbolic link at `path` is named so that it stays below the archive's top. */
export function linkStaysInside(path: string, target: string): boolean {
  if (target === "" || target.startsWith("/") || target.includes("\0") || byteLength(target) > maxLength.path)
    return false;
  let depth = path.split("/").length - 1;
  for (const part of target.split("/")) {
    if (part === "..") depth -= 1;
    else if (part !== "" && part !== ".") depth += 1;
    if (depth < 0) return false;
  }
  return true;
}

/** The folder to take as the batch, "" for the top: a single top folder that holds everything is looked through. */
export function topOf(names: readonly { name: string; folder: boolean }[]): string {
  const [only, ...others] = names.filter(({ name }) => !isMadeByMachine(name));
  return only !== undefined && others.length === 0 && only.folder ? only.name : "";
}

/** Endings of archives that are none of ours, told beside batches: whoever put one there meant it for a batch. */
const foreignEndings =
  String.raw`zip|tar|tar\.gz|tgz|tar\.(xz|bz2|zst|lzma|lz|lz4|lzo|z|br)|txz|tbz2?|tzst|tlz|` +
  "7z|rar|gz|xz|bz2|zst|jar|war|cpio|deb|rpm|iso|cab|arj|ar|lzh";
const foreign = new RegExp(String.raw`\.(${foreignEndings})$`, "i");

/** Returns whether an entry looks like an archive that is not read as a batch, by its ending. */
export function isForeignArchive(entry: string): boolean {
  return foreign.test(entry) && !isArchiveName(entry);
}

export function foreignMessage(entry: string): string {
  return `${entry} is not read as a batch: only .zip, .tar, .tar.gz and .tgz in lower case are`;
}
