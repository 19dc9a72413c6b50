// The agent's own log: pino, as JSON lines, or for people on a terminal.
import pino from "pino";
import type { Logger } from "../logger.ts";

/** Writes to stdout. `people`: coloured lines instead of JSON. */
export async function createLogger(options: { level: string; people: boolean }): Promise<Logger> {
  const formatters = { level: (label: string) => ({ level: label }) };
  const settings = { level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  const out = options.people
    ? pino(
        settings,
        (await import("pino-pretty")).default({ translateTime: "SYS:HH:MM:ss", singleLine: true, sync: true }),
      )
    : pino({ ...settings, formatters }, pino.destination({ dest: 1, sync: true }));
  return {
    debug: (message, fields = {}) => out.debug(fields, message),
    info: (message, fields = {}) => out.info(fields, message),
    warn: (message, fields = {}) => out.warn(fields, message),
    error: (message, fields = {}) => out.error(fields, message),
  };
}
