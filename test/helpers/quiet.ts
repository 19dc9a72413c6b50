// A logger that keeps what was said, for tests that ask whether something was said.
import type { Logger } from "../../agent/logger.ts";

export function quietLog(): Logger & { said: { level: string; message: string; fields: object }[] } {
  const said: { level: string; message: string; fields: object }[] = [];
  const at =
    (level: string) =>
    (message: string, fields: object = {}) =>
      void said.push({ level, message, fields });
  return { said, debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}
