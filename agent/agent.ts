// The composition root: builds the adapters, wires the loops, starts in order, stops in reverse order.
import { messageOf } from "./errors.ts";
import { realpathSync } from "node:fs";
import { hostname } from "node:os";
import { resolve, join } from "node:path";
import type { Config } from "./config.ts";
import { createExecutor } from "./executions/executor.ts";
import { createCommandBox } from "./executions/command-box.ts";
import { createCommandLoop } from "./executions/command-loop.ts";
import { openHistory } from "./history/open.ts";
import { createHousekeeper } from "./housekeeper.ts";
import { createFeed } from "./http/api/feed.ts";
import { createMetrics } from "./http/api/metrics.ts";
import { createApp } from "./http/app.ts";
import { isLoopback } from "./text/loopback.ts";
import { createStreams } from "./http/protocol/streams.ts";
import { pathOfBase } from "./http/protocol/base-path.ts";
import { listen } from "./http/server.ts";
import { changesOf } from "./http/views/changes.ts";
import type { Logger } from "./logger.ts";
import { createLogTaps } from "./logs/follow.ts";
import { createLogStore } from "./logs/store.ts";
import type { Batch, BatchStatus } from "./model/batch.ts";
import type { BatchName } from "./model/ids.ts";
import type { Problem } from "./model/problem.ts";
import { createDeliveries } from "./notify/deliveries.ts";
import { createNotifier } from "./notify/notifier.ts";
import { createOutbox } from "./notify/outbox.ts";
import { readSmtpUrl } from "./notify/mail-url.ts";
import { createPinger } from "./notify/ping.ts";
import { openWebhookCaller } from "./notify/webhook.ts";
import { createIds, systemClock } from "./platform/clock.ts";
import { makeFolder } from "./platform/files.ts";
import { takeLock } from "./platform/lock.ts";
import { createProbe } from "./platform/probe.ts";
import { openTokenFile } from "./platform/token.ts";
import { createReconciler, type Reconciler } from "./reconcile/reconciler.ts";
import { baseEnvironment } from "./runners/environment.ts";
import { allowListOf } from "./runners/kubernetes/options.ts";
import { createRunner, hasBash, readBootId } from "./runners/local/runner.ts";
import { createScheduler } from "./schedule/scheduler.ts";
import { createUnpacker, loadReaders } from "./sources/archive/unpack.ts";
import { createCommits, noCommits } from "./sources/commit-info.ts";
import { createSource } from "./sources/folder.ts";
import { createGroupStore } from "./sources/group-store.ts";
import { createFollower, type Follower } from "./sources/git-follower.ts";
import { openRemote } from "./sources/git.ts";
import { createRevisionGuard } from "./sources/revision-guard.ts";
import { clearLeftovers, createRevisions } from "./sources/revisions.ts";
import { createSettingsFiles } from "./sources/settings-files.ts";
import { unlimited } from "./sources/tree.ts";
import { createWatch } from "./sources/watch.ts";
import { createWorkTree } from "./sources/worktree.ts";
import { ownTroubles, runnerStatus, tellingTroubles, type Catalog, type LeaseStatus } from "./status.ts";

/** While events cannot be had, the folder is looked over this often, or ten times as long as one look takes. */
const pollMs = 2_000;

/** An archive that grew within this time is not unpacked yet. */
const archiveQuietMs = 100;

export interface Agent {
  /** Tells where it serves, `http://127.0.0.1:8080`. */
  url: string;
  /** Looks over the whole folder now. */
  resync: () => Promise<void>;
  /**
   * Ends in order: no new starts, running ones ended and recorded, all written, the lock given back. False if some of
   * it failed.
   */
  stop: () => Promise<boolean>;
}

/**
 * Starts the agent on the folder `given`, which counts for nothing with --git-url. Throws ConfigError or StoreError
 * when it cannot serve at all.
 */
