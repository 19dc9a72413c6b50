// Opens everything that definitions are read from: the folder, or the repository that is followed, and the copies of
// what runs.
import { realpathSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../async/clock.ts";
import type { Logger } from "../logger.ts";
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
  WorkTree,
} from "./port.ts";
import { clearLeftovers, createRevisions } from "./revisions.ts";
import { createSettingsFiles } from "./settings-files.ts";
import { unlimited } from "./tree.ts";
import { createWorkTree } from "./worktree.ts";

/** An archive that grew within this time, in ms, is not unpacked yet. */
const archiveQuietMs = 100;

export interface SourcesDeps {
  dataDir: string;
  ensure: EnsureFolder;
  /** The folder of batches; counts for nothing where `git` is given. */
  folder: string;
  git: (Omit<GitSettings, "limits"> & { intervalMs: number }) | null;
  archiveLimits: ArchiveLimits;
  env: Readonly<Record<string, string | undefined>>;
  clock: Clock;
  log: Logger;
}

export interface Sources {
  /** The folder of batches as it lies there now: with git a link that is swapped. */
  dir: string;
  /** The agent's own data as it really lies: no batch. */
  except: string;
  remote: Remote | null;
  source: BatchSource & GroupSource;
  groupStore: GroupStore;
  workTree: WorkTree;
  revisions: Revisions;
  settings: SettingsFiles;
  commits: Commits;
  /** Makes the loop that follows the repository; null where none is followed. */
  createFollower: (onSwitched: () => Promise<void>) => Follower | null;
}

export async function openSources(deps: SourcesDeps): Promise<Sources> {
  const { dataDir, ensure, git, archiveLimits, env, clock, log } = deps;
  const remote = git === null ? null : await openRemote(dataDir, { ...git, limits: archiveLimits }, env, ensure);
  const dir = remote?.folder ?? deps.folder;
  const shownAs = git === null ? {} : { shownAs: git.path || "." };
  await clearLeftovers(dataDir, log);
  const unpack = createUnpacker(join(dataDir, "revisions"), archiveLimits, ensure);
  const except = realpathSync.native(dataDir);
  const storedIn = (home: string) => createSource(home, { limits: unlimited });
  const reportGit = (error: string) =>
    log.warn("the commit of the folder cannot be told: git's files cannot be read", { error });
  return {
    dir,
    except,
    remote,
    source: createSource(dir, { unpack, quietMs: archiveQuietMs, except, ...shownAs }),
    groupStore: createGroupStore(dataDir),
    workTree: remote === null ? createWorkTree(dir, reportGit) : workTreeOf(remote),
    revisions: createRevisions(dataDir, dir, storedIn, unpack, ensure),
    settings: createSettingsFiles(dir, shownAs.shownAs),
    commits: remote === null ? noCommits : createCommits(join(dataDir, "git", "repo.git"), remote.url, env["PATH"]),
    createFollower(onSwitched) {
      if (remote === null || git === null) return null;
      const { ref, intervalMs } = git;
      return createFollower({ clock, log, remote, url: remote.url, ref, intervalMs, random: Math.random, onSwitched });
    },
  };
}

/** A tree that is swapped as a whole is never half written. */
function workTreeOf(remote: Remote): WorkTree {
  return { look: () => Promise.resolve({ commit: remote.commit(), lockedAt: null }) };
}
