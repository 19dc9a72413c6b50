// One pass over what may have changed: list, read, validate, plan, carry out.
import pMap from "p-map";
import type { Clock } from "../async/clock.ts";
import { isAffected, groupSettleMs } from "../definitions/group-files.ts";
import type { InForce } from "../definitions/in-force.ts";
import { messageOf } from "../errors.ts";
import type { Recorder } from "../history/port.ts";
import type { Logger } from "../logger.ts";
import type { GroupName } from "../model/group.ts";
import { agentProblem, type Problem } from "../model/problem.ts";
import { foreignMessage, type BatchSource, type GroupSource, type WatchHealth } from "../sources/port.ts";
import type { Applier } from "./applier.ts";
import type { Checkout } from "./checkout.ts";
import type { DirtyNames, Hints } from "./dirty.ts";
import type { Inspector } from "./inspector.ts";
import type { Scans } from "./scans.ts";
import { planReconcile, type Action, type Current, type Desired } from "./plan.ts";

/** Maximum number of entries that are unpacked, or read again, at a time: they hold files open. */
const parallelLoads = 8;
/** Maximum number of entries at hand that are written at a time, so that their files wait for the disk together. */
const parallelWrites = 10_000;
/** Maximum number of bytes of files that one pass keeps at hand until they are written: all others are read again. */
const maxAtHandBytes = 64 * 1024 * 1024;

export interface FolderPassDeps {
  source: BatchSource & GroupSource;
  inForce: InForce;
  scans: Scans;
  inspector: Inspector;
  applier: Applier;
  checkout: Checkout;
  dirty: DirtyNames;
  recorder: Recorder;
  clock: Clock;
  log: Logger;
  /** Returns true once no further pass is wanted. */
  isStopped: () => boolean;
  /** Returns true while the folder is still to come, as before the first fetch of a repository: no error then. */
  isAwaited: () => boolean;
  /** Returns true where events are expected to tell of every change. */
  isWatching: () => boolean;
  /** Has everything read again after a moment. */
  scanAgainSoon: (ms: number) => void;
}

/** Invariant: `health().lastVerifiedAt` is null until one pass over everything has been carried out. */
export class FolderPass {
  readonly #deps: FolderPassDeps;
  #areGroupsOpen = false;
  #rootProblem: Problem | null = null;
  /** HEAD at the last look over everything. */
  #lastHead: string | null = null;
  #lastVerifiedAt: string | null = null;
  #missedEvents = 0;
  /**
   * Changes that a resync found before any event told of them; one that still has none by the next resync was missed.
   */
  readonly #suspects = new Set<string>();
  /** Archives of kinds that are not read, each reported once. */
  readonly #foreign = new Set<string>();

  constructor(deps: FolderPassDeps) {
    this.#deps = deps;
  }

  rootProblem(): Problem | null {
    return this.#rootProblem;
  }

