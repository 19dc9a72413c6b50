// `batch-agent run`: the agent in the foreground, until it is told to stop.
import { stat } from "node:fs/promises";
import { startAgent, type Agent } from "../agent.ts";
import { readConfig, type Config } from "../config.ts";
import { ConfigError } from "../errors.ts";
import { createLogger } from "../io/log.ts";
import { thisMachine } from "./machine.ts";

/** Starts the agent and says where its dashboard is. Throws ConfigError or StoreError. */
export async function run(
  dir: string,
  flags: Readonly<Record<string, string | boolean | undefined>>,
  deps: { env: Readonly<Record<string, string | undefined>>; people: boolean; version: string; onLockLost(): void },
): Promise<{ agent: Agent; config: Config }> {
  const config = readConfig(flags, deps.env, thisMachine());
  const info = await stat(dir).catch(() => null);
  if (info === null || !info.isDirectory()) {
    throw new ConfigError(`there is no folder of batches at ${dir}`, "name it as in `batch-agent run path/to/batches.d`, or make it");
  }
  const log = createLogger({ level: config.logLevel, people: deps.people });
  const agent = await startAgent(dir, config, { log, env: deps.env, version: deps.version, onLockLost: deps.onLockLost });
  log.info(`batch-agent ${deps.version} runs ${dir}; dashboard: ${agent.url}`, { url: agent.url });
  return { agent, config };
}
