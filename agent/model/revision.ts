// Describes what a batch inherits from its groups, as a file of its revision: `_group.yaml` beside batch.yaml,
// covered by the digest.
import { createHash } from "node:crypto";
import type { Folder } from "./batch.ts";
import type { Revision } from "./ids.ts";

/** Name within a revision. A batch's own file of this name is passed over. */
export const inheritedName = "_group.yaml";

/** A revision that was checked for one execution. */
export interface CheckedRevision {
  /** Why it cannot be run; null where it can. */
  fault: string | null;
  /** To be called when the execution has ended; null where nothing is to be taken back. Never rejects. */
  release: (() => Promise<void>) | null;
}

/** Digest of a revision: that of its files, and of what it inherits where that is anything. */
export function combinedDigest(files: string, inherited: string | Uint8Array | null): Revision {
  if (inherited === null) return files as Revision;
  return createHash("sha256").update(`${files}\0`).update(inherited).digest("hex").slice(0, 12) as Revision;
}

/** Returns the folder with what it inherits, as YAML text; null where that is nothing. */
export function withInherited(folder: Folder, text: string | null): Folder {
  if (text === null) return folder;
  return { ...folder, digest: combinedDigest(folder.digest, text), inherited: { filesDigest: folder.digest, text } };
}
