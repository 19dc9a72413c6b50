// What happens at intervals: the full resync, and deleting what is no longer to be kept.
import type { Clock } from "./async/clock.ts";
import type { History } from "./history/port.ts";
import { isForgotten, mostKept, selectExpired } from "./history/retention.ts";
import type { Logger } from "./logger.ts";
import type { Batch } from "./model/batch.ts";
import type { Revision, RunId, BatchName } from "./model/ids.ts";
import type { Revisions } from "./sources/port.ts";

const sweepMs = 60_000;
const probeMs = 5_000;

export interface Housekeeper {
  start(): void;
  stop(): Promise<void>;
  resyncNow(): Promise<void>;
}

export function createHousekeeper(deps: {
  clock: Clock;
  log: Logger;
  /** Time between the end of one resync and the start of the next. */
  resyncMs(): number;
  resync(): Promise<void>;
  /** Finds out whether the data folder takes writes. */
  probe(): Promise<void>;
  history: History;
  revisions: Revisions;
  inUse(): ReadonlySet<Revision>;
  isRunOpen(run: RunId): boolean;
  keepOf(name: BatchName): Batch["keep"] | undefined;
  keepRemovedMs: number;
}): Housekeeper {
  const { clock, log, history } = deps;
  let cancelResync: () => void = () => undefined;
  let cancelSweep: () => void = () => undefined;
  let cancelProbe: () => void = () => undefined;
  let current: Promise<void> = Promise.resolve();
  let sweeping: Promise<void> = Promise.resolve();
  let stopped = false;
  let strayed = false;

  async function resync(): Promise<void> {
    const began = performance.now(); // a clock may be set meanwhile
    await deps.resync().catch((error: unknown) => log.error("resync failed", { error: String(error) }));
    const tookMs = performance.now() - began;
    if (!stopped) cancelResync = clock.after(Math.max(deps.resyncMs(), 10 * tookMs), () => void resyncNow());
  }

  /** One after the other, however often it is asked for. */
  function resyncNow(): Promise<void> {
    cancelResync();
    current = current.then(resync);
    return current;
  }

  async function probe(): Promise<void> {
    await deps.probe();
    if (!stopped) cancelProbe = clock.after(probeMs, () => void probe());
  }

  async function sweep(): Promise<void> {
    try {
      await sweepOnce();
    } catch (error) {
      log.error("cannot clean up", { error: error instanceof Error ? error.message : String(error) });
    }
    if (!stopped) cancelSweep = clock.after(sweepMs, () => void (sweeping = sweep()));
  }

  async function sweepOnce(): Promise<void> {
    const now = clock.now();
    if (!strayed) for (const name of history.names()) await history.dropStrays(name);
    strayed = true; // only a crash leaves them: once a start is enough
    for (const name of history.names()) {
      const document = history.document(name);
      if (document === undefined) continue;
      if (isForgotten(document, deps.keepRemovedMs, now)) {
        await history.forget(name);
        log.info("removed batch forgotten", { batch: name });
        continue;
      }
      const expired = selectExpired(document, deps.keepOf(name) ?? mostKept, deps.isRunOpen, now);
      if (expired.length > 0) await history.drop(name, expired);
    }
    const gone = await deps.revisions.collect(referenced);
    if (gone > 0) log.info("revisions collected", { count: gone });
  }

  /** In force, running, or named by an execution that is kept. */
  function referenced(): Set<Revision> {
    const revisions = new Set(deps.inUse());
    for (const name of history.names()) {
      const document = history.document(name);
      if (document?.revision != null && document.removedAt === null) revisions.add(document.revision);
      for (const { revision } of document?.executions ?? []) if (revision !== null) revisions.add(revision);
    }
    return revisions;
  }

  return {
    start() {
      cancelResync = clock.after(deps.resyncMs(), () => void resyncNow());
      cancelSweep = clock.after(sweepMs, () => void (sweeping = sweep()));
      void probe();
    },
    async stop() {
      stopped = true;
      cancelResync();
      cancelSweep();
      cancelProbe();
      await Promise.all([current, sweeping]);
    },
    resyncNow,
  };
}
