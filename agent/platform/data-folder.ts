// The data folder: taken by one agent at a time, with the folders in it that everything else writes to.
import { join } from "node:path";
import type { Logger } from "../logger.ts";
import { makeFolder } from "./files.ts";
import { takeLock } from "./lock.ts";

const folders = ["batches", "journal", "revisions"];

/**
 * Takes the data folder for this agent and makes the folders in it; whatever else lies in their place is set aside.
 * Resolves to what gives it back. Throws StoreError where another agent holds it or it cannot be written.
 * @param onLost called when another agent has taken it over
 */
export async function openDataFolder(
  dataDir: string,
  deps: { bootId: string | null; now: () => number; log: Logger; onLost: () => void; epoch?: number },
): Promise<() => Promise<void>> {
  const { bootId, now, log } = deps;
  const reportAside = (what: string) => (path: string) =>
    log.error(`something else lay in the place of ${what}; it was set aside`, { path });
  const onLost = (holder: string) => {
    log.error(`the agent with ${holder} has taken over the data folder; this one ends and leaves all to it`);
    deps.onLost();
  };
  const release = await takeLock(dataDir, bootId, now, onLost, reportAside("agent.lock"), deps.epoch);
  try {
    for (const name of folders) await makeFolder(join(dataDir, name), now(), reportAside(`the folder ${name}`));
  } catch (error) {
    await release();
    throw error;
  }
  return release;
}