  health(): Omit<WatchHealth, "mode"> {
    return { lastVerifiedAt: this.#lastVerifiedAt, missedEvents: this.#missedEvents };
  }

  /** Notes that an event told of these names; with null of any. */
  noteEvent(names: readonly string[] | null): void {
    if (names === null) this.#suspects.clear();
    else for (const name of names) this.#suspects.delete(name);
  }

  async hasNewHead(): Promise<boolean> {
    return (await this.#deps.checkout.head()) !== this.#lastHead;
  }

  /** Rejects where the pass could not be carried out. One that is stopped breaks off: the next agent looks anew. */
  async run(): Promise<void> {
    const { checkout, dirty, isStopped } = this.#deps;
    const head = await checkout.settledHead(isStopped);
    // A checkout touches more files at once than events are sure to tell of.
    const hasNewHead = head !== this.#lastHead;
    this.#lastHead = head;
    const gathered = dirty.drain();
    const hints = { ...gathered, all: gathered.all || hasNewHead };
    const paths = hints.all ? null : hints.paths;
    const listed = await this.#list(paths);
    if (listed === null) return;
    await this.#hintGroups(paths, listed, hints.names);
    if (hints.all) {
      this.#missedEvents += this.#suspects.size;
      this.#suspects.clear();
    }
    const names = this.#namesToRead(hints, listed);
    const desired = await this.#readAll(names, hints, head);
    if (isStopped()) return;
    if (desired.length > 0 && (await checkout.head()) !== head) {
      this.#startOver(names, hints);
      return;
    }
    await this.#carryOut(planReconcile(desired, this.#current(desired), this.#deps.clock.now()), head);
    if (isStopped()) return;
    if (hints.all) this.#noteVerified(listed.length);
    await this.#retainDeclarations();
  }

  async #list(paths: ReadonlySet<string> | null): Promise<string[] | null> {
    const { source, log, isAwaited } = this.#deps;
    try {
      const names = await source.list(paths);
      for (const entry of source.foreign?.() ?? []) {
        if (!this.#foreign.has(entry)) log.info(`note: ${foreignMessage(entry)}`, { entry });
        this.#foreign.add(entry);
      }
      if (this.#rootProblem !== null) log.info("the folder of batches is there");
      this.#rootProblem = null;
      return names;
    } catch (error) {
      const message = messageOf(error);
      const level = isAwaited() ? "debug" : "error";
      if (this.#rootProblem === null)
        log[level]("the folder of batches cannot be read; what is in force stays", { error: message });
      const hint = "nothing is unscheduled because of this; the agent tries again at every resync";
      this.#rootProblem = agentProblem("unreadable", message, hint);
      await this.#hydrateAll();
      return null;
    }
  }

  async #hydrateAll(): Promise<void> {
    const { inForce, inspector, recorder } = this.#deps;
    await this.#openGroups();
    await pMap(recorder.names(), (name) => inspector.hydrate(name), { concurrency: parallelLoads });
    inForce.connect();
  }

  /**
   * Adds to `names` every entry below a group that now passes on something else than before, and below a folder that an
   * event names: one that was moved brings its group file and its batches along, and no event names those. So it is
   * with batches of the same name elsewhere.
   */
  async #hintGroups(paths: ReadonlySet<string> | null, listed: readonly string[], names: Set<string>): Promise<void> {
    const { source, inForce, scanAgainSoon } = this.#deps;
    const all = paths === null || !this.#areGroupsOpen;
    await this.#openGroups();
    const isMoved = (group: GroupName) => paths !== null && isAffected(group, paths);
    const moved = all ? [] : [...source.groupsWithFile(), ...inForce.groups.names()].filter(isMoved);
    const { changed, again } = await inForce.groups.refresh(
      all ? null : new Set([...paths].map(groupOfPath).concat(moved)),
    );
    if (again) scanAgainSoon(groupSettleMs + 10);
    for (const name of source.moved()) names.add(name);
    for (const name of listed) {
      const group = source.groupOf(name);
      if (isAffected(group, changed) || isMoved(group)) names.add(name);
    }
  }

  async #openGroups(): Promise<void> {
    if (!this.#areGroupsOpen) await this.#deps.inForce.groups.open();
    this.#areGroupsOpen = true;
  }

  #namesToRead({ all, names }: Hints, listed: readonly string[]): ReadonlySet<string> {
    const { inForce, recorder } = this.#deps;
    const present = new Set(listed);
    const known = new Set([...inForce.names(), ...recorder.names()].filter((name) => !inForce.isGone(name)));
    if (all) return new Set([...present, ...known]);
    return new Set([
      ...[...names].filter((name) => present.has(name) || known.has(name)),
      ...listed.filter((name) => inForce.entry(name) === undefined),
      ...[...known].filter((name) => !present.has(name)),
    ]);
  }

  async #readAll(names: ReadonlySet<string>, { all, names: hinted }: Hints, head: string | null): Promise<Desired[]> {
    const { source, inspector, scans, isStopped, isWatching } = this.#deps;
    const desired: Desired[] = [];
    let atHandBytes = 0;
    for (const name of names) {
      if (isStopped()) break;
      // Whatever an event names is read whatever its signature says.
      const scan = scans.get(name);
      const seen = hinted.has(name) || scan?.content == null ? null : scan.signature;
      const found = await inspector.inspect(name, await source.load(name, seen), head);
      if (found !== null) {
        atHandBytes += bytesAtHand(found);
        desired.push(atHandBytes > maxAtHandBytes ? withoutFiles(found) : found);
      }
      const isNews = found === null ? scans.get(name)?.unsettled?.scans === 1 : found.kind !== "unreadable";
      if (all && isNews && !hinted.has(name) && this.#lastVerifiedAt !== null && isWatching()) this.#suspects.add(name);
    }
    return desired;
  }

  /** Another commit came meanwhile, and what was read may be of either. */
  #startOver(names: ReadonlySet<string>, { all }: Hints): void {
    const { scans, dirty } = this.#deps;
    for (const name of names) {
      scans.invalidate(name);
      dirty.addName(name);
    }
    if (all) dirty.addAll();
  }

