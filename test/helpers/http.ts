// The app over a real history and real log files on a temporary folder; only the catalog is literal. Each answer is
// held against the API's description.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../../agent/async/clock.ts";
import { createFeed } from "../../agent/http/api/feed.ts";
import { createMetrics } from "../../agent/http/api/metrics.ts";
import { createApp } from "../../agent/http/app.ts";
import type { Access } from "../../agent/http/protocol/access.ts";
import { runnerStatus } from "../../agent/status.ts";
import { createStreams } from "../../agent/http/protocol/streams.ts";
import { createLogFollowers } from "../../agent/logs/follow.ts";
import { createLogStore } from "../../agent/logs/store.ts";
import type { BatchStatus } from "../../agent/model/batch.ts";
import type { Execution } from "../../agent/model/execution.ts";
import type { Group } from "../../agent/model/group.ts";
import type { Problem } from "../../agent/model/problem.ts";
import { noCommits } from "../../agent/sources/commit-info.ts";
import { createSource } from "../../agent/sources/folder.ts";
import type { Commits } from "../../agent/sources/port.ts";
import { createRevisions } from "../../agent/sources/revisions.ts";
import { createSettingsFiles } from "../../agent/sources/settings-files.ts";
import type { Catalog } from "../../agent/status.ts";
import { checkAnswer } from "./contract.ts";
import { fakeClock } from "./fakes.ts";
import { openTestHistory } from "./history.ts";
import { t0 } from "./make.ts";
import { quietLog } from "./quiet.ts";
import { temporaryFolder } from "./tmp.ts";

export interface ServeOptions {
  batches?: BatchStatus[];
  groups?: Group[];
  /** By the pool's key. */
  poolUse?: Record<string, { running: number; waiting: number }>;
  /** By the execution's id. */
  waitingFor?: Record<string, string>;
  problems?: Problem[];
  notReady?: string[];
  /** A fake one at t0 unless given. */
  clock?: Clock;
  logLimitBytes?: number;
  maxStreams?: number;
  access?: Partial<Access>;
  commits?: Commits;
}

export async function serve(options: ServeOptions = {}) {
  const data = temporaryFolder();
  const clock = options.clock ?? fakeClock(t0);
  const log = quietLog();
  const metrics = createMetrics({ version: "test", catalog: () => catalog, history: () => history.reader });
  const history = await openTestHistory(data, { clock, log });
  history.recorder.subscribe((_seq, change, before) => {
    if (change.kind === "put") metrics.changed(change.execution, before);
  });
  const feed = createFeed({ clock, recorder: history.recorder, events: history.reader.events });
  const streams = createStreams(
    (error) => log.error("a reader could not be told more", { error: String(error) }),
    options.maxStreams,
  );
  const revisions = createRevisions(data, join(data, "batches.d"), createSource);
  const batches = options.batches ?? [];
  const catalog: Catalog = {
    batches: () => batches,
    batch: (name) => batches.find((batch) => batch.name === name),
    next: (_name, count) => Array.from({ length: count }, (_, i) => new Date(t0 + (i + 1) * 60_000).toISOString()),
    nextDueAt: () => t0 + 60_000,
    groups: () => ({
      names: (options.groups ?? []).map(({ name }) => name),
      inForce: new Map((options.groups ?? []).map((group) => [group.name, group])),
    }),
    poolUse: (group, name) => options.poolUse?.[`${group}:${name}`] ?? { running: 0, waiting: 0 },
    waitingFor: (id) => options.waitingFor?.[id],
    problems: () => options.problems ?? [],
    agentProblems: () => ({ problems: [], isWhole: true }),
    edges: () => [],
    notReady: () => options.notReady ?? [],
    details: () => ({
      watch: { mode: "inotify", lastVerifiedAt: null, missedEvents: 0 },
      running: 0,
      queued: 0,
      batches: 0,
      problems: 0,
      version: "test",
      timeZone: "UTC",
      timeZoneNote: null,
      git: null,
      runner: runnerStatus(null),
      lease: null,
    }),
  };
  const app = createApp({
    settings: createSettingsFiles(join(data, "batches.d")),
    catalog,
    history: history.reader,
    metrics,
    access: { token: null, baseUrl: null, ...options.access },
    logs: createLogStore(data),
    followers: createLogFollowers(data, clock),
    revisions,
    commits: options.commits ?? noCommits,
    feed,
    streams,
    logLimitBytes: options.logLimitBytes ?? 1024 ** 3,
    clock,
    log,
    version: "test",
  });
  const answer = app.request;
  app.request = async (input, init, ...rest) => {
    const response = await answer(input, init, ...rest);
    await checkAnswer(init?.method ?? "GET", input instanceof Request ? input.url : input.toString(), response);
    return response;
  };
  return {
    app,
    data,
    history,
    feed,
    streams,
    revisions,
    log,
    /** Saves an execution with logs. */
    async add(
      execution: Execution,
      logs: { stdout?: string | Uint8Array; stderr?: string | Uint8Array } = {},
    ): Promise<Execution> {
      await history.save(execution);
      const folder = join(data, "batches", execution.batch, "executions", execution.id);
      mkdirSync(folder, { recursive: true });
      for (const [name, text] of Object.entries(logs)) writeFileSync(join(folder, `${name}.log`), text);
      return execution;
    },
    async json<T>(path: string): Promise<T> {
      return (await (await app.request(path)).json()) as T;
    },
  };
}
