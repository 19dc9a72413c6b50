// Validates what was read of one entry, once it has settled: from bytes to what the entry should be.
import type { Clock } from "../async/clock.ts";
import type { AllowList } from "../definitions/allowed.ts";
import { parseBatch } from "../definitions/batch.ts";
import { groupProblemName, readInherited } from "../definitions/group.ts";
import type { InForce } from "../definitions/in-force.ts";
import type { Recorder } from "../history/port.ts";
import type { Logger } from "../logger.ts";
import type { Batch, Folder } from "../model/batch.ts";
import type { GroupName } from "../model/group.ts";
import type { BatchName, EpochMs } from "../model/ids.ts";
import type { Problem } from "../model/problem.ts";
import { withInherited } from "../model/revision.ts";
import {
  maxSettingsBytesHere,
  unsettledHint,
  type BatchSource,
  type GroupSource,
  type Loaded,
  type Revisions,
  type Unchanged,
} from "../sources/port.ts";
import { unsettledAfter, type Scans } from "./scans.ts";
import { isSettled, settleTime, type Desired } from "./plan.ts";
import { noRoomProblem, SettingsRoom } from "./settings-room.ts";

/** Time that files must have been left alone, in ms. */
export const settleMs = 100;
/** Time that copying an archive may take, in ms. */
const copyMs = 10 * 60_000;

export interface InspectorDeps {
  source: BatchSource & GroupSource;
  inForce: InForce;
  scans: Scans;
  revisions: Revisions;
  recorder: Recorder;
  clock: Clock;
  log: Logger;
  timeZone: string;
  kubernetes?: AllowList | null;
  /** How many bytes of the heap all settings may take; without it what this process has room for. */
  maxSettingsBytes?: number;
}

export class Inspector {
  readonly #deps: InspectorDeps;
  readonly #room: SettingsRoom;

  constructor(deps: InspectorDeps) {
    this.#deps = deps;
    this.#room = new SettingsRoom(deps.maxSettingsBytes ?? maxSettingsBytesHere());
  }

  /**
   * Returns what the entry should be, or null when there is nothing to do about it: it is as it was, or still changing.
   * @param head the commit that `loaded` was read at
   */
  async inspect(name: string, loaded: Loaded | Unchanged, head: string | null): Promise<Desired | null> {
    const { scans, inForce, clock } = this.#deps;
    const known = scans.get(name);
    if (loaded.kind === "unchanged") {
      if (known === undefined) return null;
      scans.update(name, { unsettled: null });
      this.#noteCommit(name, head);
      return null;
    }
    if (loaded.kind === "unreadable") {
      await this.hydrate(name);
      scans.invalidate(name); // once it can be read again it is validated anew
      return { name, kind: "unreadable", problem: loaded.problem };
    }
    const folder = loaded.kind === "found" ? loaded.folder : null;
    const content = this.#contentOf(folder);
    const signature = loaded.kind === "found" ? (loaded.signature ?? null) : null;
    if (known?.content === content) {
      scans.update(name, { unsettled: null, signature });
      this.#noteCommit(name, head);
      return null;
    }
    if (folder === null && inForce.isGone(name)) return null;
    inForce.open(name);
    const changedAt = loaded.kind === "found" ? loaded.changedAt : clock.now();
    if (!this.#hasSettled(name, folder, changedAt)) return this.#unsettledProblem(name, folder);
    scans.update(name, { unsettled: null, content, revision: null, signature });
    if (folder === null) {
      this.#room.release(name);
      return { name, kind: "absent" };
    }
    if (this.#room.grant(name, folder)) return this.#validate(name, folder);
    await this.hydrate(name);
    scans.invalidate(name); // others may go and leave it their room
    return { name, kind: "unreadable", problem: noRoomProblem(folder) };
  }

  /** Brings back the last valid revision of an entry that cannot be had from the folder just now. */
  async hydrate(name: string): Promise<void> {
    const { recorder, inForce, revisions, source, log } = this.#deps;
    if (inForce.isGone(name)) return;
    const head = recorder.head(name);
    const entry = inForce.open(name);
    if (entry.batch !== null || !head?.revision || head.removedAt !== null) return;
    const folder = await revisions.load(head.revision, head.name);
    if (folder !== null && !this.#room.grant(name, folder)) {
      log.warn("there is no room in memory for the last valid revision", { batch: name });
      return;
    }
    const batch = folder === null ? null : this.#parseStored({ ...folder, group: source.groupOf(name) });
    if (batch === null) log.warn("the last valid revision is gone", { batch: name, revision: head.revision });
    else inForce.restore(name, batch, head.revision);
  }

  /** Returns the folder of a batch as it lies there now, with what it inherits; null where it has problems. */
  async read(name: BatchName): Promise<Folder | null> {
    const loaded = await this.#deps.source.load(name);
    return loaded.kind === "found" && loaded.folder.problems.length === 0 ? this.#parse(loaded.folder).folder : null;
  }

  async #validate(name: string, found: Folder): Promise<Desired> {
    const { scans, inForce } = this.#deps;
    const { batch, folder, problems } = this.#parse(found);
    const blocking = batch === null || !this.#isNew(name) ? null : inForce.groups.blockedBy(found.group);
    if (batch !== null && blocking === null) {
      scans.update(name, { revision: folder.digest });
      return { name, kind: "valid", folder, batch };
    }
    await this.hydrate(name);
    const said = blocking === null ? problems : [groupInvalid(found, blocking)];
    return { name, kind: "invalid", digest: found.digest, problems: said };
  }

  /** Names a content with the group it lies in and what that passes on. */
  #contentOf(folder: Folder | null): string {
    const group = folder?.group ?? "";
    return `${digestOf(folder)} ${group} ${this.#deps.inForce.groups.key(group)}`;
  }

