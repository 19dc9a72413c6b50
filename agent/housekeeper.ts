// Sees to what happens at intervals: resyncs, probes of the data folder, and deleting what is no longer to be kept.
import type { Clock } from "./async/clock.ts";
import { periodic } from "./async/periodic.ts";
import type { InForce } from "./definitions/in-force.ts";
import { messageOf, type StoreError } from "./errors.ts";
import type { Executor } from "./executions/executor.ts";
import { createLogLimit, type LogLimit } from "./history/log-limit.ts";
import { isForgotten, maxKeep, selectExpired, type HistoryReader, type Recorder } from "./history/port.ts";
import type { Logger } from "./logger.ts";
import type { LogStore } from "./logs/port.ts";
import { totalBytes } from "./logs/store.ts";
import type { Batch } from "./model/batch.ts";
import type { BatchName, Revision } from "./model/ids.ts";
import type { Folders } from "./platform/folders.ts";
import { createProbe } from "./platform/probe.ts";
import type { OpenReconcile } from "./reconcile/open.ts";
import type { Revisions } from "./sources/port.ts";

const sweepMs = 60_000;
const probeMs = 5_000;

export interface Housekeeper {
  start: () => void;
  stop: () => Promise<void>;
  resyncNow: () => Promise<void>;
}

export interface Housekeeping {
  housekeeper: Housekeeper;
  logLimit: LogLimit;
  /** Why the data folder does not take writes; null when it does. */
  dataTrouble: () => StoreError | null;
}

export function openHousekeeping(
  dataDir: string,
  { keepRemovedMs, keepLogsBytes }: { keepRemovedMs: number; keepLogsBytes: number | null },
  deps: Pick<OpenReconcile, "inForce" | "reconciler" | "resync" | "resyncMs"> & {
    clock: Clock;
    log: Logger;
    recorder: Recorder;
    reader: HistoryReader;
    folders: Pick<Folders, "check" | "trouble">;
    revisions: Revisions;
    logs: LogStore;
    executor: Pick<Executor, "isRunRead" | "revisionsInUse">;
    inForce: InForce;
  },
): Housekeeping {
  const { recorder, reconciler, executor, inForce, logs, folders } = deps;
  const probe = createProbe(dataDir, folders);
  const runningBytes = () => totalBytes(logs, recorder.open());
  const { isRunRead } = executor;
  return {
    housekeeper: createHousekeeper({
      ...{ ...deps, keepRemovedMs, isRunRead },
      probe: () => probe.check().then(() => reconciler.checkHead()),
      inUse: () => new Set([...executor.revisionsInUse(), ...reconciler.applying()]),
      keepOf: (name) => inForce.batch(name)?.batch?.keep,
    }),
    logLimit: createLogLimit({ ...deps, maxBytes: keepLogsBytes, isRunRead, runningBytes }),
    dataTrouble: probe.trouble,
  };
}

export function createHousekeeper(deps: {
  clock: Clock;
  log: Logger;
  /** Time between the end of one resync and the start of the next. */
  resyncMs: () => number;
  resync: () => Promise<void>;
  /** Finds out whether the data folder takes writes. */
  probe: () => Promise<void>;
  recorder: Recorder;
  revisions: Revisions;
  inUse: () => ReadonlySet<Revision>;
  /** Returns whether something may still read what a run has put out, by the run's key. */
  isRunRead: (runKey: number) => boolean;
  keepOf: (name: BatchName) => Batch["keep"] | undefined;
  keepRemovedMs: number;
}): Housekeeper {
  const { clock, log, recorder } = deps;
  let tookMs = 0;
  let checkedOrphans = false;

  const resyncs = periodic(
    clock,
    () => Math.max(deps.resyncMs(), 10 * tookMs),
    async () => {
      const began = performance.now(); // a clock may be set meanwhile
      await deps.resync().finally(() => (tookMs = performance.now() - began));
    },
    (error) => log.error("resync failed", { error: String(error) }),
  );
  const sweeps = periodic(
    clock,
    () => sweepMs,
    sweep,
    (error) => log.error("cannot clean up", { error: messageOf(error) }),
  );
  const probes = periodic(
    clock,
    () => probeMs,
    () => deps.probe(),
    (error) => log.error("cannot probe the data folder", { error: messageOf(error) }),
  );

  async function sweep(): Promise<void> {
    const now = clock.now();
    if (!checkedOrphans) await recorder.deleteOrphans();
    checkedOrphans = true; // only a crash leaves them: once a start is enough
    const open = new Map<string, number>();
    for (const { batch } of recorder.open()) open.set(batch, (open.get(batch) ?? 0) + 1);
    for (const name of recorder.names()) {
      const head = recorder.head(name);
      if (head !== undefined && isForgotten(head, open.get(name) ?? 0, deps.keepRemovedMs, now)) {
        await recorder.commit([{ kind: "forget", batch: name }]);
        log.info("removed batch forgotten", { batch: name });
        continue;
      }
      const keep = deps.keepOf(name) ?? maxKeep;
      if (recorder.count(name) <= keep.executions && keep.ageMs === null) continue;
      const ids = selectExpired(recorder.recent(name), keep, (key) => deps.isRunRead(key), now);
      if (ids.length > 0) await recorder.commit([{ kind: "delete", batch: name, ids }]);
    }
    const gone = await deps.revisions.collect(referenced);
    if (gone > 0) log.info("revisions collected", { count: gone });
  }

  /** In force, running, or named by an execution that is kept. */
  function referenced(): Set<Revision> {
    const revisions = new Set([...deps.inUse(), ...recorder.revisions()]);
    for (const name of recorder.names()) {
      const head = recorder.head(name);
      if (head?.revision != null && head.removedAt === null) revisions.add(head.revision);
    }
    for (const { revision } of recorder.open()) if (revision !== null) revisions.add(revision);
    return revisions;
  }

  return {
    start() {
      resyncs.start();
      sweeps.start();
      void probes.now();
    },
    async stop() {
      void probes.stop(); // a disk that does not answer holds nobody up
      await Promise.all([resyncs.stop(), sweeps.stop()]);
    },
    resyncNow: () => resyncs.now(),
  };
}
