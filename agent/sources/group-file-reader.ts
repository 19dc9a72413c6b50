// Reads the groups' own files: `_group.yaml` and what it names beside itself.
import { realpath } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../errors.ts";
import { groupFileName, type GroupFile, type GroupName } from "../model/group.ts";
import { errorCode, isWithin, readBounded } from "../platform/files.ts";

const maxGroupFileBytes = 256 * 1024;
/** Maximum size of a file that a `_group.yaml` names, such as an iCalendar file. */
const maxBesideBytes = 1024 * 1024;

/** Reads the `_group.yaml` of a group; null when it is not there. Rejects where the root is gone. */
export async function readGroupFile(
  root: string,
  name: GroupName,
  location: string,
): Promise<GroupFile | null | { unreadable: string }> {
  try {
    const real = await realpath(join(root, name, groupFileName));
    if (!isWithin(root, real)) return { unreadable: "it is a symbolic link that leaves the watched folder" };
    const { bytes, size, changedMs } = await readBounded(real, maxGroupFileBytes, "refuse");
    return { name, location, bytes, size, changedAt: changedMs };
  } catch (error) {
    if (errorCode(error) === "ENOENT") return null;
    return { unreadable: messageOf(error) };
  }
}

/** Reads a text file that a `_group.yaml` names, in the same folder. Never rejects. */
export async function readBeside(
  root: string,
  group: GroupName,
  file: string,
): Promise<{ text: string } | { fault: string }> {
  try {
    const real = await realpath(join(root, group, file));
    if (!isWithin(root, real)) return { fault: "it is a link that leaves the watched folder" };
    const { bytes, size } = await readBounded(real, maxBesideBytes, "refuse");
    if (size > maxBesideBytes) return { fault: `it has ${size} bytes, more than ${maxBesideBytes}` };
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch (error) {
    if (errorCode(error) === "ENOENT") return { fault: "there is no such file beside _group.yaml" };
    return { fault: error instanceof TypeError ? "it is not UTF-8" : messageOf(error) };
  }
}
