// Options that several commands share, and how their values are read.
import { InvalidArgumentError, type Command } from "commander";

/** Options of every command that asks a running agent. */
export interface ConnectionOptions {
  url?: string;
  tokenFile?: string;
}

export function connectionOptions(command: Command): Command {
  return command
    .option(
      "--url <url>",
      "where the agent serves (default: $BATCH_AGENT_URL, else $BATCH_AGENT_HOST and $BATCH_AGENT_PORT, else http://127.0.0.1:8080)",
    )
    .option("--token-file <file>", "holds the agent's token (default: $BATCH_AGENT_TOKEN_FILE)");
}

/** Reads `--param NAME=VALUE`, which may be given often. */
export function parameter(text: string, before: Record<string, string>): Record<string, string> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("it must be NAME=VALUE");
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

/** Reads an ISO 8601 time, in milliseconds since the epoch. */
export function dateTime(text: string): number {
  const at = /^\d{4}-\d\d-\d\d(T|$)/.test(text) ? Date.parse(text) : NaN;
  if (Number.isNaN(at)) throw new InvalidArgumentError("it must be an ISO 8601 time such as 2026-11-24T02:00:00Z");
  return at;
}

export function positive(text: string): number {
  if (!/^\d+$/.test(text) || Number(text) < 1 || Number(text) > 100_000)
    throw new InvalidArgumentError("a whole number from 1 to 100000");
  return Number(text);
}

/** Puts the values of an option that may be given often together. */
export function joined(text: string, before: string | undefined): string {
  return before === undefined ? text : `${before},${text}`;
}
