// `batch-agent run`: the agent in the foreground, until it is told to stop.
import { stat } from "node:fs/promises";
import { startAgent, type Agent, type AgentDeps } from "../agent.ts";
import { readConfig, type Config } from "../config.ts";
import { ConfigError, UsageError } from "../errors.ts";
import { Lifecycle } from "../lifecycle.ts";
import { createLogger, type OwnLog } from "../platform/log.ts";
import { thisMachine } from "./machine.ts";

/** What a signal needs of an agent, also while it starts. */
export interface Starting {
  log: OwnLog;
  lifecycle: Lifecycle;
  config: Config;
}

/** Starts the agent and says where its dashboard is. Throws ConfigError or StoreError. */
export async function run(
  dir: string | undefined,
  flags: Readonly<Record<string, string | boolean | undefined>>,
  deps: {
    env: Readonly<Record<string, string | undefined>>;
    people: boolean;
    version: string;
    /** Called before anything is started, so that it can be drained and stopped from then on. */
    onStarting: (own: Starting) => void;
    onLockLost: () => void;
  },
): Promise<Agent> {
  const config = readConfig(flags, deps.env, thisMachine(deps.env));
  if (config.git !== null && dir !== undefined) {
    throw new UsageError(
      `it is either the folder ${dir} or --git-url`,
      "with --git-url, name the folder in the repository with --git-path",
    );
  }
  const folder = dir ?? "batches.d";
  const info = await stat(folder).catch(() => null);
  if (config.git === null && !info?.isDirectory()) {
    throw new ConfigError(
      `there is no folder of batches at ${folder}`,
      "name it as in `batch-agent run path/to/batches.d`, or make a first one by `batch-agent init`",
    );
  }
  const log = createLogger({ level: config.logLevel, people: deps.people });
  const lifecycle = new Lifecycle(log);
  deps.onStarting({ log, lifecycle, config });
  const source = config.git === null ? folder : "the repository of --git-url";
  const { env, version, onLockLost } = deps;
  const start = (own: Config, lease?: AgentDeps["lease"]) =>
    startAgent(folder, own, { log, env, version, lifecycle, onLockLost, ...(lease && { lease }) });
  if (config.kubernetes?.lease != null) {
    const { leadOrStandBy } = await import("./lead.ts");
    return leadOrStandBy(config, start, { log, env, version, lifecycle, onLockLost, source });
  }
  const agent = await start(config);
  log.info(`batch-agent ${version} runs ${source}; dashboard: ${agent.url}`, { url: agent.url });
  return agent;
}
