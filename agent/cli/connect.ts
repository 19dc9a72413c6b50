// Decides which agent `status`, `logs` and `plan` ask, and with which token.
import { realpath } from "node:fs/promises";
import { messageOf, ConfigError, UsageError } from "../errors.ts";
import { isWithin, readText } from "../platform/files.ts";
import { isLoopback } from "../text/loopback.ts";
import { createClient, type AgentClient } from "./agent-client.ts";
import { withheldToken } from "./dot-env.ts";
import { trimEndOf } from "../text/trim.ts";

const maxTokenBytes = 4_096;

type Env = Readonly<Record<string, string | undefined>>;

export interface ConnectOptions {
  url?: string | undefined;
  tokenFile?: string | undefined;
}

/**
 * The address: --url, else BATCH_AGENT_URL, else where an agent with these settings (BATCH_AGENT_HOST,
 * BATCH_AGENT_PORT, so the `.env` beside it) serves on this machine. No `/` at its end. Throws ConfigError.
 */
function agentUrl(flag: string | undefined, env: Env): string {
  const named = flag ?? (env["BATCH_AGENT_URL"] || undefined);
  if (named === undefined) {
    const host = env["BATCH_AGENT_HOST"] || "127.0.0.1";
    const reached = { "0.0.0.0": "127.0.0.1", "::": "::1" }[host] ?? host;
    return `http://${reached.includes(":") ? `[${reached}]` : reached}:${env["BATCH_AGENT_PORT"] || "8080"}`;
  }
  const from = flag === undefined ? "BATCH_AGENT_URL" : "--url";
  if (!URL.canParse(named) || !/^https?:$/.test(new URL(named).protocol)) {
    throw new UsageError(`${from}: "${named}" is not a URL`, "write it as http://127.0.0.1:8080");
  }
  return trimEndOf(named.split(/[?#]/, 1)[0] ?? "", "/");
}

/**
 * `dotEnv`: what of `env` stands in the `.env` of the working directory, which may be a checkout of others. The token
 * is not sent to an address from there unless the token stands there too. Throws ConfigError when the address is none
 * or the token cannot be read.
 */
export async function connect(options: ConnectOptions, env: Env, dotEnv: Env): Promise<AgentClient> {
  const url = agentUrl(options.url, env);
  const path = options.tokenFile ?? (env["BATCH_AGENT_TOKEN_FILE"] || undefined);
  if (path === undefined) return createClient(url, null);
  if (!isAddressOf(dotEnv, options.url, env)) return createClient(url, await readToken(path));
  const isFromFile = options.tokenFile === undefined && dotEnv["BATCH_AGENT_TOKEN_FILE"] !== undefined;
  // A file that names an address of its own may name any file that may hold a token.
  if (!isFromFile || (!isLoopback(new URL(url).hostname) && !(await isBelowHere(path))))
    return createClient(url, null, withheldToken(url));
  return createClient(url, await readToken(path));
}

function isAddressOf(dotEnv: Env, flag: string | undefined, env: Env): boolean {
  if (flag !== undefined) return false;
  if (env["BATCH_AGENT_URL"]) return dotEnv["BATCH_AGENT_URL"] !== undefined;
  return dotEnv["BATCH_AGENT_HOST"] !== undefined || dotEnv["BATCH_AGENT_PORT"] !== undefined;
}

async function isBelowHere(path: string): Promise<boolean> {
  const [here, file] = await Promise.all([realpath("."), realpath(path).catch(() => null)]);
  return file !== null && isWithin(here, file);
}

async function readToken(path: string): Promise<string> {
  const text = await readText(path, maxTokenBytes).catch((error: unknown) => {
    throw new ConfigError(
      `cannot read the token: ${messageOf(error)}`,
      "--token-file or BATCH_AGENT_TOKEN_FILE names the file",
    );
  });
  const token = text.trim();
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new ConfigError(`${path} holds no token: one line of printable characters without blanks`);
  return token;
}
