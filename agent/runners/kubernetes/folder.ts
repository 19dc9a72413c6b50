// Files of one execution that its agent makes before its pod is asked for, and those that the wrapper leaves. The rest
// of the folder is as on one machine: see runners/local/execution-folder.ts.
import {
  closeSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { EpochMs } from "../../model/ids.ts";
import { errorCode, openFileSync, readPart, readPlainBytes } from "../../platform/files.ts";
import type { EnsureFolder } from "../../platform/folders.ts";
import type { PodManifest } from "./api.ts";

/** Who pods run as; null where that is the agent's own user, so that nothing must be given away. */
export interface Owner {
  uid: number;
  gid: number;
}

/** Everything that the wrapper writes is shorter. */
const maxBytes = 1_024;
const maxManifestBytes = 3 * 1024 * 1024;

export interface Claim {
  at: EpochMs;
  node: string | null;
}

/** Stands for the pod in a claim that the agent made, so that none can start the script any more. */
const agentsOwn = "agent";

/**
 * Makes the folder of an execution: logs, an empty `exit`, the environment and the manifest. Nothing that is there is
 * written to: a second start must not empty the first one's log. The environment and the manifest are there as a whole
 * or not at all, whenever the agent dies and whatever the disk has room for. Throws the file system's errors.
 */
export function prepareFolder(
  folder: string,
  files: { environment: string; manifest: string },
  owner: Owner | null,
): void {
  mkdirSync(folder, { recursive: true });
  for (const name of ["stdout.log", "stderr.log", "exit"]) writeNew(join(folder, name), "", owner);
  writeWhole(join(folder, "env"), files.environment, owner);
  give(folder, owner);
  // Last, and the agent's own: from here on the pod may have been asked for.
  writeWhole(join(folder, "pod.json"), files.manifest, null);
}

/** Makes a batch's folder that its scripts write into, and the one of its executions. */
export function prepareState(path: string, owner: Owner | null, ensure: EnsureFolder): void {
  for (const folder of [path, join(dirname(path), "executions")]) ensure(folder);
  give(path, owner);
}

/** Gives a revision to the user of the pods, once. Its modes stay, and it is mounted read-only. */
export function giveTree(path: string, owner: Owner | null): void {
  if (owner === null || lstatSync(path).uid === owner.uid) return;
  const below = readdirSync(path, { recursive: true, encoding: "utf8" });
  for (const entry of below) lchownSync(join(path, entry), owner.uid, owner.gid);
  lchownSync(path, owner.uid, owner.gid);
}

/** Returns the manifest that was kept; null where the pod was never asked for, or may be asked for anew. */
export function readManifest(folder: string): PodManifest | null {
  try {
    return JSON.parse(
      readPlainBytes(join(folder, "pod.json"), maxManifestBytes, "refuse").toString("utf8"),
    ) as PodManifest;
  } catch {
    return null;
  }
}

/** Returns the pod that has the execution; null while none has. */
export function readClaim(folder: string, now: EpochMs): Claim | null {
  const text = readShort(folder, "claim");
  if (text === null) return isReplaced(folder, "claim") ? { at: now, node: null } : null;
  const [at = "", node = "-", pod] = text.trim().split(" ");
  if (pod === agentsOwn) return null;
  // Half written, or by a node without a clock that can be read: it is claimed all the same.
  return { at: timeOf(at) ?? now, node: node === "-" || node === "" ? null : node };
}

/**
 * Claims an execution that is given up, so that no pod of it, however late, starts its script. Returns whether it is
 * certain now that none ever will; false where a pod was faster, or where that cannot be told just now.
 */
export function claimForAgent(folder: string, now: EpochMs): boolean {
  // Written whole beside it: on a full disk an empty claim would count as some pod's.
  const own = join(folder, "claim.agent");
  try {
    rmSync(own, { recursive: true, force: true });
    writeFileSync(own, `${Math.floor(now / 1_000)} - ${agentsOwn}\n`, { flag: "wx", mode: 0o600 });
    linkSync(own, join(folder, "claim"));
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return readShort(folder, "claim")?.trim().endsWith(` ${agentsOwn}`) === true;
    // A folder that is gone holds no environment to start with either; one that only takes nothing just now does.
    return absent.includes(errorCode(error));
  } finally {
    try {
      unlinkSync(own);
    } catch {
      // it was never made, or its disk is gone
    }
  }
}

/** Says of a path that nothing lies there that could be read. */
const absent = ["ENOENT", "ENOTDIR", "ELOOP", "ENOTFILE"];

/**
 * Returns whether what is not found in the folder is not there; false while that cannot be told, as of a volume that is
 * away. Scripts are the pods' user: one may take away the rights to its own file, not those to the folders above.
 */
export function isReadable(folder: string): boolean {
  let denied = absent;
  try {
    lstatSync(folder);
    denied = [...absent, "EACCES", "EPERM"];
    readPart(join(folder, "exit"), 0, 1);
    return true;
  } catch (error) {
    return denied.includes(errorCode(error));
  }
}

/** Returns how many containers came second to the claim. */
export function countSeconds(folder: string): number {
  return (
    readShort(folder, "second")
      ?.split("\n")
      .filter((line) => line !== "").length ?? 0
  );
}

/** Returns whether a SIGTERM has reached the wrapper. */
export function isTold(folder: string): boolean {
  return readShort(folder, "told") !== null;
}

/** Returns when the script ended, by its node's clock. */
export function readEndedAt(folder: string): EpochMs | null {
  const text = readShort(folder, "ended");
  return text === null ? null : timeOf(text.trim());
}

/** Deletes the environment of one that will not read it any more, and the manifest. */
export function clearFolder(folder: string): void {
  for (const name of ["env", "env.new", "pod.json", "pod.json.new"]) {
    try {
      unlinkSync(join(folder, name));
    } catch {
      // it is gone already, or its disk is: it holds what the record's owner may read
    }
  }
}

function writeNew(path: string, text: string, owner: Owner | null): void {
  try {
    writeFileSync(path, text, { flag: "wx", mode: 0o600 });
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
    return;
  }
  give(path, owner);
}

/** Puts a file in the place of whatever lies there, written beside it first. */
function writeWhole(path: string, text: string, owner: Owner | null): void {
  const beside = `${path}.new`;
  rmSync(beside, { recursive: true, force: true });
  try {
    writeFileSync(beside, text, { flag: "wx", mode: 0o600 });
    give(beside, owner);
    if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true) rmSync(path, { recursive: true });
    renameSync(beside, path);
  } catch (error) {
    rmSync(beside, { recursive: true, force: true });
    throw error;
  }
}

function give(path: string, owner: Owner | null): void {
  if (owner !== null) lchownSync(path, owner.uid, owner.gid);
}

function readShort(folder: string, name: string): string | null {
  try {
    return readPart(join(folder, name), 0, maxBytes).toString("latin1");
  } catch {
    return null;
  }
}

/** Returns whether a script has put something else in a file's place: there was one then. */
function isReplaced(folder: string, name: string): boolean {
  try {
    lstatSync(folder);
  } catch {
    return false; // no script's doing: the volume is away
  }
  try {
    closeSync(openFileSync(join(folder, name), "refuse"));
    return false;
  } catch (error) {
    return ["ENOTFILE", "EACCES", "EPERM"].includes(errorCode(error));
  }
}

/** Seconds since 1970 as bash writes them, with the decimal sign of its locale. */
function timeOf(text: string): EpochMs | null {
  const seconds = Number(text.replace(",", "."));
  return /^\d{9,11}([.,]\d{1,6})?$/.test(text) ? Math.round(seconds * 1_000) : null;
}
