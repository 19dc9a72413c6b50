// The composition root: builds the parts, wires them, and starts them in order. What a part does is its own matter.
import { resolve } from "node:path";
import type { Config } from "./config.ts";
import { InForce } from "./definitions/in-force.ts";
import { createCommandBox } from "./executions/command-box.ts";
import { createCommandLoop } from "./executions/command-loop.ts";
import { createExecutor } from "./executions/executor.ts";
import { createLateness } from "./executions/late-loop.ts";
import { openHistory, type OpenHistory } from "./history/open.ts";
import { createLogLimit } from "./history/log-limit.ts";
import { createHousekeeper } from "./housekeeper.ts";
import { openHttp } from "./http/open.ts";
import { changedFilesFinder } from "./http/views/changes.ts";
import { DashboardAddress } from "./http/views/dashboard-address.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { Logger } from "./logger.ts";
import { createLogTaps } from "./logs/follow.ts";
import { createLogStore, totalBytes } from "./logs/store.ts";
import { openNotifications } from "./notify/open.ts";
import { createIds, systemClock } from "./platform/clock.ts";
import { openDataFolder } from "./platform/data-folder.ts";
import { createProbe } from "./platform/probe.ts";
import { Reconciler } from "./reconcile/reconciler.ts";
import { baseEnvironment } from "./runners/environment.ts";
import { allowListOf } from "./runners/kubernetes/options.ts";
import { createRunner, hasBash, readBootId } from "./runners/local/runner.ts";
import { createScheduler, followInForce } from "./schedule/scheduler.ts";
import { loadReaders } from "./sources/archive/unpack.ts";
import { openSources } from "./sources/open.ts";
import { createRevisionGuard } from "./sources/revision-guard.ts";
import { createWatch } from "./sources/watch.ts";
import { createCatalog, runnerStatus, type LeaseStatus } from "./status.ts";

/** While events cannot be had, the folder is looked over this often, or ten times as long as one look takes. */
const pollMs = 2_000;

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