  #current(desired: readonly Desired[]): Map<string, Current> {
    const { inForce, recorder } = this.#deps;
    return new Map(
      desired.flatMap(({ name }) => {
        const entry = inForce.entry(name);
        if (entry === undefined) return [];
        const { batch, revision, problems } = entry;
        const head = recorder.head(name);
        const gone = head !== undefined && head.removedAt !== null;
        return [[name, { batch, revision, problems, schedule: head?.schedule ?? null, gone }]];
      }),
    );
  }

  async #carryOut(actions: readonly Action[], head: string | null): Promise<void> {
    const { applier, inForce, isStopped } = this.#deps;
    const isFirst = this.#lastVerifiedAt === null;
    const carryOut = async (action: Action) => {
      if (!isStopped()) await applier.carryOut(action, head, isFirst);
    };
    const isAtHand = (action: Action) => action.kind === "apply" && action.folder.files !== undefined;
    const removals = actions.filter(({ kind }) => kind === "remove");
    const others = actions.filter(({ kind }) => kind !== "remove");
    await Promise.all([
      pMap(others.filter(isAtHand), carryOut, { concurrency: parallelWrites }),
      pMap(
        others.filter((action) => !isAtHand(action)),
        carryOut,
        { concurrency: parallelLoads },
      ),
    ]);
    // In one turn of the event loop: nothing is reported as removed and still scheduled.
    const written = removals.map(carryOut);
    inForce.connect();
    await Promise.all(written);
  }

  /** Batches that are not judged yet may need what was declared before. */
  async #retainDeclarations(): Promise<void> {
    const { inForce, scans } = this.#deps;
    if (!inForce.groups.hasKept() || scans.unsettled().length > 0) return;
    await inForce.groups.retain(inForce.names().flatMap((name) => inForce.entry(name)?.batch ?? []));
  }

  #noteVerified(listed: number): void {
    const { inForce, clock, log } = this.#deps;
    if (this.#lastVerifiedAt === null) {
      const problems = inForce.names().reduce((sum, name) => sum + (inForce.batch(name)?.problems.length ?? 0), 0);
      log.info("folder read", { entries: listed, problems });
    }
    this.#lastVerifiedAt = new Date(clock.now()).toISOString();
  }
}

function bytesAtHand(found: Desired): number {
  return found.kind === "valid" ? (found.folder.files ?? []).reduce((sum, { bytes }) => sum + bytes.length, 0) : 0;
}

function withoutFiles(found: Desired): Desired {
  if (found.kind !== "valid") return found;
  const { files: _files, ...folder } = found.folder;
  return { ...found, folder };
}

function groupOfPath(path: string): GroupName {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}
