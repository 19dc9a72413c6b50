// Describes where definitions come from: folders, revisions, git and the watch.
import type { Folder } from "../model/batch.ts";
import type { CalendarParts } from "../model/calendar.ts";
import type { GroupFile, GroupName } from "../model/group.ts";
import type { BatchName, EpochMs, Revision } from "../model/ids.ts";
import type { Problem } from "../model/problem.ts";

export { batchNameOf, foreignMessage } from "./archive/inventory.ts";
export { maxSettingsBytesHere, settingsBytes } from "./room.ts";

export type Loaded =
  /** Nothing there, or nothing that is a batch. */
  | { kind: "absent" }
  /** It could not be read: says nothing about what is there. */
  | { kind: "unreadable"; problem: Problem }
  | {
      kind: "found";
      folder: Folder;
      /** When any of its files last changed, by the file system's clock. */
      changedAt: EpochMs;
      /** Names this state of the files without their content; null when it cannot be relied on. */
      signature?: string | null;
    };
/** It is as it was when it bore the signature that was given. */
export interface Unchanged {
  kind: "unchanged";
}
/** Describes where batches come from: today a folder of folders. */
export interface BatchSource {
  /**
   * Lists the names of all entries that may be batches. Throws StoreError when the root cannot be read.
   * @param changed paths below the root that may have changed since the last call; null, or nothing, when anything
   *   may have
   */
  list: (changed?: ReadonlySet<string> | null) => Promise<string[]>;
  /** Archives seen by the last `list` that are of a kind that is not read, such as x.tar.xz or X.ZIP: told as notes. */
  foreign?: () => readonly string[];
  /** Reads one entry whole, unless its files still bear the signature `seen`. Never throws. */
  load: ((name: string) => Promise<Loaded>) & ((name: string, seen: string | null) => Promise<Loaded | Unchanged>);
}
/** Groups of batches below the same root; `BatchSource.list` finds them. */
export interface GroupSource {
  /** Groups found by the last `list`; the top, `""`, is always among them. */
  groups: () => readonly GroupName[];
  /** The ones that hold a `_group.yaml`. */
  groupsWithFile: () => readonly GroupName[];
  /** Names that the last `list` found at other places, or at more or fewer, than the one before. */
  moved: () => readonly string[];
  /** The group that a batch was last found in; `""` where it was not. */
  groupOf: (name: string) => GroupName;
  /** Path of a group's `_group.yaml` as problems show it. */
  groupFileLocation: (name: GroupName) => string;
  /** Reads a `_group.yaml`; null when it is not there. Never throws. */
  readGroupFile: (name: GroupName) => Promise<GroupFile | null | { unreadable: string }>;
  /** Reads a text file that a `_group.yaml` names, in the same folder. Never throws. */
  readBeside: (group: GroupName, file: string) => Promise<{ text: string } | { fault: string }>;
}
/** A `_group.yaml` that was valid, with the files that it names beside it. */
export interface StoredGroup {
  text: string;
  ics: Record<string, { text: string } | { fault: string }>;
}

/** Calendars and pools that batches in force use and no group declares. */
export interface StoredDeclarations {
  calendars: readonly { name: string; parts: CalendarParts }[];
  pools: readonly { group: GroupName; name: string; size: number }[];
}

export interface StoredGroups {
  /** Last valid group files. */
  groups: ReadonlyMap<GroupName, StoredGroup>;
  kept: StoredDeclarations;
}

/** What is in force of groups over restarts. */
export interface GroupStore {
  /** Returns what was last written; nothing where there is none. Throws StoreError where it cannot be read just now. */
  read: () => Promise<StoredGroups>;
  /** Durable when it resolves. Throws the file system's errors. */
  write: (stored: StoredGroups) => Promise<void>;
}

/** Describes what is known of the git work tree that the folder of batches lies in. */
export interface WorkTreeState {
  /** Its HEAD, 40 hex; null outside of a work tree and before the first commit. */
  commit: string | null;
  /** Since when git holds its index locked, as it does while it rewrites the files; null when it does not. */
  lockedAt: EpochMs | null;
}
export interface WorkTree {
  /** Never throws. */
  read: () => Promise<WorkTreeState>;
}
/** Outcome of a check of a stored revision; `changed` names what had been changed, for people. */
export type Verified =
  { kind: "intact" } | { kind: "restored"; changed: string } | { kind: "damaged"; changed: string };

