// The composition root: opens the rooms from the bottom up, wires them, and starts them in order.
import { resolve } from "node:path";
import type { Config } from "./config.ts";
import { openExecutions } from "./executions/open.ts";
import { openHistory } from "./history/open.ts";
import { openHousekeeping } from "./housekeeper.ts";
import { openHttp } from "./http/open.ts";
import { changedFilesFinder } from "./http/views/changes.ts";
import { DashboardAddress } from "./http/views/dashboard-address.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { Logger } from "./logger.ts";
import { createLogFollowers } from "./logs/follow.ts";
import { createLogStore } from "./logs/store.ts";
import { openNotifications } from "./notify/open.ts";
import { createIds, systemClock as clock } from "./platform/clock.ts";
import { openDataFolder } from "./platform/data-folder.ts";
import { openReconcile } from "./reconcile/open.ts";
import { allowListOf } from "./runners/kubernetes/options.ts";
import { readBootId } from "./runners/local/runner.ts";
import { openRunner } from "./runners/open.ts";
import { loadReaders } from "./sources/archive/unpack.ts";
import { openSources } from "./sources/open.ts";
import { createCatalog, type LeaseStatus } from "./status.ts";

export interface Agent {
  /** Where it serves: `http://127.0.0.1:8080`. */
  url: string;
  /** Looks over the whole folder now, and asks the repository first where one is followed. */
  resync: () => Promise<void>;
}

export interface AgentDeps {
  log: Logger;
  env: Readonly<Record<string, string | undefined>>;
  version: string;
  /** May be drained and stopped while the agent starts; `stop` undoes everything that was started. */
  lifecycle: Lifecycle;
  /** Called when another agent has taken the data folder over: this one must end at once and leave all as it is. */
  onLockLost: () => void;
  /** Where several agents take turns: which turn this is, what keeps it from acting after it, and what it says. */
  lease?: { epoch: number; fence: () => void; health: () => LeaseStatus };
}

/**
 * Starts the agent on `folder`, which counts for nothing with --git-url. Throws ConfigError or StoreError when it
 * cannot serve at all; what was started by then is stopped.
 */
export async function startAgent(folder: string, config: Config, deps: AgentDeps): Promise<Agent> {
  try {
    return await start(folder, config, deps);
  } catch (error) {
    await deps.lifecycle.stop();
    throw error;
  }
}

async function start(folder: string, config: Config, deps: AgentDeps): Promise<Agent> {
  const { log, env, version, lifecycle, onLockLost, lease } = deps;
  const { timeZone, timeZoneNote, graceMs, logLimitBytes } = config;
  const dataDir = resolve(config.data);
  const lock = { bootId: readBootId(), now: clock.now, log, onLost: onLockLost, ...(lease && { epoch: lease.epoch }) };
  const { folders, release } = await openDataFolder(dataDir, lock);
  const { ensure } = folders;
  lifecycle.onStop(release);
  if (timeZoneNote !== null) log.warn(`time zone: ${timeZoneNote}`, { timeZone });

  const history = await openHistory(dataDir, { clock, log, ensure, ...(lease && { fence: lease.fence }) });
  lifecycle.onStop(() => history.close());
  const basics = { clock, log, ensure, recorder: history.recorder, reader: history.reader };
  const forRunner = { ...basics, env, version, fence: lease?.fence };
  const { runner, cluster, hasBash } = await openRunner(dataDir, config, forRunner);
  lifecycle.onStop(() => runner.close());

  const sources = await openSources({ ...config, dataDir, ensure, folder, env, clock, log });
  const { revisions, watch } = sources;
  const kubernetes = config.kubernetes && allowListOf(config.kubernetes);
  const reconcile = openReconcile({ ...config, kubernetes }, { ...basics, ...sources });
  const { inForce, reconciler } = reconcile;
  const guard = sources.createGuard((name) => reconciler.read(name));

  const [logs, followers] = [createLogStore(dataDir), createLogFollowers(dataDir, clock)];
  const address = new DashboardAddress(config.baseUrl);
  const notifications = await openNotifications({
    ...{ ...basics, dataDir, version, config, logs, followers, inForce },
    linkTo: address.of,
    changedSince: changedFilesFinder({ history: history.reader, revisions, monotonic: clock.monotonic }),
  });
  const { executor, scheduler, lateness, commands } = await openExecutions({
    ...{ ...basics, dataDir, runner, inForce, notifier: notifications.notifier, maxParallel: config.maxParallel },
    ...{ newId: createIds(history.newestId()), checkRevision: guard.check },
  });

  const kept = { ...basics, ...reconcile, folders, revisions, logs, executor };
  const { housekeeper, logLimit, dataTrouble } = openHousekeeping(dataDir, config, kept);
  const follower = sources.createFollower(housekeeper.resyncNow);

  const catalog = createCatalog({
    ...{ version, timeZone, timeZoneNote, inForce, scheduler, reconciler, watch, executor, notifications, hasBash },
    ...{ follower, cluster, lease: lease ?? null },
    isStarted: () => lifecycle.state !== "starting",
    dataTrouble: () => history.trouble() ?? dataTrouble(),
    otherProblems: () => [...folders.problems(), ...history.problems(), ...guard.problems()],
  });
  const server = await openHttp(config, {
    ...{ ...basics, ...sources, catalog, logs, followers, inForce, reconciler, version, logLimitBytes },
    ...(cluster && { cluster: () => ({ ...cluster.counts(), leading: lease?.health().leading ?? null }) }),
  });
  lifecycle.onStop(() => server.close());
  address.servedAt(server.linkUrl);

  // All is watched before it is read: what changes meanwhile is noticed.
  lifecycle.onStop(() => watch.close());
  await watch.start({ onDirty: (path) => reconciler.dirty(path), onDegraded: () => void housekeeper.resyncNow() });
  lifecycle.onDrain(() => void reconciler.stop());
  lifecycle.onStop(() => reconciler.stop());
  await reconciler.resync();
  lifecycle.onStop(() => notifications.notifier.stop());
  await notifications.notifier.start();
  lifecycle.onDrain(() => executor.drain());
  lifecycle.onStop(() => executor.stop(graceMs));
  executor.resume();
  lifecycle.onDrain(() => void executor.stop(graceMs)); // their grace begins now, whatever is stopped first
  lifecycle.onDrain(() => scheduler.stop());
  const problemLoop = notifications.createProblemLoop(catalog.agentProblems);
  for (const loop of [scheduler, commands, lateness, logLimit, housekeeper, follower, problemLoop])
    if (loop !== null) await lifecycle.startLoop(loop);
  lifecycle.started();
  await loadReaders();
  return { url: server.url, resync: () => (follower?.pollNow() ?? Promise.resolve()).then(housekeeper.resyncNow) };
}