async function start(folder: string, config: Config, deps: AgentDeps) {
  const { log, env, version, lifecycle, onLockLost, lease } = deps;
  const clock = systemClock;
  const dataDir = resolve(config.data);
  const lock = { bootId: readBootId(), now: clock.now, log, onLost: onLockLost, ...(lease && { epoch: lease.epoch }) };
  const { folders, release } = await openDataFolder(dataDir, lock);
  const { ensure } = folders;
  lifecycle.onStop(release);
  if (config.timeZoneNote !== null) log.warn(`time zone: ${config.timeZoneNote}`, { timeZone: config.timeZone });

  const baseEnv = baseEnvironment(env);
  const history = await openHistory(dataDir, { clock, log, ensure, ...(lease && { fence: lease.fence }) });
  const { recorder, reader } = history;
  lifecycle.onStop(() => history.close());
  const cluster = await openCluster(dataDir, config, { ...deps, baseEnv, recorder, reader });
  const { logLimitBytes } = config;
  const runner = cluster ?? createRunner(dataDir, { clock, log, baseEnv, logLimitBytes, ensure });
  lifecycle.onStop(() => runner.close());

  const archiveLimits = { entries: config.archiveEntries, bytes: config.archiveBytes };
  const sources = await openSources({ dataDir, ensure, folder, git: config.git, archiveLimits, env, clock, log });
  const { source, revisions, remote } = sources;
  const { timeZone, timeZoneNote } = config;
  const inForce = new InForce({ source, groupStore: sources.groupStore, recorder, clock, log, timeZone });
  const watch = createWatch(sources.dir, { poll: config.poll, log, except: sources.except });
  const reconciler = new Reconciler({
    ...{ source, inForce, workTree: sources.workTree, revisions, recorder, clock, log, timeZone },
    kubernetes: config.kubernetes === null ? null : allowListOf(config.kubernetes),
    isWatching: () => watch.mode() === "inotify",
    isAwaited: () => remote !== null && remote.commit() === null,
  });
  const guard = createRevisionGuard({ revisions, reload: (name) => reconciler.read(name), log });

  const logs = createLogStore(dataDir);
  const address = new DashboardAddress(config.baseUrl);
  const changedSince = changedFilesFinder({ history: reader, revisions, now: clock.now });
  const linkTo = (what: { id: string } | string | null) => address.of(what);
  const taps = createLogTaps(dataDir, clock);
  const telling = await openNotifications({
    ...{ dataDir, ensure, version, config, clock, log, recorder, reader, logs, taps, inForce, linkTo, changedSince },
  });
  const { notifier } = telling;
  const executor = createExecutor({
    ...{ clock, recorder, reader, runner, log, notifier, maxParallel: config.maxParallel },
    newId: createIds(history.newestId()),
    definition: (name) => inForce.definition(name),
    graph: () => inForce.graph(),
    pool: (group, name) => inForce.pool(group, name),
    checkRevision: guard.check,
  });
  const scheduler = createScheduler({ clock, onDue: executor.due });
  const lateness = createLateness({
    ...{ clock, log, recorder, reader, notifier },
    graph: () => inForce.graph(),
    inForce: (name) => inForce.definition(name)?.batch ?? null,
  });
  inForce.subscribe({ onConnected: executor.refresh });
  inForce.subscribe({ onApplied: lateness.applied });
  inForce.subscribe({ onApplied: followInForce(scheduler, (name) => recorder.head(name)?.schedule?.coveredUntil) });

  const probe = createProbe(dataDir, folders);
  const housekeeper = createHousekeeper({
    ...{ clock, log, recorder, revisions, keepRemovedMs: config.keepRemovedMs },
    resyncMs: () => (watch.mode() === "poll" ? pollMs : config.resyncMs),
    resync: () => watch.verify().then(() => reconciler.resync()),
    probe: () => probe.look().then(() => reconciler.checkHead()),
    inUse: () => new Set([...executor.revisionsInUse(), ...reconciler.applying()]),
    isRunRead: (key) => executor.isRunRead(key),
    keepOf: (name) => inForce.batch(name)?.batch?.keep,
  });
  const logLimit = createLogLimit({
    ...{ clock, log, recorder, reader, maxBytes: config.keepLogsBytes },
    runningBytes: () => totalBytes(logs, recorder.open()),
    isRunRead: (key) => executor.isRunRead(key),
  });
  const follower = sources.createFollower(() => housekeeper.resyncNow());

  const catalog = createCatalog({
    ...{ version, timeZone, timeZoneNote, inForce, scheduler, reconciler, watch },
    git: () => follower?.health() ?? null,
    isStarted: () => lifecycle.state !== "starting",
    counts: () => executor.counts(),
    runner: () => runnerStatus(cluster?.health() ?? null),
    lease: () => lease?.health() ?? null,
    hasBash: () => cluster !== null || hasBash(baseEnv),
    poolUse: executor.poolUse,
    waitingFor: executor.waitingFor,
    dataTrouble: () => history.trouble() ?? probe.trouble(),
    otherProblems: () => [...folders.problems(), ...history.problems(), ...guard.problems()],
    unsentMail: telling.unsentMail,
    undelivered: telling.undelivered,
  });
  const problemLoop = telling.createProblemLoop(catalog.agentProblems);
  const server = await openHttp(config, {
    ...{ catalog, recorder, reader, logs, taps, revisions, inForce, reconciler, clock, log, version },
    ...{ settings: sources.settings, commits: sources.commits, logLimitBytes: config.logLimitBytes },
    ...(cluster && { cluster: () => ({ ...cluster.counts(), leading: lease?.health().leading ?? null }) }),
  });
  lifecycle.onStop(() => server.close());
  address.servedAt(server.linkUrl);

  // All is watched before it is read: what changes meanwhile is noticed.
  lifecycle.onStop(() => watch.close());
  await watch.start({
    onDirty: (path) => reconciler.dirty(path),
    onDegraded: () => void housekeeper.resyncNow(),
  });
  lifecycle.onDrain(() => void reconciler.stop());
  lifecycle.onStop(() => reconciler.stop());
  await reconciler.resync();
  lifecycle.onStop(() => notifier.stop());
  await notifier.start();
  const box = createCommandBox(dataDir, clock.now, ensure);
  await box.open();
  lifecycle.onDrain(() => executor.drain());
  lifecycle.onStop(() => executor.stop(config.graceMs));
  executor.resume();
  lifecycle.onDrain(() => void executor.stop(config.graceMs)); // their grace begins now, whatever is stopped first
  lifecycle.onDrain(() => scheduler.stop());
  lifecycle.onStop(() => scheduler.stop());
  const batchOf = (name: string) => inForce.definition(name)?.batch ?? null;
  const commands = createCommandLoop({ clock, log, box, executor, recorder, reader, batchOf });
  lifecycle.onStop(() => commands.stop());
  lifecycle.onStop(() => lateness.stop());
  lifecycle.onStop(() => problemLoop.stop());
  lifecycle.onStop(() => logLimit.stop());
  lifecycle.onStop(() => housekeeper.stop());
  lifecycle.onStop(() => follower?.stop());
  if (!lifecycle.isDraining)
    for (const loop of [scheduler, lateness, logLimit, commands, housekeeper, follower]) loop?.start();
  lifecycle.started();
  await problemLoop.start();
  await loadReaders();
  return {
    url: server.url,
    resync: async () => {
      await follower?.lookNow();
      await housekeeper.resyncNow();
    },
  };
}

/** Returns the runner of pods; null where scripts run on this machine, and nothing of it is loaded then. */
async function openCluster(
  dataDir: string,
  { kubernetes, logLimitBytes }: Config,
  deps: AgentDeps & Pick<OpenHistory, "recorder" | "reader"> & { baseEnv: Record<string, string> },
) {
  if (kubernetes === null) return null;
  const { log, env, baseEnv, version, lease, recorder, reader } = deps;
  const { openKubernetes } = await import("./runners/kubernetes/open.ts");
  return openKubernetes(kubernetes, dataDir, {
    ...{ clock: systemClock, log, env, baseEnv, logLimitBytes, random: Math.random },
    userAgent: `batch-agent/${version}`,
    onRecord: (id) => (reader.isOpen(id) ? "open" : recorder.runKeyOf(id) === undefined ? "unknown" : "ended"),
    fence: lease?.fence ?? (() => undefined),
  });
}
