// Which agent `status`, `logs` and `plan` ask, and with which token.
import { readFile } from "node:fs/promises";
import { ConfigError, UsageError } from "../errors.ts";
import { createClient, type AgentClient } from "./agent-client.ts";
import { trimEndOf } from "../text/trim.ts";

type Env = Readonly<Record<string, string | undefined>>;

export interface ConnectOptions {
  url?: string | undefined;
  tokenFile?: string | undefined;
}

/**
 * The address: --url, else BATCH_AGENT_URL, else where an agent with these settings (BATCH_AGENT_HOST, BATCH_AGENT_PORT, so the
 * `.env` beside it) serves on this machine. No `/` at its end. Throws ConfigError.
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

/** Throws ConfigError when the address is none or the token cannot be read. */
export async function connect(options: ConnectOptions, env: Env): Promise<AgentClient> {
  const path = options.tokenFile ?? (env["BATCH_AGENT_TOKEN_FILE"] || undefined);
  return createClient(agentUrl(options.url, env), path === undefined ? null : await readToken(path));
}

async function readToken(path: string): Promise<string> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw new ConfigError(
      `cannot read the token: ${error instanceof Error ? error.message : String(error)}`,
      "--token-file or BATCH_AGENT_TOKEN_FILE names the file",
    );
  });
  const token = text.trim();
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new ConfigError(`${path} holds no token: one line of printable characters without blanks`);
  return token;
}
