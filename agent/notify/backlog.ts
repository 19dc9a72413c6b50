// Messages that an earlier agent left in the outbox: taken up in the background, oldest first, however many they are.
import { retry } from "../async/retry.ts";
import { messageOf } from "../errors.ts";
import type { Clock } from "../async/clock.ts";
import type { Logger } from "../logger.ts";
import type { Deliveries } from "./deliveries.ts";
import type { Message, Outbox } from "./port.ts";

/** Messages that are taken up between two waits for the disk. */
const takenUpAtOnce = 64;
/** Tries to read one of them while the disk fails. */
const maxReads = 5;
const againMs = 1_000;

export interface BacklogDeps {
  clock: Clock;
  log: Pick<Logger, "error">;
  outbox: Pick<Outbox, "read">;
  deliveries: Pick<Deliveries, "add" | "settled">;
  isStopped: () => boolean;
}

/** Hands the messages of these ids to the deliveries. Never rejects. */
export async function takeUp(ids: readonly string[], deps: BacklogDeps): Promise<void> {
  for (const [index, id] of ids.entries()) {
    if (deps.isStopped()) return;
    const message = await read(id, deps);
    if (message !== null) deps.deliveries.add(message);
    // What is given up for want of room leaves the disk before more of it is.
    if ((index + 1) % takenUpAtOnce === 0) await deps.deliveries.settled();
  }
}

/** Reads a message; null for one that is gone, or that the disk does not give: the next agent reads it again. */
async function read(id: string, { clock, log, outbox, isStopped }: BacklogDeps): Promise<Message | null> {
  const how = { clock, tries: maxReads, pauseMs: againMs, isWorthIt: () => !isStopped() };
  try {
    return await retry(() => outbox.read(id), how);
  } catch (error) {
    const fields = { id, error: messageOf(error) };
    log.error("a waiting message cannot be read; it stays on disk for the next start", fields);
    return null;
  }
}
