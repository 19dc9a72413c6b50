// Names of batches that are not there, with the one that was probably meant.
import { closest } from "../definitions/suggest.ts";
import { ConfigError } from "../errors.ts";

/** Returns the error for a name that none of a folder's batches has. */
export function missingBatch(name: string, dir: string, names: readonly string[]): ConfigError {
  const near = closest(name, names);
  return new ConfigError(
    `there is no batch ${name} in ${dir}`,
    near === null ? "batches are named by their folders" : `did you mean ${near}?`,
  );
}
