// Options that several commands share, and how their values are read.
import { InvalidArgumentError, Option, type Command } from "commander";
import { closest } from "../../definitions/suggest.ts";
import { maxNoteChars } from "../../executions/port.ts";
import { parseInstant, parsePast } from "../../text/instant.ts";

/** Options of every command that asks a running agent. */
export interface ConnectionOptions {
  url?: string;
  tokenFile?: string;
}

export function connectionOptions(command: Command): Command {
  return command
    .option(
      "--url <url>",
      "where the agent serves (default: $BATCH_AGENT_URL, else $BATCH_AGENT_HOST and $BATCH_AGENT_PORT, else " +
        "http://127.0.0.1:8080)",
    )
    .option("--token-file <file>", "holds the agent's token (default: $BATCH_AGENT_TOKEN_FILE)");
}

export function noteOption(): Option {
  return new Option("--note <text>", "why, for the record; at most 1,000 characters").argParser((text) => {
    if (text.length <= maxNoteChars) return text;
    throw new InvalidArgumentError(`it has ${text.length} characters, more than ${maxNoteChars}`);
  });
}

/** Reads the name of a batch, or an id. */
export function named(text: string): string {
  if (text === "") throw new InvalidArgumentError("it is empty");
  return text;
}

/** Makes `--param NAME=VALUE`, which may be repeated. */
export function paramOption(): Option {
  return new Option("--param <name=value>", "set a parameter that the batch declares; may be repeated").argParser(
    (text: string, before: Record<string, string> | undefined) => {
      const at = text.indexOf("=");
      if (at < 1) throw new InvalidArgumentError("it must be NAME=VALUE");
      return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
    },
  );
}

/** Reads an ISO 8601 time, in milliseconds since the epoch. */
export function dateTime(text: string): number {
  const at = parseInstant(text);
  if (at === null) throw new InvalidArgumentError("it must be an ISO 8601 time such as 2026-11-24T02:00:00Z");
  return at;
}

export function positive(text: string): number {
  if (!/^\d+$/.test(text) || Number(text) < 1 || Number(text) > 100_000)
    throw new InvalidArgumentError("a whole number from 1 to 100000");
  return Number(text);
}

/** Adds the data folder of the agent on this machine. */
export function dataOption(command: Command): Command {
  return command.option("--data <folder>", "the agent's data folder (default: data, or $BATCH_AGENT_DATA)");
}

export function dataFolder(flag: string | undefined, env: Readonly<Record<string, string | undefined>>): string {
  return flag ?? (env["BATCH_AGENT_DATA"] || "data");
}

/** Reads a time, or how long ago. */
export function pastTime(text: string): number {
  const at = parsePast(text, Date.now());
  if (at === null)
    throw new InvalidArgumentError(
      "it must be a duration such as 24h, or an ISO 8601 time such as 2026-11-24T02:00:00Z",
    );
  return at;
}

/** Returns a reader of words out of `known`, several with commas between or the option repeated. */
export function wordsOf(known: readonly string[]): (text: string, before?: readonly string[]) => string[] {
  return (text, before = []) => {
    const words = text.split(",").map((word) => word.trim());
    const wrong = words.find((word) => !known.includes(word));
    if (wrong !== undefined) {
      const near = closest(wrong, known);
      throw new InvalidArgumentError(near === null ? `it is one of ${known.join(", ")}` : `did you mean ${near}?`);
    }
    return [...before, ...words];
  };
}

/** Puts the values of an option that may be repeated together. */
export function joined(text: string, before: string | undefined): string {
  return before === undefined ? text : `${before},${text}`;
}
