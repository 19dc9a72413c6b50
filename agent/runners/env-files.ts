// Files of variables that batches name: secrets that others have mounted on the agent's machine.
import { messageOf } from "../errors.ts";
import { readPlainBytes } from "../platform/files.ts";
import { parseEnvFile } from "../text/env-file.ts";

const maxEnvBytes = 1024 * 1024;

/** Returns all variables of some files, a later file over an earlier one. Throws with the reason for one unusable. */
export function readEnvFiles(paths: readonly string[]): Record<string, string> {
  const env: Record<string, string> = {};
  for (const path of paths) {
    try {
      const parsed = parseEnvFile(readPlainBytes(path, maxEnvBytes));
      if ("line" in parsed) throw new Error(`its line ${parsed.line} ${parsed.why}`);
      Object.assign(env, parsed.env);
    } catch (error) {
      throw new Error(`envFile ${path} cannot be used: ${messageOf(error)}`, { cause: error });
    }
  }
  return env;
}
