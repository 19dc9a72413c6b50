// Notices whether a stored revision is what it was: by the times and inodes of its files, without reading them.
import { chmodSync, lstatSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { yieldToEventLoop } from "../async/yield.ts";
import { isWithin } from "../platform/files.ts";
import { isShellScript } from "./revision-seal.ts";

/**
 * For each file and folder of a revision by its path ("" for the revision itself): what differs once it was touched.
 */
export type Stamps = ReadonlyMap<string, string>;

/** Maximum number of changed paths that are told. */
const maxNamed = 5;

/**
 * Takes the stamps of everything below `folder`; null where there are more than `limit` entries, or something that no
 * copy of ours has.
 */
export async function readStamps(folder: string, limit: number): Promise<Stamps | null> {
  const stamps = new Map<string, string>([["", stampOf(folder)]]);
  const open = [""];
  for (let prefix = open.pop(); prefix !== undefined; prefix = open.pop()) {
    await yieldToEventLoop();
    for (const entry of readdirSync(join(folder, prefix), { withFileTypes: true })) {
      const path = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
      if (stamps.size >= limit || !(entry.isFile() || entry.isDirectory())) return null;
      stamps.set(path, stampOf(join(folder, path)));
      if (entry.isDirectory()) open.push(path);
    }
  }
  return stamps;
}

/**
 * Returns whether everything still bears its stamp. What was added or taken away shows in its folder's. Takes some
 * microseconds an entry.
 */
export async function isAsStamped(folder: string, stamps: Stamps): Promise<boolean> {
  try {
    for (const [path, stamp] of stamps) {
      if (stampOf(join(folder, path)) !== stamp) return false;
      await yieldToEventLoop();
    }
    return true;
  } catch {
    return false; // gone
  }
}

/** Names what differs between two states, the first few of it, for people, and whether a shell script may. */
export function differences(before: Stamps | null, after: Stamps | null): { changed: string; isScript: boolean } {
  if (before === null || after === null) return { changed: "its files", isScript: true };
  const written = [...before].flatMap(([path, stamp]) =>
    isFile(stamp) && isOther(stamp, after.get(path)) ? [path] : [],
  );
  const names = [
    ...[...after].filter(([path]) => path !== "" && !before.has(path)).map(([path]) => `${path} (added)`),
    ...[...before].filter(([path]) => !after.has(path)).map(([path]) => `${path} (deleted)`),
    ...written,
  ];
  const others = names.length > maxNamed ? ` and ${names.length - maxNamed} more` : "";
  const changed = names.length === 0 ? "its files" : names.slice(0, maxNamed).join(", ") + others;
  return { changed, isScript: written.some(isShellScript) };
}

/** Returns the stamps with the change times of now for shell scripts that differ in nothing else: their flags did. */
export function withFlagsOfNow(folder: string, stamps: Stamps): Stamps {
  const timeless = (stamp: string) => stamp.split(" ").toSpliced(changeTimeAt, 1).join(" ");
  return new Map(
    [...stamps].map(([path, stamp]) => {
      const now = isShellScript(path) && isFile(stamp) ? stampOf(join(folder, path)) : stamp;
      return [path, timeless(now) === timeless(stamp) ? now : stamp];
    }),
  );
}

/** Takes back the right to write, where someone gave it. */
export function closeAgain(folder: string, stamps: Stamps): void {
  for (const path of stamps.keys()) {
    const { mode } = lstatSync(join(folder, path));
    if ((mode & 0o222) !== 0) chmodSync(join(folder, path), mode & 0o555);
  }
}

/** Returns whether a process works in `folder`; true where the system does not tell. */
export function isWorkedIn(folder: string): boolean {
  let processes: string[];
  try {
    processes = readdirSync("/proc").filter((entry) => /^\d+$/.test(entry));
  } catch {
    return true;
  }
  return processes.some((id) => {
    try {
      return isWithin(folder, readlinkSync(`/proc/${id}/cwd`));
    } catch {
      return false; // gone, or another user's: no script of ours
    }
  });
}

function stampOf(path: string): string {
  const { size, mtimeNs, ctimeNs, ino, mode } = lstatSync(path, { bigint: true });
  return `${mode} ${size} ${mtimeNs} ${ctimeNs} ${ino}`;
}
/** Where the change time stands in a stamp. */
const changeTimeAt = 3;

const fileType = 0o100000;
const typeBits = 0o170000;
const isFile = (stamp: string) => (Number(stamp.split(" ")[0]) & typeBits) === fileType;
const isOther = (stamp: string, now: string | undefined) => now !== undefined && now !== stamp;
