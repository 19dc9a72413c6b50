// `batch-agent run`: the agent in the foreground, until it is told to stop.
import { stat } from "node:fs/promises";
import { startAgent, type Agent } from "../agent.ts";
import { readConfig, type Config } from "../config.ts";
import { ConfigError, UsageError } from "../errors.ts";
import { createLogger, type OwnLog } from "../platform/log.ts";
import { thisMachine } from "./machine.ts";

/** Starts the agent and says where its dashboard is. Throws ConfigError or StoreError. */
export async function run(
  dir: string | undefined,
  flags: Readonly<Record<string, string | boolean | undefined>>,
  deps: {
    env: Readonly<Record<string, string | undefined>>;
    people: boolean;
    version: string;
    onLog: (log: OwnLog) => void;
    onLockLost: () => void;
  },
): Promise<{ agent: Agent; config: Config }> {
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
      "name it as in `batch-agent run path/to/batches.d`, or make it",
    );
  }
  const log = createLogger({ level: config.logLevel, people: deps.people });
  deps.onLog(log);
  const source = config.git === null ? folder : "the repository of --git-url";
  const start = (own: Config, lease?: Lease) =>
    startAgent(folder, own, {
      ...{ log, env: deps.env, version: deps.version, onLockLost: deps.onLockLost },
      ...(lease === undefined ? {} : { lease }),
    });
  if (config.kubernetes?.lease != null) {
    const { leadOrStandBy } = await import("./lead.ts");
    const agent = await leadOrStandBy(config, start, { log, source, ...deps });
    return { agent, config };
  }
  const agent = await start(config);
  log.info(`batch-agent ${deps.version} runs ${source}; dashboard: ${agent.url}`, { url: agent.url });
  return { agent, config };
}

type Lease = NonNullable<Parameters<typeof startAgent>[2]["lease"]>;
