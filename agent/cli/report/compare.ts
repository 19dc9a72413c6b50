// Describes what a folder of batches would change against what is in force elsewhere: an agent, or another folder.
// Pure.
import { shownAddress } from "../../definitions/redact.ts";
import type { BatchState } from "../../model/batch.ts";
import type { EpochMs } from "../../model/ids.ts";
import type { BatchView } from "../../views.ts";

/** Describes what is known of one batch on one side. */
export interface Known {
  name: string;
  state: BatchState;
  revision: string | null;
  /** Settings with their defaults; null where there is no valid definition. Values of `env` may be masked. */
  settings: Readonly<Record<string, unknown>> | null;
  /** Coming starts. */
  next: readonly EpochMs[];
  blockedBy: readonly string[];
  /** Executions on record, and whether one is open; null for a side that keeps none. */
  history: { executions: number; open: boolean } | null;
  /** Whose fault it is that it is invalid: its own files', or its place in a chain; null where it is valid. */
  broken: "files" | "chain" | null;
}

/** One setting, by its path (`retry.limit`). Values of `env` are never told; null stands for not set. */
export interface SettingChange {
  key: string;
  from: unknown;
  to: unknown;
}

interface Added {
  name: string;
  state: BatchState;
  next: readonly EpochMs[];
  blockedBy: readonly string[];
  /** A removed batch with the very same files: it was renamed. */
  renamedFrom: string | null;
  /** Executions of an earlier batch of that name which are still on record. */
  history: number;
}

interface Removed {
  name: string;
  history: number;
  /** True when an execution of it runs or waits right now. */
  open: boolean;
  nextLost: EpochMs | null;
}

interface Changed {
  name: string;
  revision: { from: string | null; to: string | null };
  state: { from: BatchState; to: BatchState };
  /** Empty where only the script or other files differ. */
  settings: readonly SettingChange[];
  /** null where the schedule stays. */
  next: { from: readonly EpochMs[]; to: readonly EpochMs[] } | null;
  blockedBy: { from: readonly string[]; to: readonly string[] };
}

/** A batch whose files stay, and whose place in its chain does not. */
interface Affected {
  name: string;
  state: { from: BatchState; to: BatchState };
  blockedBy: { from: readonly string[]; to: readonly string[] };
}

/** A batch with problems of its own: what is in force stays in force, if anything is. */
interface Held {
  name: string;
  inForce: boolean;
}

export interface Comparison {
  added: readonly Added[];
  removed: readonly Removed[];
  changed: readonly Changed[];
  affected: readonly Affected[];
  held: readonly Held[];
  unchanged: number;
}

/** From what is in force to what the folder holds, each list by name. */
export function compare(inForce: readonly Known[], folder: readonly Known[]): Comparison {
  const before = new Map(inForce.filter(({ state }) => state !== "removed").map((known) => [known.name, known]));
  const remembered = new Map(inForce.map(({ name, history }) => [name, history]));
  const after = new Map(folder.map((known) => [known.name, known]));
  const removed = [...before.values()].filter(({ name }) => !after.has(name)).sort(byName);
  const held = folder
    .filter(({ broken }) => broken === "files")
    .map(({ name }): Held => ({ name, inForce: before.get(name)?.settings != null }))
    .sort(byName);
  // Whatever stays in force keeps nobody waiting, where it runs at all.
  const runs = (name: string) => ["scheduled", "chained"].includes(before.get(name)?.state ?? "");
  const stays = new Set<string>(held.flatMap(({ name, inForce }) => (inForce && runs(name) ? [name] : [])));
  const unblocked = (known: Known): Known => ({
    ...known,
    blockedBy: known.blockedBy.filter((name) => !stays.has(name)),
  });

  const added: Added[] = [];
  const changed: Changed[] = [];
  const affected: Affected[] = [];
  let unchanged = 0;
  for (const now of folder
    .filter(({ broken }) => broken !== "files")
    .map(unblocked)
    .sort(byName)) {
    const { name, state, next, blockedBy } = now;
    const was = before.get(name);
    if (was === undefined || (was.settings === null && was.broken !== "chain")) {
      const twin = removed.find(({ revision }) => revision !== null && revision === now.revision);
      added.push({
        name,
        state,
        next,
        blockedBy,
        renamedFrom: twin?.name ?? null,
        history: remembered.get(name)?.executions ?? 0,
      });
    } else if (was.revision !== now.revision) changed.push(changeOf(was, now));
    else if (was.state !== state || was.blockedBy.join() !== blockedBy.join()) affected.push(placeOf(was, now));
    else unchanged += 1;
  }
  return {
    added,
    removed: removed.map(({ name, history, next }) => ({
      name,
      history: history?.executions ?? 0,
      open: history?.open ?? false,
      nextLost: next[0] ?? null,
    })),
    changed,
    affected,
    held,
    unchanged,
  };
}

function changeOf(was: Known, now: Known): Changed {
  const settings = was.settings === null || now.settings === null ? [] : settingChanges(was.settings, now.settings);
  const moved =
    was.state !== now.state || settings.some(({ key }) => /^(cron|timeZone|jitter|enabled|after)\b/.test(key));
  return {
    ...placeOf(was, now),
    revision: { from: was.revision, to: now.revision },
    settings,
    next: moved ? { from: was.next, to: now.next } : null,
  };
}

function placeOf(was: Known, now: Known): Affected {
  return {
    name: now.name,
    state: { from: was.state, to: now.state },
    blockedBy: { from: was.blockedBy, to: now.blockedBy },
  };
}

const masked = "***";

/** The settings that differ, in the order of their paths. */
export function settingChanges(
  from: Readonly<Record<string, unknown>>,
  to: Readonly<Record<string, unknown>>,
): SettingChange[] {
  const [old, now] = [new Map(flatten(from, "")), new Map(flatten(to, ""))];
  const keys = [...new Set([...old.keys(), ...now.keys()])].sort();
  return keys.flatMap((key): SettingChange[] => {
    const [a, b] = [old.get(key), now.get(key)];
    if (key.startsWith("env.")) {
      const hidden = (value: unknown) => (value === undefined ? null : masked);
      const same = a === b || (a !== undefined && b !== undefined && (a === masked || b === masked));
      return same ? [] : [{ key, from: hidden(a), to: hidden(b) }];
    }
    if (key === "notify.webhook" || key === "notify.ping") {
      // Whatever an agent tells of them is masked.
      const [shownA, shownB] = [a, b].map((value) =>
        Array.isArray(value) ? value.map((one) => shownAddress(String(one))) : (value ?? null),
      );
      return JSON.stringify(shownA) === JSON.stringify(shownB) ? [] : [{ key, from: shownA, to: shownB }];
    }
    return JSON.stringify(a) === JSON.stringify(b) ? [] : [{ key, from: a ?? null, to: b ?? null }];
  });
}

function flatten(value: unknown, path: string): [string, unknown][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [[path, value]];
  return Object.entries(value).flatMap(([key, inner]) => flatten(inner, path === "" ? key : `${path}.${key}`));
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1;
}

/** A batch as the API tells of it. */
export function knownOfView(view: BatchView): Known {
  const { name, state, revision, definition, next, blockedBy, stats, problems } = view;
  const { counts } = stats;
  return {
    name,
    state,
    revision,
    settings: definition,
    next: next.map((at) => Date.parse(at)),
    blockedBy,
    history: {
      executions: Object.values(counts).reduce((sum, one) => sum + one, 0),
      open: counts.queued + counts.running > 0,
    },
    broken: problems.length === 0 ? null : definition !== null && state === "invalid" ? "chain" : "files",
  };
}
