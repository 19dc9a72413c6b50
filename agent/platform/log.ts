// The agent's own log: pino, as JSON lines, or for people on a terminal.
import pino from "pino";
import { prettyFactory } from "pino-pretty";
import type { Logger } from "../logger.ts";
import { escapeControls } from "../text/untrusted.ts";
import { openLineWriter } from "./line-writer.ts";

export interface OwnLog extends Logger {
  /** Resolves when all is written, or after `ms`: whoever reads it may have stopped. */
  flush: (ms: number) => Promise<void>;
}

/**
 * Writes to stdout, which may be full, closed, slow or a stopped terminal: the agent neither ends nor waits for it.
 * `people`: coloured lines instead of JSON.
 */
export function createLogger(options: { level: string; people: boolean }): OwnLog {
  const lines = openLineWriter(1, (lost, why) => out.warn({ lost }, `${lost} log lines were lost: ${why}`));
  const labels = options.people ? {} : { formatters: { level: (label: string) => ({ level: label }) } };
  const settings = { level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime, ...labels };
  const forPeople = options.people ? createPeopleFormat() : (line: string) => line;
  const out = pino(settings, { write: (line: string) => lines.write(forPeople(line)) });
  return {
    debug: (message, fields = {}) => out.debug(fields, message),
    info: (message, fields = {}) => out.info(fields, message),
    warn: (message, fields = {}) => out.warn(fields, message),
    error: (message, fields = {}) => out.error(fields, message),
    flush: lines.flush,
  };
}

/**
 * Returns a format for a terminal: coloured, with the control characters of names and messages shown instead of
 * obeyed.
 */
export function createPeopleFormat(): (line: string) => string {
  const pretty = prettyFactory({ translateTime: "SYS:HH:MM:ss", singleLine: true, colorize: true });
  const shown = (_key: string, value: unknown) => (typeof value === "string" ? escapeControls(value) : value);
  return (line) => pretty(JSON.stringify(JSON.parse(line, shown)));
}
