// Describes what the agent says of itself: what is wrong with its own means, whether it is ready, what is in force.
import type { Edge } from "./definitions/chain-graph.ts";
import type { InForce } from "./definitions/in-force.ts";
import type { BatchStatus } from "./model/batch.ts";
import type { Group, GroupName } from "./model/group.ts";
import type { EpochMs, ExecutionId } from "./model/ids.ts";
import { agentProblem, type Problem } from "./model/problem.ts";
import type { Reconciler } from "./reconcile/reconciler.ts";
import type { Scheduler } from "./schedule/scheduler.ts";
import type { Watch, WatchHealth, GitHealth } from "./sources/port.ts";

const maxNames = 5;

interface OwnMeans {
  /** Why the data folder does not take writes; null when it does. */
  data: { path: string; message: string; hint: string | null } | null;
  /** Why git cannot be followed; null when it can, or is not asked to be. */
  git: { error: string; ambiguous: boolean; unverified: boolean } | null;
  /** True when scripts find bash. */
  bash: boolean;
}

/** Returns what keeps batches from being followed, run or recorded. */
function ownTroubles({ data, git, bash }: OwnMeans): Problem[] {
  return [
    ...(data === null ? [] : [agentProblem("data-folder", data.message, data.hint, data.path)]),
    ...(git === null
      ? []
      : [
          agentProblem(
            git.ambiguous ? "git-ambiguous" : git.unverified ? "git-not-verified" : "git-not-followed",
            git.error,
            git.unverified
              ? "the last good commit stays in force; sign it with one of these keys, or add its key to the file"
              : "the last good commit stays in force; the agent asks again",
          ),
        ]),
    ...(bash
      ? []
      : [
          agentProblem(
            "no-bash",
            "bash is not on the agent's PATH: no script can start",
            "install bash, or set the agent's PATH",
          ),
        ]),
  ];
}

/** Returns what keeps people from hearing of ends. `unsent`: batches that ask for mail where none can be sent. */
function mailTroubles(unsent: readonly string[]): Problem[] {
  if (unsent.length === 0) return [];
  const others = unsent.length > maxNames ? ` and ${unsent.length - maxNames} more` : "";
  const names = unsent.slice(0, maxNames).join(", ") + others;
  return [
    agentProblem(
      "no-mail",
      `the agent has no --smtp-url: no mail is sent for ${names}`,
      "set --smtp-url, or take notify.mail out",
    ),
  ];
}

/** Describes what the HTTP layer may ask of the running agent. */
export interface Catalog {
  /** Every batch there is or whose history is still kept, by name. */
  batches: () => readonly BatchStatus[];
  batch: (name: string) => BatchStatus | undefined;
  /** The coming `count` starts, ISO, nothing for what is not scheduled. */
  next: (name: string, count: number) => string[];
  /** The first of these, had at once; null when there is none. */
  nextDueAt: (name: string) => EpochMs | null;
  /** Names of all groups there are, and the `_group.yaml` in force of those that have one. */
  groups: () => { names: readonly GroupName[]; inForce: ReadonlyMap<GroupName, Group> };
  /** Counts what holds a place of a pool that `group` declares, and what waits in line for one. */
  poolUse: (group: GroupName, name: string) => { running: number; waiting: number };
  /** Returns in words what a queued execution waits for, where its record cannot know. */
  waitingFor: (id: ExecutionId) => string | undefined;
  problems: () => readonly Problem[];
  /**
   * The agent's own: of its data, of git, of its means. `isWhole`: everything has been looked over once, so that what
   * is not a problem now is none.
   */
  agentProblems: () => { problems: readonly Problem[]; isWhole: boolean };
  edges: () => readonly Edge[];
  /** Why the agent is not ready; empty when it is. */
  notReady: () => string[];
  details: () => {
    watch: WatchHealth;
    running: number;
    queued: number;
    batches: number;
    problems: number;
    version: string;
    timeZone: string;
    /**
     * Holds what people must know of the machine's own zone, where batches go by it; null where it is plainly what
     * libc has.
     */
    timeZoneNote: string | null;
    git: GitHealth | null;
    runner: RunnerStatus;
    lease: LeaseStatus | null;
  };
}

/** Describes where scripts run; of the local runner only its kind. */
export interface RunnerStatus {
  kind: "local" | "kubernetes";
  namespace: string | null;
  /** URL of the API server. */
  server: string | null;
  /** True while the API server tells of every change of a pod. */
  watching: boolean | null;
  /** Words of the API server on what it refuses, or why it cannot be asked. */
  problem: string | null;
}

/** Describes who leads, where several agents take turns by a Lease. */
export interface LeaseStatus {
  name: string;
  holder: string | null;
  leading: boolean;
  /** When its holder began to lead, as far as this agent has seen it. */
  since: string | null;
}

