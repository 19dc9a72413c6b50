// From what was read of the folder and what is in force to what must change. An invalid edit keeps what is in force.
import type { Batch, Folder } from "../model/batch.ts";
import type { Iso, EpochMs, Revision } from "../model/ids.ts";
import type { Problem } from "../model/problem.ts";

/** Describes what a look at one entry showed, judged. */
export type Desired =
  | { name: string; kind: "absent" }
  | { name: string; kind: "unreadable"; problem: Problem }
  | { name: string; kind: "invalid"; digest: Revision; problems: readonly Problem[] }
  | { name: string; kind: "valid"; folder: Folder; batch: Batch };

/** Describes what is in force for one entry. */
export interface Current {
  batch: Batch | null;
  revision: Revision | null;
  problems: readonly Problem[];
  /** The schedule that is accounted for, from the record; null where none is. */
  schedule: { key: string; coveredUntil: Iso } | null;
  /** True when the record says its folder is gone; true where there is no record. */
  gone: boolean;
}

export type Action =
  /** Puts a definition in force. `schedule` is what the record must say from now on. */
  | { kind: "apply"; name: string; folder: Folder; batch: Batch; schedule: Current["schedule"] }
  /** Leaves what is in force and says what is wrong. */
  | { kind: "hold"; name: string; problems: readonly Problem[] }
  /** Takes a batch out: its folder is gone. */
  | { kind: "remove"; name: string };

/** Idempotent: once the actions are carried out, the same input gives none. Only entries in `desired` are judged. */
export function planReconcile(
  desired: readonly Desired[],
  current: ReadonlyMap<string, Current>,
  now: EpochMs,
): Action[] {
  return desired.flatMap((entry) => planOne(entry, current.get(entry.name), now) ?? []);
}

function planOne(entry: Desired, current: Current | undefined, now: EpochMs): Action | null {
  const { name } = entry;
  switch (entry.kind) {
    case "absent":
      return current === undefined ? null : { kind: "remove", name };
    case "unreadable":
      return hold(name, [entry.problem], current);
    case "invalid":
      return hold(name, entry.problems, current);
    case "valid": {
      const { batch, folder } = entry;
      const same = current?.revision === folder.digest && current.batch?.group === batch.group && !current.gone;
      if (same && current.problems.length === 0) return null;
      return { kind: "apply", name, folder, batch, schedule: accountedSchedule(batch, current, now) };
    }
    default: {
      const never: never = entry;
      return never;
    }
  }
}

function hold(name: string, problems: readonly Problem[], current: Current | undefined): Action | null {
  if (current !== undefined && JSON.stringify(current.problems) === JSON.stringify(problems)) return null;
  return { kind: "hold", name, problems };
}

/**
 * An unchanged schedule goes on where it stands; a new one, or one that rested, counts from now: nothing before is
 * owed.
 */
function accountedSchedule(batch: Batch, current: Current | undefined, now: EpochMs): Current["schedule"] {
  if (!batch.enabled || batch.schedule === null) return null;
  const { key } = batch.schedule;
  if (current?.schedule?.key === key && !current.gone) return current.schedule;
  return { key, coveredUntil: new Date(now).toISOString() };
}

/**
 * How long a look must have been quiet, in ms. What cannot be unpacked may be a copy that has come to a halt for a
 * moment.
 */
export function settleTime(folder: Folder | null): number {
  return folder?.problems.some(({ code }) => code === "bad-archive") === true ? 2_000 : 100;
}

/**
 * Returns whether a look may be acted on: its files have been quiet for long enough, or an earlier look saw the very
 * same.
 */
export function isSettled(
  entry: { digest: string; changedAt: EpochMs },
  earlier: { digest: string; at: EpochMs } | null,
  settleMs: number,
  now: EpochMs,
): boolean {
  const quietMs = now - entry.changedAt;
  if (quietMs >= settleMs && quietMs < 10 * 365 * 86_400_000 && entry.digest !== "absent") return true;
  return earlier !== null && earlier.digest === entry.digest && now - earlier.at >= settleMs;
}