  #hasSettled(name: string, folder: Folder | null, changedAt: EpochMs): boolean {
    const { scans, clock } = this.#deps;
    const now = clock.now();
    const digest = digestOf(folder);
    const earlier = scans.get(name)?.unsettled ?? null;
    if (isSettled({ digest, changedAt }, earlier, settleTime(folder), now)) return true;
    const since = earlier?.since ?? now;
    const at = earlier?.digest === digest ? earlier.at : now;
    scans.update(name, { unsettled: { digest, at, scans: (earlier?.scans ?? 0) + 1, since } });
    return false;
  }

  /** Returns a problem for what has been changing for too long, else null. */
  async #unsettledProblem(name: string, folder: Folder | null): Promise<Desired | null> {
    const { scans, clock } = this.#deps;
    const unsettled = scans.get(name)?.unsettled;
    if (unsettled == null) return null;
    const isPatient =
      settleTime(folder) > settleMs ? clock.now() - unsettled.since < copyMs : unsettled.scans !== unsettledAfter;
    if (isPatient) return null;
    await this.hydrate(name);
    scans.invalidate(name);
    return { name, kind: "unreadable", problem: unsettledProblem(folder?.entry ?? name) };
  }

  #parse(folder: Folder): { batch: Batch | null; problems: readonly Problem[]; folder: Folder } {
    const { inForce, timeZone, clock, kubernetes = null } = this.#deps;
    const inheritance = inForce.groups.inheritance(folder.group);
    const parsed = parseBatch(folder, { timeZone, inheritance, now: clock.now(), kubernetes });
    return { ...parsed, folder: withInherited(folder, parsed.inherits) };
  }

  /** Validates a stored revision with what it inherited then. */
  #parseStored(folder: Folder): Batch | null {
    const { defaults, calendars } = readInherited(folder.inherited?.text ?? "");
    const origins = Object.fromEntries(Object.keys(defaults).map((key) => [key, folder.group]));
    const then = this.#deps.inForce.groups.inheritanceThen(folder.group, calendars);
    const kept = { ...then, defaults, origins };
    const { timeZone, kubernetes = null } = this.#deps;
    return parseBatch(folder, { timeZone, inheritance: kept, isInForce: true, kubernetes }).batch;
  }

  /** Returns true for a batch of which nothing was ever in force. */
  #isNew(name: string): boolean {
    const { inForce, recorder } = this.#deps;
    return inForce.entry(name)?.batch == null && recorder.head(name)?.revision == null;
  }

  /** Notes that what is in force is unchanged at another commit. */
  #noteCommit(name: string, head: string | null): void {
    const { inForce, scans } = this.#deps;
    const entry = inForce.entry(name);
    if (entry === undefined || entry.revision !== (scans.get(name)?.revision ?? null) || entry.commit === head) return;
    inForce.setCommit(name, head);
  }
}

function digestOf(folder: Folder | null): string {
  return folder?.digest ?? "absent";
}

function groupInvalid({ entry, location }: Folder, group: GroupName): Problem {
  const file = groupProblemName(group);
  const message = `${file} has problems and was never valid: no new batch below it is put in force`;
  const hint = "mend it first: /problems tells what is wrong with it";
  return { batch: entry, file: location, line: null, column: null, path: null, code: "group-invalid", message, hint };
}

function unsettledProblem(batch: string): Problem {
  const message = "its files keep changing";
  return { batch, file: null, line: null, column: null, path: null, code: "unsettled", message, hint: unsettledHint };
}
