// The `.env` of the working directory. It may have been committed by anybody whose checkout one stands in.
import { AgentError, StoreError, UsageError } from "../errors.ts";
import { errorCode, readPlainBytes } from "../platform/files.ts";
import { parseEnvFile } from "../text/env-file.ts";

const maxBytes = 64 * 1024;

/**
 * Returns the variables of the file that count: those of the agent's own names that `env` has not, or has empty. Throws
 * StoreError where it cannot be read, and UsageError on a line that is none: it may have been meant to name the token.
 */
export function readDotEnv(
  path: string,
  env: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  let bytes: Uint8Array;
  try {
    bytes = readPlainBytes(path, maxBytes);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return {};
    throw new StoreError(
      "read",
      path,
      error,
      "it is read first, if there is one; something else of that name is in the way",
    );
  }
  const parsed = parseEnvFile(bytes);
  if ("line" in parsed) throw new UsageError(`${path}:${parsed.line}: this ${parsed.why}`, "begin comments with #");
  return Object.fromEntries(
    Object.entries(parsed.env).filter(([name]) => name.startsWith("BATCH_AGENT_") && !env[name]),
  );
}

/** Says that a token is kept back: it would go to an address that a file of the folder names. */
export function withheldToken(url: string): AgentError {
  return new AgentError(`the token is not sent to ${url}: the address stands in .env, and the token does not`, {
    hint: "give the address with --url or BATCH_AGENT_URL, or name the token's file in the same .env",
  });
}