export async function startAgent(
  given: string,
  config: Config,
  deps: {
    log: Logger;
    env: Readonly<Record<string, string | undefined>>;
    version: string;
    /** Called when another agent has taken the data folder over: this one must end at once and leave all as it is. */
    onLockLost: () => void;
    /** Where several agents take turns: which turn this is, what keeps it from acting after it, and what it says. */
    lease?: { epoch: number; fence: () => void; health: () => LeaseStatus };
  },
): Promise<Agent> {
  const clock = systemClock;
  const { log, version } = deps;
  const dataDir = resolve(config.data);
  const unlock = await takeLock(
    dataDir,
    readBootId(),
    clock.now,
    (holder) => {
      log.error(`the agent with ${holder} has taken over the data folder; this one ends and leaves all to it`);
      deps.onLockLost();
    },
    (aside) => log.error("something that is no lock lay in the place of agent.lock; it was set aside", { path: aside }),
    deps.lease?.epoch,
  );
  const undo: (() => Promise<void> | undefined)[] = [unlock];
  /** At once, whatever else is still to be waited for: no new starts, and what runs has its grace from now on. */
  let drain: () => void = () => undefined;
  const stopAll = async () => {
    let well = true;
    drain();
    for (const step of undo.splice(0).reverse()) {
      await step()?.catch((error: unknown) => {
        well = false;
        log.error("while stopping", { error: messageOf(error) });
      });
    }
    return well;
  };
  try {
    for (const name of ["batches", "journal", "revisions"])
      await makeFolder(join(dataDir, name), clock.now(), (aside) =>
        log.error(`something else lay in the place of the folder ${name}; it was set aside`, { path: aside }),
      );
    const baseEnv = baseEnvironment(deps.env);
    const userAgent = `batch-agent/${version}`;
    const metrics = createMetrics({ version, catalog: () => catalog, history: () => reader });
    const history = await openHistory(dataDir, {
      ...{ clock, log },
      ...(deps.lease === undefined ? {} : { fence: deps.lease.fence }),
    });
    const { recorder, reader } = history;
    undo.push(() => history.close());
    const { logLimitBytes } = config;
    const cluster =
      config.kubernetes === null
        ? null
        : (await import("./runners/kubernetes/open.ts")).openKubernetes(config.kubernetes, dataDir, {
            ...{ clock, log, baseEnv, logLimitBytes, userAgent, env: deps.env, random: Math.random },
            onRecord: (id) => (reader.isOpen(id) ? "open" : recorder.runKeyOf(id) === undefined ? "unknown" : "ended"),
            fence: deps.lease?.fence ?? (() => undefined),
          });
    const runner = cluster ?? createRunner(dataDir, { clock, log, baseEnv, logLimitBytes });
    undo.push(() => runner.close());
    if (cluster !== null) {
      const leading = () => deps.lease?.health().leading ?? null;
      metrics.addKubernetes(() => ({ ...cluster.counts(), leading: leading() }));
    }
    recorder.subscribe((_seq, change, before) => {
      if (change.kind === "put") metrics.changed(change.execution, before);
    });
    const feed = createFeed({ clock, recorder, events: reader.events });
    const archiveLimits = { entries: config.archiveEntries, bytes: config.archiveBytes };
    const remote =
      config.git === null ? null : await openRemote(dataDir, { ...config.git, limits: archiveLimits }, deps.env);
    const dir = remote?.folder ?? given;
    let follower: Follower | null = null;
    const unpack = createUnpacker(join(dataDir, "revisions"), archiveLimits);
    const shownAs: { shownAs?: string } = config.git === null ? {} : { shownAs: config.git.path || "." };
    await clearLeftovers(dataDir, log);
    const except = realpathSync.native(dataDir);
    const source = createSource(dir, { unpack, quietMs: archiveQuietMs, except, ...shownAs });
    const stored = (home: string) => createSource(home, { limits: unlimited });
    const revisions = createRevisions(dataDir, dir, stored, unpack);
    const guard = createRevisionGuard({ revisions, reload: (name) => reconciler.read(name), log });
    const logs = createLogStore(dataDir);
    const probe = createProbe(dataDir);
    let ready = false;
    let saidNoMail = false;

    const smtpUrl = config.smtpUrlFile === null ? config.smtpUrl : readSmtpUrl(config.smtpUrlFile);
    const mailer =
      smtpUrl === null
        ? null
        : (await import("./notify/mail.ts")).createMailer(smtpUrl, {
            from: config.mailFrom,
            hostname: hostname(),
          });
    const webhooks = await openWebhookCaller({ clock, secretFile: config.webhookSecretFile, userAgent });
    const pings = createPinger({ clock, userAgent });
    const outbox = createOutbox(dataDir, { clock, log });
    const deliveries = createDeliveries({
      clock,
      log,
      outbox,
      couriers: { mail: mailer, webhook: webhooks, ping: pings },
    });
    const notifier = createNotifier({
      clock,
      log,
      recorder,
      reader,
      logs,
      outbox,
      deliveries,
      batchOf: (name) => reconciler.entry(name)?.batch ?? null, // also of one whose chain has broken while it ran
      mails: mailer !== null,
      linkTo: ({ id }) => `${config.baseUrl ?? server.linkUrl}/executions/${id}`,
      async changedSince(execution) {
        const { from, files } = await changesOf(execution, { history: reader, revisions, now: clock.now });
        const since = from === null ? null : ((await reader.find(from.execution))?.finishedAt ?? null);
        return since === null || files === null ? null : { since, files: files.map(({ path }) => path) };
      },
    });
    const executor = createExecutor({
      clock,
      newId: createIds(history.newestId()),
      recorder,
      reader,
      runner,
      log,
      maxParallel: config.maxParallel,
      definition: (name) => definitionOf(reconciler.entry(name)),
      graph: () => reconciler.graph(),
      checkRevision: guard.check,
      notifier,
    });
    const scheduler = createScheduler({ clock, onDue: executor.due });
    let onDegraded: () => void = () => undefined;
    const watch = createWatch(dir, {
      poll: config.poll,
      log,
      except,
      onDirty: (name) => reconciler.dirty(name),
      onDegraded: () => onDegraded(),
    });
    const reconciler: Reconciler = createReconciler({
      source,
      workTree:
        remote === null
          ? createWorkTree(dir, (why) =>
              log.warn("the commit of the folder cannot be told: git's files cannot be read", { error: why }),
            )
          : { look: () => Promise.resolve({ commit: remote.commit(), lockedAt: null }) },
      groupStore: createGroupStore(dataDir),
      revisions,
      recorder,
      clock,
      log,
      timeZone: config.timeZone,
      kubernetes: config.kubernetes === null ? null : allowListOf(config.kubernetes),
      watching: () => watch.mode() === "inotify",
      isAwaited: () => remote !== null && remote.commit() === null,
      onApplied: (name, batch) => reschedule(name, batch),
      onPass: metrics.reconciled,
      onStatus: feed.batch,
    });

    function reschedule(name: BatchName, batch: Batch | null): void {
      if (mailer === null && !saidNoMail && asksForMail(batch)) {
        saidNoMail = true;
        log.warn("a batch asks for mail, and the agent has no --smtp-url: no mail is sent", { batch: name });
      }
      const covered = recorder.head(name)?.schedule?.coveredUntil;
      if (batch === null || !batch.enabled || batch.schedule === null || covered === undefined) scheduler.remove(name);
      else scheduler.set(batch, Date.parse(covered));
    }

    /** Said wherever it is looked for. */
    const own = () =>
      ownTroubles({
        data: history.trouble() ?? probe.trouble(),
        git: gitTrouble(),
        bash: cluster !== null || hasBash(baseEnv),
      });
    const telling = () =>
      tellingTroubles(
        mailer === null ? reconciler.entries().flatMap(({ name, batch }) => (asksForMail(batch) ? name : [])) : [],
        deliveries.trouble(),
      );
    const gitTrouble = () => {
      const { error = null, ambiguous = false, unverified = false } = follower?.health() ?? {};
      return error === null ? null : { error, ambiguous, unverified };
    };
    /** Before the first commit is there, git's trouble says it better. */
    const rootProblem = () =>
      follower !== null && follower.health().commit === null ? null : reconciler.rootProblem();
    function problems(): Problem[] {
      const root = rootProblem();
      const ofBatches = [...reconciler.groupProblems(), ...reconciler.entries().flatMap((entry) => entry.problems)];
      return [
        ...own(),
        ...telling(),
        ...(root === null ? [] : [root]),
        ...history.problems(),
        ...guard.problems(),
        ...ofBatches,
      ];
    }

    const catalog: Catalog = {
      batches: reconciler.entries,
      batch: reconciler.entry,
      next: (name, count) => scheduler.next(name, count).map((at) => new Date(at).toISOString()),
      nextDueAt: scheduler.first,
      groups: reconciler.groups,
      pool: reconciler.pool,
      problems,
      edges: () => reconciler.graph().edges,
      notReady: () => [
        ...(ready || follower?.health().commit === null ? [] : ["the first reconcile is not done yet"]),
        ...(rootProblem() === null ? [] : [rootProblem()?.message ?? ""]),
        ...(follower === null || follower.health().commit !== null
          ? []
          : [
              follower.health().unverified
                ? `no commit of ${follower.health().url} could be verified yet: ${follower.health().error}`
                : `no commit of ${follower.health().url} could be fetched yet`,
            ]),
        ...own().flatMap(({ code, message }) => (/^git-/.test(code) ? [] : [message])),
      ],
      details: () => ({
        version,
        timeZone: config.timeZone,
        timeZoneNote: config.timeZoneNote,
        watch: { mode: watch.mode(), ...reconciler.health() },
        ...executor.counts(),
        batches: reconciler.entries().filter(({ state }) => state !== "removed").length,
        problems: problems().length,
        git: follower?.health() ?? null,
        runner: runnerStatus(cluster?.health() ?? null),
        lease: deps.lease?.health() ?? null,
      }),
    };
    const access = {
      token: config.tokenFile === null ? null : await openTokenFile(config.tokenFile, log),
      baseUrl: config.baseUrl,
    };
    const streams = createStreams((error) => log.error("a reader could not be told more", { error: String(error) }));
    const taps = createLogTaps(dataDir, clock);
    const app = createApp({
      catalog,
      history: reader,
      logs,
      metrics,
      access,
      taps,
      revisions,
      settings: createSettingsFiles(dir, shownAs.shownAs),
      commits:
        remote === null ? noCommits : createCommits(join(dataDir, "git", "repo.git"), remote.url, deps.env["PATH"]),
      feed,
      streams,
      logLimitBytes: config.logLimitBytes,
      clock,
      log,
      version,
    });
    if (config.timeZoneNote !== null) log.warn(`time zone: ${config.timeZoneNote}`, { timeZone: config.timeZone });
    if (config.tokenFile === null && !isLoopback(config.host)) {
      log.warn(
        `ANYBODY who reaches ${config.host}:${config.port} can read every log and definition: there is no token`,
        { hint: "give it one with --token-file, or serve on 127.0.0.1" },
      );
    }
    const server = await listen(app, {
      host: config.host,
      port: config.port,
      basePath: pathOfBase(config.baseUrl),
      onError: (error) => log.error("a connection could not be taken", { error: error.message }),
    });
    undo.push(() => server.close());
    undo.push(() => {
      streams.close();
      return undefined;
    });

    // All is watched before it is read: what changes meanwhile is told.
    undo.push(() => watch.close());
    await watch.start();
    undo.push(() => reconciler.stop());
    await reconciler.resync();
    undo.push(() => notifier.stop());
    await notifier.start();
    const box = createCommandBox(dataDir, clock.now);
    await box.open();
    executor.resume();
    let ended: Promise<void> | null = null;
    const endAll = () => (ended ??= executor.stop(config.graceMs));
    undo.push(endAll);
    drain = () => {
      scheduler.stop();
      void reconciler.stop();
      void endAll();
    };
    scheduler.start();
    undo.push(() => {
      scheduler.stop();
      return undefined;
    });
    const batchOf = (name: string) => definitionOf(reconciler.entry(name))?.batch ?? null;
    const commands = createCommandLoop({ clock, log, box, executor, recorder, reader, batchOf });
    commands.start();
    undo.push(() => commands.stop());
    ready = config.git === null || reconciler.rootProblem() === null; // else once a first commit has been looked over

    const housekeeper = createHousekeeper({
      clock,
      log,
      resyncMs: () => (watch.mode() === "poll" ? pollMs : config.resyncMs),
      async resync() {
        await watch.verify();
        await reconciler.resync();
      },
      async probe() {
        await probe.look();
        await reconciler.checkHead();
      },
      recorder,
      revisions,
      inUse: () => new Set([...executor.revisionsInUse(), ...reconciler.applying()]),
      isRunRead: (key) => executor.isRunRead(key),
      keepOf: (name) => reconciler.entry(name)?.batch?.keep,
      keepRemovedMs: config.keepRemovedMs,
    });
    onDegraded = () => void housekeeper.resyncNow();
    housekeeper.start();
    undo.push(housekeeper.stop);
    if (remote !== null && config.git !== null) {
      const { ref, intervalMs } = config.git;
      const { url } = remote;
      const onSwitched = async () => {
        await housekeeper.resyncNow();
        ready = true;
      };
      follower = createFollower({ clock, log, remote, url, ref, intervalMs, random: Math.random, onSwitched });
      follower.start();
      undo.push(follower.stop);
    }
    await loadReaders();
    return {
      url: server.url,
      async resync() {
        await follower?.lookNow();
        await housekeeper.resyncNow();
      },
      stop: stopAll,
    };
  } catch (error) {
    await stopAll();
    throw error;
  }
}

function definitionOf(status: BatchStatus | undefined) {
  if (status === undefined || status.state === "invalid" || status.batch === null || status.revision === null)
    return null;
  return { batch: status.batch, revision: status.revision, commit: status.commit };
}

function asksForMail(batch: Batch | null): boolean {
  return batch !== null && batch.enabled && (batch.notify?.mail.length ?? 0) > 0;
}
