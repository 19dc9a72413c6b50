// One of several agents: it stands by until the Lease is its own, then it starts, on the same port.
import { hostname, networkInterfaces } from "node:os";
import { randomUUID } from "node:crypto";
import { resolve } from "node:path";
import type { Agent, AgentDeps } from "../agent.ts";
import type { Config } from "../config.ts";
import { messageOf } from "../errors.ts";
import { pathOfBase } from "../http/protocol/base-path.ts";
import { serveStandby } from "../http/standby.ts";
import { systemClock } from "../platform/clock.ts";
import { readEpoch } from "../platform/lock.ts";
import { createClient } from "../runners/kubernetes/client.ts";
import { findAccess } from "../runners/kubernetes/kubeconfig.ts";
import { Lease } from "../runners/kubernetes/lease.ts";
import { runnerStatus } from "../status.ts";

export interface LeadDeps extends Omit<AgentDeps, "lease"> {
  /** Words on what is run. */
  source: string;
}

/** Resolves once it serves, as the leader or beside it. Throws ConfigError. */
export async function leadOrStandBy(
  config: Config,
  start: (config: Config, lease: AgentDeps["lease"]) => Promise<Agent>,
  deps: LeadDeps,
): Promise<Agent> {
  const { log, version, lifecycle } = deps;
  const { kubernetes } = config;
  if (kubernetes?.lease == null) return Promise.reject(new Error("there is no --lease"));
  const name = kubernetes.lease;
  const access = findAccess(kubernetes.kubeconfig, deps.env);
  const namespace = kubernetes.namespace ?? access.namespace ?? "default";
  // A client of its own: pods must not make a renewal wait.
  const client = createClient(access, { clock: systemClock, userAgent: `batch-agent/${version}` });
  let url = "";
  const standby = await serveStandby({
    host: config.host,
    port: config.port,
    basePath: pathOfBase(config.baseUrl),
    leaderUrl: () => lease.leaderUrl(),
    details: () => standbyDetails(config, version, { namespace, server: access.server }, lease),
  });
  url = kubernetes.advertiseUrl ?? `http://${addressFor(config.host)}:${standby.port}`;
  const lease = new Lease({
    ...{ client, clock: systemClock, log, namespace, name, url },
    identity: `${hostname()}_${randomUUID()}`,
    onLost(why) {
      log.error(`this agent leads no more and ends at once: ${why}`, { lease: name });
      deps.onLockLost();
    },
  });
  lifecycle.onStop(() => client.close());
  lifecycle.onStop(() => lease.release()); // only now: whoever leads next finds everything written
  lifecycle.onStop(() => standby.close());
  const standing: { agent: Agent | null } = { agent: null };

  async function lead(epoch: number): Promise<Agent> {
    log.info("this agent leads", { lease: name, epoch });
    await standby.close();
    const dataDir = resolve(config.data);
    let hasLock = false;
    const fence = () => {
      lease.fence();
      const written = readEpoch(dataDir);
      hasLock ||= written === epoch;
      if (written !== null && written > epoch) lease.lose(`another agent leads, by ${dataDir}/agent.lock`);
      if (hasLock && written !== null && written !== epoch) throw new Error("this agent leads no more");
    };
    const agent = await start({ ...config, port: standby.port }, { epoch, fence, health: () => lease.health() });
    standing.agent = agent;
    log.info(`batch-agent ${version} runs ${deps.source}; dashboard: ${agent.url}`, { url: agent.url });
    return agent;
  }

  await lease.start();
  const handle: Agent = {
    get url() {
      return standing.agent?.url ?? standby.url;
    },
    resync: async () => standing.agent?.resync(),
  };
  if (lease.health().leading) {
    await lead(await lease.leading);
    return handle;
  }
  log.info(`batch-agent ${version} stands by, ${lease.health().holder ?? "nobody"} leads; dashboard: ${standby.url}`, {
    url: standby.url,
    lease: name,
  });
  void lease.leading.then(async (epoch) => {
    if (lifecycle.isDraining) return;
    try {
      await lead(epoch);
    } catch (error) {
      log.error("this agent cannot lead", { error: messageOf(error) });
      deps.onLockLost();
    }
  });
  return handle;
}

/** Of an address that stands for all, the first that others may reach. */
function addressFor(host: string): string {
  if (host !== "0.0.0.0" && host !== "::") return host.includes(":") ? `[${host}]` : host;
  const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  return addresses.find(({ internal, family }) => !internal && family === "IPv4")?.address ?? hostname();
}

/** A standby runs nothing: what it cannot know is empty. */
function standbyDetails(
  { timeZone, timeZoneNote }: Config,
  version: string,
  { namespace, server }: { namespace: string; server: string },
  lease: Lease,
) {
  return {
    ...{ version, timeZone, timeZoneNote, running: 0, queued: 0, batches: 0, problems: 0, git: null },
    watch: { mode: "poll", lastVerifiedAt: null, missedEvents: 0 },
    runner: runnerStatus({ namespace, server, watching: false, problem: null }),
    lease: lease.health(),
  };
}
