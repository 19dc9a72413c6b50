// Serves API, metrics and dashboard on the agent's address.
import type { InForce } from "../definitions/in-force.ts";
import type { HistoryReader, Recorder } from "../history/port.ts";
import type { Logger } from "../logger.ts";
import { maxDescriptors } from "../platform/descriptors.ts";
import { openTokenFile } from "../platform/token.ts";
import type { Reconciler } from "../reconcile/reconciler.ts";
import { isLoopback } from "../text/loopback.ts";
import { createFeed } from "./api/feed.ts";
import type { KubernetesCounts } from "./api/kubernetes-metrics.ts";
import { createMetrics } from "./api/metrics.ts";
import { createApp } from "./app.ts";
import { pathOfBase } from "./protocol/base-path.ts";
import { maxConnectionsFor } from "./protocol/connections.ts";
import { createStreams } from "./protocol/streams.ts";
import { listen, type HttpServer } from "./server.ts";
import type { AppDeps } from "./views/deps.ts";

export interface HttpSettings {
  host: string;
  port: number;
  tokenFile: string | null;
  baseUrl: string | null;
}

export interface HttpDeps extends Omit<AppDeps, "access" | "streams" | "history" | "metrics" | "feed"> {
  recorder: Recorder;
  reader: HistoryReader;
  inForce: Pick<InForce, "subscribe">;
  reconciler: Pick<Reconciler, "onPass">;
  /** What the Kubernetes runner counts; missing where scripts run on this machine. */
  cluster?: () => KubernetesCounts;
}

/** Listens when it resolves. Throws ConfigError when the address cannot be had or the token not be read. */
export async function openHttp({ host, port, tokenFile, baseUrl }: HttpSettings, deps: HttpDeps): Promise<HttpServer> {
  const { clock, log, recorder, reader, catalog, version, inForce, reconciler } = deps;
  const metrics = createMetrics({ version, catalog: () => catalog, history: () => reader });
  if (deps.cluster !== undefined) metrics.addKubernetes(deps.cluster);
  recorder.subscribe((_seq, change, before) => {
    if (change.kind === "put") metrics.changed(change.execution, before);
  });
  reconciler.onPass(metrics.reconciled);
  const feed = createFeed({ clock, recorder, events: reader.events });
  inForce.subscribe({ onStatus: feed.batch });
  const token = tokenFile === null ? null : await openTokenFile(tokenFile, log);
  const streams = createStreams((error) => log.error("event stream failed", { error: String(error) }));
  const app = createApp({
    ...deps,
    ...{ history: reader, metrics, feed, streams, access: { token, baseUrl } },
  });
  if (tokenFile === null && !isLoopback(host)) warnOfOpenAddress(log, host, port);
  const server = await listen(app, {
    ...{ host, port, basePath: pathOfBase(baseUrl), maxConnections: maxConnectionsFor(maxDescriptors()) },
    onError: (error) => log.error("a connection could not be taken", { error: error.message }),
  });
  return {
    ...server,
    async close() {
      streams.close();
      await server.close();
    },
  };
}

function warnOfOpenAddress(log: Logger, host: string, port: number): void {
  log.warn(`ANYBODY who reaches ${host}:${port} can read every log and definition: there is no token`, {
    hint: "give it one with --token-file, or serve on 127.0.0.1",
  });
}
