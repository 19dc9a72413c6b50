// The data folder: taken by one agent at a time, with the folders in it that everything else writes to.
import type { Logger } from "../logger.ts";
import { Folders } from "./folders.ts";
import { acquireLock } from "./lock.ts";

const folders = ["batches", "journal", "revisions", "commands", "outbox"];

/**
 * Takes the data folder for this agent and makes the folders in it; whatever else lies in their place is set aside.
 * Throws ConfigError where another agent holds it, StoreError where it cannot be written.
 * @param onLost called when another agent has taken it over
 */
export async function openDataFolder(
  dataDir: string,
  deps: { bootId: string | null; now: () => number; log: Logger; onLost: () => void; epoch?: number },
): Promise<{ folders: Folders; release: () => Promise<void> }> {
  const { bootId, now, log } = deps;
  const onObstacle = (path: string) =>
    log.error("something else lay in the place of agent.lock; it was set aside", { path });
  const onLost = (holder: string) => {
    log.error(`the agent with ${holder} has taken over the data folder; this one ends and leaves all to it`);
    deps.onLost();
  };
  const release = await acquireLock(dataDir, bootId, now, onLost, onObstacle, deps.epoch);
  const kept = new Folders(dataDir, { now, log });
  try {
    kept.open(folders);
  } catch (error) {
    await release();
    throw error;
  }
  return { folders: kept, release };
}
