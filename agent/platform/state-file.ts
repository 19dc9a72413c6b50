// Reads small files of the data folder that are to be known over a restart. An error is no absence: null means that
// there is no such file, or that it was damaged and set aside; what cannot be read just now is thrown.
import { chmod } from "node:fs/promises";
import { retry } from "../async/retry.ts";
import type { Clock } from "../async/clock.ts";
import { messageOf, StoreError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { errorCode, isPassing, quarantine, readText } from "./files.ts";

/** Reads of a file that fails in passing, in all about two seconds. */
const maxTries = 10;
const againMs = 200;
const hint = "it is read again; all of the data folder must be the agent's user's to read and write";

export interface StateFile<T> {
  path: string;
  /** Names it for people, with what is missing without it. */
  what: string;
  maxBytes: number;
  /** Throws for what the agent cannot have written. */
  parse: (text: string) => T;
}

/**
 * Reads a file as a whole. One that is damaged, too large or no file is moved to `<path>.corrupt-<time>`, and said.
 * Throws StoreError where it cannot be read just now: without descriptors or memory, or on a disk that fails.
 */
export async function readState<T>(file: StateFile<T>, deps: { clock: Clock; log: Logger }): Promise<T | null> {
  const { path, what, maxBytes, parse } = file;
  let hasRights = false;
  const read = async () => {
    try {
      return parse(await readText(path, maxBytes, "refuse"));
    } catch (error) {
      if (errorCode(error) !== "EACCES" || hasRights) throw error;
      hasRights = true;
      // A script may have taken them away.
      await chmod(path, 0o600).catch(() => undefined);
      return parse(await readText(path, maxBytes, "refuse"));
    }
  };
  try {
    return await retry(read, { clock: deps.clock, tries: maxTries, pauseMs: againMs, isWorthIt: isPassing });
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errorCode(error))) return null;
    if (isPassing(error)) throw new StoreError("read", path, error, hint);
    await setAside(path, what, messageOf(error), deps);
    return null;
  }
}

async function setAside(
  path: string,
  what: string,
  reason: string,
  { clock, log }: { clock: Clock; log: Logger },
): Promise<void> {
  await quarantine(path, clock.now()).then(
    (quarantined) => log.error(`${what} cannot be read; it was set aside`, { path: quarantined, reason }),
    (error: unknown) =>
      log.error(`${what} can neither be read nor set aside`, { path, reason, error: messageOf(error) }),
  );
}
