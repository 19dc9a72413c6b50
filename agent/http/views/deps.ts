// Describes what pages and API routes are given.
import type { Clock } from "../../async/clock.ts";
import type { HistoryReader } from "../../history/port.ts";
import type { Logger } from "../../logger.ts";
import type { LogFollowers, LogStore } from "../../logs/port.ts";
import type { Commits, SettingsFiles, Revisions } from "../../sources/port.ts";
import type { Catalog } from "../../status.ts";
import type { Feed } from "../api/feed.ts";
import type { Metrics } from "../api/metrics.ts";
import type { Access } from "../protocol/access.ts";
import type { Streams } from "../protocol/streams.ts";

export interface AppDeps {
  catalog: Catalog;
  history: HistoryReader;
  logs: LogStore;
  metrics: Metrics;
  access: Access;
  followers: LogFollowers;
  revisions: Pick<Revisions, "files">;
  feed: Feed;
  streams: Streams;
  /** No log grows beyond this many bytes. */
  logLimitBytes: number;
  settings: SettingsFiles;
  commits: Commits;
  clock: Clock;
  log: Logger;
  version: string;
}