/** Immutable copies of batch folders by digest. */
export interface Revisions {
  /**
   * Keeps the batch's files as `folder` says they are; false when they must be read again and are no longer so.
   * Throws StoreError.
   */
  store: (folder: Folder) => Promise<boolean>;
  /**
   * Checks that a stored revision is what it was, at the cost of a `stat` a file where it is. What was changed is put
   * right from the folder that `reload` gives, where that is still of the revision. Throws StoreError.
   */
  verify: (revision: Revision, reload: () => Promise<Folder | null>) => Promise<Verified>;
  /**
   * Seals a revision for an execution, if an earlier one has changed its shell scripts: nobody can while it runs, root
   * included. Returns what ends that; null where there is no need, or the system cannot. Never rejects.
   */
  seal: (revision: Revision) => Promise<(() => Promise<void>) | null>;
  /** A stored revision as a folder, for the batch `name`; null when it is not there. */
  load: (revision: Revision, name: BatchName) => Promise<Folder | null>;
  path: (revision: Revision) => string;
  /** Every file of a stored revision, by path; null when it is not there. */
  files: (revision: Revision) => Promise<RevisionFile[] | null>;
  /** Deletes every revision that is not in `inUse`, asked anew before each one goes; how many went. */
  collect: (inUse: () => ReadonlySet<Revision>) => Promise<number>;
}
// Whatever the loops and the HTTP layer need of the world, as types only. The adapters in io/ implement them.

export interface RevisionFile {
  /** Relative to the batch's folder, with `/`. */
  path: string;
  size: number;
  executable: boolean;
  /** All its bytes. */
  read: () => Promise<Uint8Array>;
  /** SHA-256 of its bytes, in hex. */
  digest: () => Promise<string>;
}
/** Outcome of taking a commit over; `refused`: why it was not put in force. */
export interface Checkout {
  commit: string;
  refused: string | null;
  /** True when it was refused for want of a verified signature, which other keys may mend. */
  unverified?: boolean;
}
/** A repository that is followed, in the data folder. */
export interface Remote {
  /** The folder of batches in the commit that is in force: a link that is swapped; it is not there before the first. */
  readonly folder: string;
  /** Its address as it may be shown, without credentials. */
  readonly url: string;
  /** The commit that is in force; null before the first. */
  commit: () => string | null;
  /**
   * Returns what the ref names now: its full name and its commit. Throws StoreError, which holds no credentials; its
   * cause may be AmbiguousRef.
   */
  ask: () => Promise<{ name: string; commit: string }>;
  /**
   * Fetches a ref and puts its commit in force, whole or not at all; `refused` says why it cannot be. Throws
   * StoreError.
   */
  checkout: (ref: { name: string; commit: string }) => Promise<Checkout>;
  /** Deletes all trees but the one in force. */
  tidy: () => Promise<void>;
  /** Ends what git is doing. */
  close: () => void;
}
/** Describes what git knows of a commit. */
export interface CommitInfo {
  subject: string;
  author: string;
  /** ISO 8601, UTC. */
  at: string;
  /** Page of the commit, where the remote is of a kind whose pages are known. */
  url: string | null;
}
/** Commits of the repository that is followed. */
export interface Commits {
  /** Returns what is at hand: null for a commit that git does not know, undefined for one it was not asked for. */
  known: (commit: string | null) => CommitInfo | null | undefined;
  /** Asks git where it must; null for what it does not know. Does not reject. */
  info: (commit: string | null) => Promise<CommitInfo | null>;
}
export interface GitHealth {
  url: string;
  ref: string | null;
  commit: string | null;
  /** When the remote was last asked with success. */
  lastFetchedAt: string | null;
  error: string | null;
  /** True when `error` is that the ref names both a branch and a tag. */
  ambiguous: boolean;
  /** True when `error` is that the commit's signature cannot be verified (--git-verify). */
  unverified: boolean;
}
export interface WatchHealth {
  mode: "inotify" | "poll";
  lastVerifiedAt: string | null;
  missedEvents: number;
}
export interface WatchListener {
  /** Called for one entry, by its path below the root; with null when anything may have changed. */
  onDirty: (path: string | null) => void;
  /** Called when watching has failed: whoever listens then has to look often. */
  onDegraded?: () => void;
}
/** Hints that entries may have changed. */
export interface Watch {
  /** Watches from when it resolves on. Call once. */
  start: (listener: WatchListener) => Promise<void>;
  /** Checks that it still watches the folder that is there now. */
  verify: () => Promise<void>;
  close: () => Promise<void>;
  mode: () => "inotify" | "poll";
}
/** Settings files as they lie in the folder of batches now. */
export interface SettingsFiles {
  /**
   * Text of `file`, named as problems of `batch` name it; null when it is none of its settings files or cannot be
   * read.
   */
  read: (batch: string, file: string) => Promise<string | null>;
}
export const unsettledHint = "something writes there all the time: a batch's own data belongs into $BATCH_STATE_DIR";
