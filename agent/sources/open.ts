// Opens everything that definitions are read from: the folder, or the repository that is followed, and the copies of
// what runs.
import { realpathSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../async/clock.ts";
import type { Logger } from "../logger.ts";
import type { Folder } from "../model/batch.ts";
import type { BatchName } from "../model/ids.ts";
import type { EnsureFolder } from "../platform/folders.ts";
import type { ArchiveLimits } from "./archive/inventory.ts";
import { createUnpacker } from "./archive/unpack.ts";
import { createCommits, noCommits } from "./commit-info.ts";
import { createSource } from "./folder.ts";
import { openRemote } from "./git.ts";
import type { GitSettings } from "./git-repository.ts";
import { createFollower, type Follower } from "./git-follower.ts";
import { createGroupStore } from "./group-store.ts";
import type {
  BatchSource,
  Commits,
  GroupSource,
  GroupStore,
  Remote,
  Revisions,
  SettingsFiles,
  Watch,
  WorkTree,
} from "./port.ts";
import { createRevisionGuard, type RevisionGuard } from "./revision-guard.ts";
import { clearLeftovers } from "./revision-mend.ts";
import { createRevisions } from "./revisions.ts";
import { createSettingsFiles } from "./settings-files.ts";
import { unlimited } from "./tree.ts";
import { createWatch } from "./watch.ts";
import { createWorkTree } from "./worktree.ts";

/** An archive that grew within this time, in ms, is not unpacked yet. */
const archiveQuietMs = 100;

export interface SourcesDeps {
  dataDir: string;
  ensure: EnsureFolder;
  /** The folder of batches; counts for nothing where `git` is given. */
  folder: string;
  git: (Omit<GitSettings, "limits"> & { intervalMs: number }) | null;
  /** Limits of one archive. */
  archiveEntries: number;
  archiveBytes: number;
  /** Looks for changes at intervals instead of watching for them. */
  poll: boolean;
  env: Readonly<Record<string, string | undefined>>;
  clock: Clock;
  log: Logger;
}

export interface Sources {
  remote: Remote | null;
  source: BatchSource & GroupSource;
  groupStore: GroupStore;
  workTree: WorkTree;
  revisions: Revisions;
  settings: SettingsFiles;
  commits: Commits;
  watch: Watch;
  /** Makes the check before each start. `reload`: a batch as it lies in the folder now; null where it cannot be had. */
  createGuard: (reload: (name: BatchName) => Promise<Folder | null>) => RevisionGuard;
  /** Makes the loop that follows the repository; null where none is followed. */
  createFollower: (onSwitched: () => Promise<void>) => Follower | null;
}

export async function openSources(deps: SourcesDeps): Promise<Sources> {
  const { dataDir, ensure, git, env, clock, log } = deps;
  const archiveLimits: ArchiveLimits = { entries: deps.archiveEntries, bytes: deps.archiveBytes };
  const remote = git === null ? null : await openRemote(dataDir, { ...git, limits: archiveLimits }, env, ensure);
  const dir = remote?.folder ?? deps.folder;
  const shownAs = git === null ? {} : { shownAs: git.path || "." };
  await clearLeftovers(dataDir, log);
  const unpack = createUnpacker(join(dataDir, "revisions"), archiveLimits, ensure);
  const storedIn = (home: string) => createSource(home, { limits: unlimited });
  const revisions = createRevisions(dataDir, dir, storedIn, unpack, ensure);
  // The agent's own data as it really lies is no batch.
  const except = realpathSync.native(dataDir);
  const reportGit = (error: string) =>
    log.warn("the commit of the folder cannot be told: git's files cannot be read", { error });
  return {
    remote,
    revisions,
    source: createSource(dir, { unpack, quietMs: archiveQuietMs, except, ...shownAs }),
    groupStore: createGroupStore(dataDir, { clock, log }),
    workTree: remote === null ? createWorkTree(dir, reportGit) : workTreeOf(remote),
    settings: createSettingsFiles(dir, shownAs.shownAs),
    commits: remote === null ? noCommits : createCommits(join(dataDir, "git", "repo.git"), remote.url, env["PATH"]),
    watch: createWatch(dir, { poll: deps.poll, log, except }),
    createGuard: (reload) => createRevisionGuard({ revisions, reload, log }),
    createFollower(onSwitched) {
      if (remote === null || git === null) return null;
      const { ref, intervalMs } = git;
      return createFollower({ clock, log, remote, url: remote.url, ref, intervalMs, random: Math.random, onSwitched });
    },
  };
}

/** A tree that is swapped as a whole is never half written. */
function workTreeOf(remote: Remote): WorkTree {
  return { read: () => Promise.resolve({ commit: remote.commit(), lockedAt: null }) };
}