export function runnerStatus(kubernetes: Omit<RunnerStatus, "kind"> | null): RunnerStatus {
  if (kubernetes === null) return { kind: "local", namespace: null, server: null, watching: null, problem: null };
  return { kind: "kubernetes", ...kubernetes };
}

export interface StatusDeps {
  version: string;
  timeZone: string;
  timeZoneNote: string | null;
  inForce: InForce;
  scheduler: Pick<Scheduler, "next" | "first">;
  reconciler: Pick<Reconciler, "rootProblem" | "health" | "isFirstPassDone">;
  watch: Pick<Watch, "mode">;
  /** The loop that follows a repository; null where none is followed. */
  follower: { health: () => GitHealth } | null;
  /** Returns true once everything is started. */
  isStarted: () => boolean;
  executor: Pick<Catalog, "poolUse" | "waitingFor"> & { counts: () => { running: number; queued: number } };
  /** The runner of pods; null where scripts run on this machine. */
  cluster: { health: () => Omit<RunnerStatus, "kind"> } | null;
  /** The Lease by which several agents take turns; null where there is but one. */
  lease: { health: () => LeaseStatus } | null;
  hasBash: () => boolean;
  /** Why the data folder does not take writes; null when it does. */
  dataTrouble: () => OwnMeans["data"];
  /** Further problems of no batch: of the record, of revisions. */
  otherProblems: () => readonly Problem[];
  notifications: {
    /** Returns the names of batches that ask for mail where none can be sent. */
    unsentMail: () => readonly string[];
    /** Returns messages that nobody takes, as problems. */
    undelivered: () => readonly { problem: Problem }[];
  };
}

/** Answers what the agent says of itself and of its batches from what is in force now. */
export function createCatalog(deps: StatusDeps): Catalog {
  const { version, timeZone, timeZoneNote, inForce, scheduler, reconciler, watch } = deps;
  const { executor, notifications, follower, cluster, lease } = deps;
  const git = () => follower?.health() ?? null;

  /** True before the first commit of a repository: git's trouble says it better than the missing folder. */
  const isAwaitingCommit = () => {
    const health = git();
    return health !== null && health.commit === null;
  };
  const rootProblem = () => (isAwaitingCommit() ? null : reconciler.rootProblem());
  const ownProblems = () => ownTroubles({ data: deps.dataTrouble(), git: gitTrouble(git()), bash: deps.hasBash() });

  function problems(): Problem[] {
    const root = rootProblem();
    return [
      ...ownProblems(),
      ...mailTroubles(notifications.unsentMail()),
      ...notifications.undelivered().map(({ problem }) => problem),
      ...(root === null ? [] : [root]),
      ...deps.otherProblems(),
      ...inForce.groups.problems(),
      ...inForce.problems(),
    ];
  }

  function agentProblems(): ReturnType<Catalog["agentProblems"]> {
    const root = rootProblem();
    const means = [...ownProblems(), ...mailTroubles(notifications.unsentMail())];
    const problems = [...means, ...(root === null ? [] : [root]), ...deps.otherProblems()];
    return { problems, isWhole: reconciler.health().lastVerifiedAt !== null };
  }

  function notReady(): string[] {
    const root = rootProblem();
    const health = git();
    // What a repository holds is there only after its first commit has been looked over.
    const isFirstPassDone = deps.isStarted() && (health === null || reconciler.isFirstPassDone());
    return [
      ...(isFirstPassDone || isAwaitingCommit() ? [] : ["the first reconcile is not done yet"]),
      ...(root === null ? [] : [root.message]),
      ...(health === null || health.commit !== null ? [] : [awaitedCommit(health)]),
      ...ownProblems().flatMap(({ code, message }) => (code.startsWith("git-") ? [] : [message])),
    ];
  }

  return {
    batches: () => inForce.batches(),
    batch: (name) => inForce.batch(name),
    next: (name, count) => scheduler.next(name, count).map((at) => new Date(at).toISOString()),
    nextDueAt: (name) => scheduler.first(name),
    groups: () => inForce.groupNames(),
    poolUse: executor.poolUse,
    waitingFor: executor.waitingFor,
    problems,
    agentProblems,
    edges: () => inForce.graph().edges,
    notReady,
    details: () => ({
      ...{ version, timeZone, timeZoneNote },
      watch: { mode: watch.mode(), ...reconciler.health() },
      ...executor.counts(),
      batches: inForce.count(),
      problems: problems().length,
      ...{ git: git(), runner: runnerStatus(cluster?.health() ?? null), lease: lease?.health() ?? null },
    }),
  };
}

function gitTrouble(health: GitHealth | null): OwnMeans["git"] {
  if (health === null || health.error === null) return null;
  const { error, ambiguous, unverified } = health;
  return { error, ambiguous, unverified };
}

function awaitedCommit({ url, unverified, error }: GitHealth): string {
  return unverified
    ? `no commit of ${url} could be verified yet: ${error ?? "not asked yet"}`
    : `no commit of ${url} could be fetched yet`;
}
