// Opens what keeps definitions equal to the folder: what is in force, and the passes over what the watch hints at.
import type { Clock } from "../async/clock.ts";
import type { AllowList } from "../definitions/allowed.ts";
import { InForce } from "../definitions/in-force.ts";
import type { Recorder } from "../history/port.ts";
import type { Logger } from "../logger.ts";
import type { BatchSource, GroupSource, GroupStore, Remote, Revisions, Watch, WorkTree } from "../sources/port.ts";
import { Reconciler } from "./reconciler.ts";

/** While events cannot be had, the folder is looked over this often, or ten times as long as one look takes. */
const pollMs = 2_000;

export interface ReconcileSettings {
  timeZone: string;
  resyncMs: number;
  /** What batches may name of a cluster; null where scripts run on this machine. */
  kubernetes: AllowList | null;
}

export interface ReconcileDeps {
  source: BatchSource & GroupSource;
  groupStore: GroupStore;
  workTree: WorkTree;
  revisions: Revisions;
  remote: Pick<Remote, "commit"> | null;
  watch: Pick<Watch, "mode" | "verify">;
  recorder: Recorder;
  clock: Clock;
  log: Logger;
}

export interface OpenReconcile {
  inForce: InForce;
  reconciler: Reconciler;
  /** Looks over the whole folder; events that were missed by then are counted. */
  resync: () => Promise<void>;
  /** Returns the time between the end of one resync and the start of the next. */
  resyncMs: () => number;
}

export function openReconcile(
  { timeZone, resyncMs, kubernetes }: ReconcileSettings,
  deps: ReconcileDeps,
): OpenReconcile {
  const { source, groupStore, workTree, revisions, remote, watch, recorder, clock, log } = deps;
  const inForce = new InForce({ source, groupStore, recorder, clock, log, timeZone });
  const reconciler = new Reconciler({
    ...{ source, inForce, workTree, revisions, recorder, clock, log, timeZone, kubernetes },
    isWatching: () => watch.mode() === "inotify",
    isAwaited: () => remote !== null && remote.commit() === null,
  });
  return {
    inForce,
    reconciler,
    resync: () => watch.verify().then(() => reconciler.resync()),
    resyncMs: () => (watch.mode() === "poll" ? pollMs : resyncMs),
  };
}
