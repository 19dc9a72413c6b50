// Keeps what is in force equal to the folder of batches: looks at names that may have changed, settles, plans, applies.
import { messageOf } from "../errors.ts";
import type { Clock } from "../async/clock.ts";
import type { AllowList } from "../definitions/allowed.ts";
import { parseBatch } from "../definitions/batch.ts";
import { stateOf, type Graph } from "../definitions/chain-graph.ts";
import { createGroups, groupSettleMs, isAffected } from "../definitions/group-files.ts";
import { createChains } from "../definitions/in-force.ts";
import { groupProblemName, readInherited } from "../definitions/group.ts";
import type { Recorder } from "../history/port.ts";
import type { Logger } from "../logger.ts";
import type { Batch, BatchStatus, Folder } from "../model/batch.ts";
import type { Group, GroupName } from "../model/group.ts";
import type { Revision, BatchName } from "../model/ids.ts";
import type { Problem, ProblemCode } from "../model/problem.ts";
import { batchNameOf, foreignMessage } from "../sources/archive/inventory.ts";
import {
  unsettledHint,
  type WatchHealth,
  type Revisions,
  type WorkTree,
  type BatchSource,
  type GroupSource,
  type GroupStore,
  type Unchanged,
  type Loaded,
} from "../sources/port.ts";
import { withInherited } from "../model/revision.ts";
import { isSettled, planReconcile, settleTime, type Action, type Desired, type InForce } from "./plan.ts";

const debounceMs = 100;
const settleMs = 100;
/** Holds what must be read again, or unpacked, holds files open. */
const parallelLoads = 8;
/** Holds what is at hand is written out by so many that their files wait for the disk together. */
const parallelWrites = 10_000;
/** After so many looks that each saw something else it is a problem, and looked at less often. */
const unsettledAfter = 50;
const restlessMs = 5_000;
/**
 * A lock of git's that is older than this was left behind, or guards an editor: it is not waited for. Neither is one
 * that
 * is made or touched again and again, once it has been waited for so long.
 */
const gitPatienceMs = 20_000;
/** Time from a failed pass to the next one. */
const retryMs = 1_000;
/** An archive is given so long to be copied. */
const copyMs = 10 * 60_000;

interface Entry {
  name: string;
  batch: Batch | null;
  revision: Revision | null;
  commit: string | null;
  problems: readonly Problem[];
  /** Names the content that was last judged, with the group and what that passed on. */
  judged: string | null;
  /** The revision that it would be; null where it is not valid. */
  judgedRevision: Revision | null;
  /** Signature of its files then; null to read them anew. */
  signature: string | null;
  /** A look that is not settled yet. */
  waiting: { digest: string; at: number; looks: number; since: number } | null;
}

export interface Reconciler {
  /** Says that one entry, by its path below the root, or with null any of them, may have changed. */
  dirty: (path: string | null) => void;
  /** Looks over everything now; resolves when that is done. */
  resync: () => Promise<void>;
  /**
   * Looks over everything soon if git has another commit than at the last such look: what it holds may be there
   * already.
   */
  checkHead: () => Promise<void>;
  entries: () => readonly BatchStatus[];
  entry: (name: string) => BatchStatus | undefined;
  /**
   * The folder of a batch as it lies there now, with what it inherits; null where it cannot be read or has problems.
   */
  read: (name: BatchName) => Promise<Folder | null>;
  /** Problems of the groups' own files. */
  groupProblems: () => readonly Problem[];
  /** Returns what is in force of groups, and the names of all there are. */
  groups: () => { names: readonly GroupName[]; inForce: ReadonlyMap<GroupName, Group> };
  /** Returns where the pool that a batch of `group` names is declared, and its size; undefined where it is not. */
  pool: (group: GroupName, name: string) => { group: GroupName; size: number } | undefined;
  /** Why the folder is not followed: it cannot be read, or the last pass failed. null when it is. */
  rootProblem: () => Problem | null;
  /** All chains, as they stand. */
  graph: () => Graph;
  /** Revisions that are being put in force and may not stand in the record yet. */
  applying: () => ReadonlySet<Revision>;
  health: () => Omit<WatchHealth, "mode">;
  stop: () => Promise<void>;
}

export interface ReconcilerDeps {
  source: BatchSource & GroupSource;
  groupStore: GroupStore;
  workTree: WorkTree;
  revisions: Revisions;
  recorder: Recorder;
  clock: Clock;
  log: Logger;
  timeZone: string;
  /** What batches may name of a cluster; missing where scripts run on this machine. */
  kubernetes?: AllowList | null;
  /** Called after what is in force for a batch has changed; null: it is gone, or has no sound place in its chain. */
  onApplied: (name: BatchName, batch: Batch | null) => void;
  /** Called after each pass: how long it took and whether it failed. */
  onPass?: (ms: number, failed: boolean) => void;
  /** Called after what is known of a batch (its state, its problems, what blocks it) may have changed. */
  onStatus: (name: string) => void;
  /**
   * Returns whether the folder is still to come, as before the first fetch of a repository: that it is not there is
   * no error then.
   */
  isAwaited?: () => boolean;
  /** Returns whether events are expected to tell of every change. */
  watching: () => boolean;
}

export function createReconciler(deps: ReconcilerDeps): Reconciler {
  const { source, revisions, recorder, clock, log } = deps;
  const parsedBy = { timeZone: deps.timeZone, kubernetes: deps.kubernetes ?? null };
  const entries = new Map<string, Entry>();
  const dirtyNames = new Set<string>();
  /** The same as paths below the root: what must be listed again, and the groups whose files may have changed. */
  const dirtyPaths = new Set<string>();
  const groups = createGroups({
    source,
    store: deps.groupStore,
    clock,
    log,
    timeZone: deps.timeZone,
    settleMs: groupSettleMs,
    onProblems: () => deps.onStatus(""),
  });
  let groupsOpened = false;
  let dirtyAll = false;
  let root: Problem | null = null;
  /** Why the last pass failed, until one succeeds. */
  let failure: Problem | null = null;
  let running: Promise<void> | null = null;
  let timer: { at: number; cancel: () => void } | null = null;
  let stopped = false;
  let lastVerifiedAt: string | null = null;
  let missedEvents = 0;
  /**
   * Changes that a resync found before any event told of them; one that still has none by the next resync was missed.
   */
  const suspects = new Set<string>();
  const applying = new Set<Revision>();
  /** Archives of kinds that are not read, each told once. */
  const saidForeign = new Set<string>();
  const chains = createChains({
    recorder,
    clock,
    entries,
    onStatus: deps.onStatus,
    onApplied: deps.onApplied,
    onProblem: tell,
  });
  /** HEAD at the last look over everything. */
  let lastHead: string | null = null;
  /** Since when git's lock has been seen at every look; null while there is none. */
  let lockedSince: number | null = null;

  function dirty(path: string | null): void {
    if (path === null) {
      dirtyAll = true;
      suspects.clear();
    } else {
      dirtyPaths.add(path);
      const entry = path.slice(path.lastIndexOf("/") + 1);
      // x.zip is the batch x, or a folder of that name.
      for (const candidate of [entry, batchNameOf(entry)]) {
        dirtyNames.add(candidate);
        suspects.delete(candidate);
      }
    }
    schedule(waitMs());
  }

  /**
   * How long the next look can wait: what writes all the time does not hold up the others, nor is it looked at all
   * the time.
   */
  function waitMs(): number {
    const restless = (name: string) => (entries.get(name)?.waiting?.looks ?? 0) > unsettledAfter;
    return !dirtyAll && [...dirtyNames].every(restless) ? restlessMs : debounceMs;
  }

  /** The nearest of what was asked for counts. */
  function schedule(ms: number): void {
    const at = performance.now() + ms;
    if (stopped || running !== null || (timer !== null && timer.at <= at)) return;
    timer?.cancel();
    const cancel = clock.after(ms, () => {
      timer = null;
      void flight();
    });
    timer = { at, cancel };
  }

  /** Single flight: what becomes dirty meanwhile is looked at right after. */
  function flight(): Promise<void> {
    const began = performance.now();
    running ??= pass()
      .then(
        () => {
          if (failure !== null) log.info("reconcile succeeds again");
          failure = null;
        },
        (error: unknown) => {
          const message = `reconcile failed: ${messageOf(error)}`;
          if (failure?.message !== message) log.error("reconcile failed", { error: message });
          failure = ownProblem("reconcile-failed", message, "what was in force stays in force; the agent tries again");
        },
      )
      .finally(() => {
        deps.onPass?.(performance.now() - began, failure !== null || root !== null);
        running = null;
        if (failure !== null) {
          // A failed pass is not a done one: everything is looked at again.
          for (const entry of entries.values()) entry.judged = null;
          dirtyAll = true;
          schedule(retryMs);
        } else if (dirtyAll || dirtyNames.size > 0) schedule(waitMs());
        else if ([...entries.values()].some((entry) => entry.waiting !== null)) lookAgain();
      });
    return running;
  }

  function lookAgain(): void {
    for (const entry of entries.values()) if (entry.waiting !== null) dirtyNames.add(entry.name);
    const restless = [...entries.values()].every((entry) => (entry.waiting?.looks ?? Infinity) > unsettledAfter);
    schedule(restless ? restlessMs : settleMs + 10);
  }

  async function resync(): Promise<void> {
    if (running !== null) await running;
    timer?.cancel();
    timer = null;
    dirtyAll = true;
    await flight();
    // A first look at something that is being written settles a moment later.
    for (let i = 0; i < 5 && !stopped && [...entries.values()].some((entry) => entry.waiting !== null); i++) {
      await new Promise<void>((done) => void clock.after(settleMs + 10, done));
      if (running !== null) await running;
    }
  }

  /** HEAD, once git has done with the work tree: what a checkout has half written is not looked at. */
  async function settledHead(): Promise<string | null> {
    for (;;) {
      const { commit, lockedAt } = await deps.workTree.look();
      const now = clock.now();
      if (lockedAt === null) {
        lockedSince = null;
        return commit;
      }
      lockedSince ??= now;
      if (stopped || Math.abs(now - lockedAt) > gitPatienceMs || Math.abs(now - lockedSince) > gitPatienceMs)
        return commit;
      await new Promise<void>((done) => void clock.after(settleMs, done));
    }
  }

  async function pass(): Promise<void> {
    const head = await settledHead();
    const all = dirtyAll || head !== lastHead; // a checkout touches more files at once than events are sure to tell of
    lastHead = head;
    const hinted = new Set(dirtyNames);
    const paths = all ? null : new Set(dirtyPaths);
    dirtyAll = false;
    dirtyNames.clear();
    dirtyPaths.clear();

    const listed = await list(paths);
    if (listed === null) return;
    const regrouped = await readGroups(paths);
    for (const name of listed) if (isAffected(source.groupOf(name), regrouped)) hinted.add(name);
    if (all) {
      missedEvents += suspects.size;
      suspects.clear();
    }
    const present = new Set(listed);
    const known = new Set([...entries.keys(), ...recorder.names()].filter((name) => !isGone(name)));
    const told = [...hinted].filter((name) => present.has(name) || known.has(name));
    const names = new Set(
      all
        ? [...present, ...known]
        : [...told, ...listed.filter((name) => !entries.has(name)), ...[...known].filter((name) => !present.has(name))],
    );

    const desired: Desired[] = [];
    for (const name of names) {
      // Whatever an event names is read whatever its signature says.
      const entry = entries.get(name);
      const seen = hinted.has(name) || entry?.judged == null ? null : entry.signature;
      const look = await judge(name, await source.load(name, seen), head);
      if (look !== null) desired.push(look);
      const news = look === null ? entries.get(name)?.waiting?.looks === 1 : look.kind !== "unreadable";
      if (all && news && !hinted.has(name) && lastVerifiedAt !== null && deps.watching()) suspects.add(name);
    }
    if (desired.length > 0 && (await deps.workTree.look()).commit !== head) {
      // Another commit came meanwhile, and what was read may be of either.
      for (const name of names) forgetLook(name);
      dirtyAll ||= all;
      return;
    }
    const actions = planReconcile(desired, current(desired), clock.now());
    const atHand = (action: Action) => action.kind === "apply" && action.folder.files !== undefined;
    const carryOut = (action: Action) => apply(action, head);
    const removals = actions.filter(({ kind }) => kind === "remove");
    const others = actions.filter(({ kind }) => kind !== "remove");
    await Promise.all([
      eachLimited(others.filter(atHand), parallelWrites, carryOut),
      eachLimited(
        others.filter((action) => !atHand(action)),
        parallelLoads,
        carryOut,
      ),
    ]);
    // In one breath: nothing is told as removed and still scheduled.
    const written = removals.map(carryOut);
    chains.connect();
    await Promise.all(written);
    if (!all) return;
    if (lastVerifiedAt === null)
      log.info("folder read", {
        entries: present.size,
        problems: [...entries.keys()].reduce((sum, name) => sum + (status(name)?.problems.length ?? 0), 0),
      });
    lastVerifiedAt = new Date(clock.now()).toISOString();
  }

  async function checkHead(): Promise<void> {
    if (running === null && !dirtyAll && (await deps.workTree.look()).commit !== lastHead) dirty(null);
  }

  function forgetLook(name: string): void {
    const entry = entries.get(name);
    if (entry !== undefined) entry.judged = null;
    dirtyNames.add(name);
  }

  /** Returns the groups that now pass on something else than before. */
  async function readGroups(paths: ReadonlySet<string> | null): Promise<ReadonlySet<GroupName>> {
    if (!groupsOpened) await groups.open();
    const all = paths === null || !groupsOpened;
    groupsOpened = true;
    const { changed, again } = await groups.refresh(all ? null : new Set([...paths].map(groupOfPath)));
    if (again) clock.after(groupSettleMs + 10, () => dirty(null));
    return changed;
  }

  async function list(paths: ReadonlySet<string> | null): Promise<string[] | null> {
    try {
      const names = await source.list(paths);
      for (const entry of source.foreign?.() ?? []) {
        if (!saidForeign.has(entry)) log.info(`note: ${foreignMessage(entry)}`, { entry });
        saidForeign.add(entry);
      }
      if (root !== null) log.info("the folder of batches is there");
      root = null;
      return names;
    } catch (error) {
      const message = messageOf(error);
      const told = deps.isAwaited?.() === true ? "debug" : "error";
      if (root === null) log[told]("the folder of batches cannot be read; what is in force stays", { error: message });
      const hint = "nothing is unscheduled because of this; the agent tries again at every resync";
      root = ownProblem("unreadable", message, hint);
      if (!groupsOpened) await groups.open();
      groupsOpened = true;
      await eachLimited(recorder.names(), parallelLoads, hydrate);
      chains.connect();
      return null;
    }
  }

  /** A settled look at something new, or null when there is nothing to do about it. */
  async function judge(name: string, loaded: Loaded | Unchanged, head: string | null): Promise<Desired | null> {
    const known = entries.get(name);
    if (loaded.kind === "unchanged") {
      if (known === undefined) return null;
      known.waiting = null;
      tellHead(known, head);
      return null;
    }
    if (loaded.kind === "unreadable") {
      await hydrate(name);
      if (known !== undefined) known.judged = null; // once it can be read again it is judged anew
      return { name, kind: "unreadable", problem: loaded.problem };
    }
    const now = clock.now();
    const look =
      loaded.kind === "absent"
        ? { digest: "absent", changedAt: now }
        : { digest: loaded.folder.digest, changedAt: loaded.changedAt };
    const signature = loaded.kind === "found" ? (loaded.signature ?? null) : null;
    const group = loaded.kind === "found" ? loaded.folder.group : "";
    const judged = `${look.digest} ${group} ${groups.key(group)}`;
    if (known?.judged === judged) {
      known.waiting = null;
      known.signature = signature;
      tellHead(known, head);
      return null;
    }
    if (loaded.kind === "absent" && isGone(name)) return null;
    const entry = known ?? open(name);
    const settle = settleTime(loaded.kind === "found" ? loaded.folder : null);
    if (!isSettled(look, entry.waiting, settle, now)) {
      const looks = (entry.waiting?.looks ?? 0) + 1;
      const same = entry.waiting?.digest === look.digest;
      const since = entry.waiting?.since ?? now;
      entry.waiting = { digest: look.digest, at: same ? (entry.waiting?.at ?? now) : now, looks, since };
      if (settle > settleMs ? now - since < copyMs : looks !== unsettledAfter) return null;
      await hydrate(name);
      entry.judged = null;
      return { name, kind: "unreadable", problem: unsettled(loaded.kind === "found" ? loaded.folder.entry : name) };
    }
    entry.waiting = null;
    entry.judged = judged;
    entry.judgedRevision = null;
    entry.signature = signature;
    if (loaded.kind === "absent") return { name, kind: "absent" };
    const parsed = parse(loaded.folder);
    const blocking = parsed.batch === null || !isNew(name) ? null : groups.blockedBy(group);
    if (parsed.batch !== null && blocking === null) {
      entry.judgedRevision = parsed.folder.digest;
      return { name, kind: "valid", folder: parsed.folder, batch: parsed.batch };
    }
    await hydrate(name);
    const problems = blocking === null ? parsed.problems : [groupInvalid(loaded.folder, blocking)];
    return { name, kind: "invalid", digest: loaded.folder.digest, problems };
  }

  /** Judges a folder with what it inherits. */
  function parse(folder: Folder): { batch: Batch | null; problems: readonly Problem[]; folder: Folder } {
    const inheritance = groups.inheritance(folder.group);
    const parsed = parseBatch(folder, { ...parsedBy, inheritance, now: clock.now() });
    return { ...parsed, folder: withInherited(folder, parsed.inherits) };
  }

  /** True for a batch of which nothing was ever in force. */
  function isNew(name: string): boolean {
    return entries.get(name)?.batch == null && recorder.head(name)?.revision == null;
  }

  /** Returns what is in force was looked at, at another commit than before. */
  function tellHead(entry: Entry, head: string | null): void {
    if (entry.revision !== entry.judgedRevision || entry.commit === head) return;
    entry.commit = head;
    deps.onStatus(entry.name);
  }

  function open(name: string): Entry {
    const document = recorder.head(name);
    const commit = document?.commit ?? null;
    const entry: Entry = {
      name,
      batch: null,
      revision: null,
      commit,
      problems: [],
      judged: null,
      judgedRevision: null,
      signature: null,
      waiting: null,
    };
    entries.set(name, entry);
    return entry;
  }

  function isGone(name: string): boolean {
    return !entries.has(name) && recorder.head(name)?.removedAt !== null;
  }

  /** Brings back the last valid revision of an entry that cannot be had from the folder just now. */
  async function hydrate(name: string): Promise<void> {
    const document = recorder.head(name);
    if (isGone(name)) return;
    const entry = entries.get(name) ?? open(name);
    if (entry.batch !== null || !document?.revision || document.removedAt !== null) return;
    const folder = await revisions.load(document.revision, document.name);
    const batch = folder === null ? null : parseStored({ ...folder, group: source.groupOf(name) });
    if (batch === null) {
      log.warn("the last valid revision is gone", { batch: name, revision: document.revision });
      return;
    }
    entry.batch = batch;
    entry.revision = document.revision;
    chains.touch(name);
  }

  /** Judges a stored revision with the defaults that it inherited then, and the calendars and pools of today. */
  function parseStored(folder: Folder): Batch | null {
    const inheritance = groups.inheritance(folder.group);
    const own = folder.inherited === undefined ? {} : readInherited(folder.inherited.text);
    const kept = {
      ...inheritance,
      defaults: own,
      origins: Object.fromEntries(Object.keys(own).map((key) => [key, folder.group])),
    };
    return parseBatch(folder, { ...parsedBy, inheritance: kept }).batch;
  }

  function current(desired: readonly Desired[]): Map<string, InForce> {
    return new Map(
      desired.flatMap(({ name }) => {
        const entry = entries.get(name);
        if (entry === undefined) return [];
        const document = recorder.head(name);
        const gone = document === undefined ? false : document.removedAt !== null;
        return [
          [
            name,
            {
              batch: entry.batch,
              revision: entry.revision,
              problems: entry.problems,
              schedule: document?.schedule ?? null,
              gone,
            },
          ],
        ];
      }),
    );
  }

  /** @param head the commit that what is applied was read at */
  async function apply(action: Action, head: string | null): Promise<void> {
    const entry = entries.get(action.name) ?? open(action.name);
    const now = clock.now();
    const taken = action.kind === "apply" ? action.folder.digest : null;
    if (taken !== null) applying.add(taken);
    try {
      switch (action.kind) {
        case "apply": {
          if (!(await revisions.store(action.folder))) {
            forgetLook(action.name);
            return;
          }
          const { batch, folder, schedule } = action;
          const document = recorder.head(batch.name);
          const record = { removedAt: null, revision: folder.digest, schedule };
          const recorded =
            document !== undefined &&
            Object.entries(record).every(([key, value]) => document[key as keyof typeof record] === value);
          // A commit alone is no reason to write: one commit would write every document there is.
          if (!recorded) {
            const fields = { ...record, commit: head };
            await recorder.commit([{ kind: "head", batch: batch.name, fields }]);
          }
          const first = entry.batch === null;
          Object.assign(entry, { batch, revision: folder.digest, commit: head, problems: [] });
          // At start one line for all is enough.
          log[lastVerifiedAt === null ? "debug" : "info"](first ? "batch in force" : "batch changed", {
            batch: batch.name,
            revision: folder.digest,
          });
          chains.touch(batch.name);
          break;
        }
        case "hold":
          if (entry.batch === null) chains.touch(entry.name); // its name may be one that others wait for
          entry.problems = action.problems;
          deps.onStatus(entry.name);
          for (const problem of action.problems.slice(0, 5)) tell(problem);
          break;
        case "remove": {
          // First of all out of force: a record that cannot be written yet is tried again by the history itself.
          entries.delete(action.name);
          chains.touch(action.name);
          log.info("batch removed", { batch: action.name });
          const document = recorder.head(action.name);
          if (document !== undefined && document.removedAt === null)
            await recorder.commit([
              {
                kind: "head",
                batch: document.name,
                fields: { removedAt: new Date(now).toISOString(), schedule: null },
              },
            ]);
          break;
        }
        default: {
          const never: never = action;
          return never;
        }
      }
    } catch (error) {
      // Not carried out, so the next look must judge it anew.
      entry.judged = null;
      const message = messageOf(error);
      if (action.kind === "apply" && entry.problems[0]?.message !== message) {
        const hint = "what was in force stays in force; the agent tries again every second";
        entry.problems = [
          {
            batch: action.folder.entry,
            file: action.folder.location,
            line: null,
            column: null,
            path: null,
            code: "not-stored",
            message,
            hint,
          },
        ];
        deps.onStatus(action.name);
        log.error("cannot apply", { batch: action.name, error: message });
      }
      clock.after(1_000, () => dirty(action.name));
    } finally {
      if (taken !== null) applying.delete(taken);
    }
  }

  function tell({ batch, file, line, column, code, message, hint }: Problem): void {
    const place = [file ?? batch, line, column].filter((part) => part !== null).join(":");
    log.warn(`${place}: ${message}`, { batch, code, ...(hint === null ? {} : { hint }) });
  }

  function status(name: string): BatchStatus | undefined {
    const entry = entries.get(name);
    const document = recorder.head(name);
    if (entry === undefined || (entry.batch === null && entry.problems.length === 0)) {
      if (document === undefined || document.removedAt === null) return undefined;
      return {
        name,
        state: "removed",
        batch: null,
        revision: document.revision,
        commit: document.commit,
        problems: [],
        blockedBy: [],
      };
    }
    const { batch, revision, commit } = entry;
    const graph = chains.graph();
    const chainProblems = graph.problems.get(name) ?? [];
    const problems = [...entry.problems, ...chainProblems];
    return {
      name,
      group: batch?.group ?? source.groupOf(name),
      state: stateOf(batch, chainProblems),
      batch,
      revision,
      commit,
      problems,
      blockedBy: graph.blockedBy.get(name) ?? [],
    };
  }

  async function stop(): Promise<void> {
    stopped = true;
    timer?.cancel();
    await running;
  }

  return {
    dirty,
    resync,
    checkHead,
    entries: () => [...new Set([...entries.keys(), ...recorder.names()])].sort().flatMap((name) => status(name) ?? []),
    entry: status,
    rootProblem: () => failure ?? root,
    graph: chains.graph,
    applying: () => applying,
    async read(name) {
      const loaded = await source.load(name);
      return loaded.kind === "found" && loaded.folder.problems.length === 0 ? parse(loaded.folder).folder : null;
    },
    groupProblems: groups.problems,
    groups: () => ({ names: source.groups(), inForce: groups.inForce() }),
    pool: (group, name) => groups.inheritance(group).pools.get(name),
    health: () => ({ lastVerifiedAt, missedEvents }),
    stop,
  };
}

function ownProblem(code: ProblemCode, message: string, hint: string): Problem {
  return { batch: "", file: null, line: null, column: null, path: null, code, message, hint };
}

function groupOfPath(path: string): GroupName {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

function groupInvalid({ entry, location }: Folder, group: GroupName): Problem {
  const file = groupProblemName(group);
  const message = `${file} has problems and was never valid: no new batch below it is put in force`;
  const hint = "mend it first: /problems tells what is wrong with it";
  return { batch: entry, file: location, line: null, column: null, path: null, code: "group-invalid", message, hint };
}

function unsettled(name: string): Problem {
  return {
    batch: name,
    file: null,
    line: null,
    column: null,
    path: null,
    code: "unsettled",
    message: "its files keep changing",
    hint: unsettledHint,
  };
}

async function eachLimited<T>(items: readonly T[], limit: number, work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  async function lane(): Promise<void> {
    for (;;) {
      const item = items[next++];
      if (item === undefined) return;
      await work(item);
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, lane));
}
