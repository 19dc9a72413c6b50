// A node's clock may be wrong. Start and end of a script are told by it, so that a duration comes from one clock; both
// are moved into the agent's time where they cannot be true in it. Pure.
import type { Execution } from "../../model/execution.ts";
import type { EpochMs } from "../../model/ids.ts";

/**
 * Returns by how many ms the node's clock is behind the agent's; 0 where nothing says that it is. `claimedAt`: by the
 * node. `seenAt`: when the agent saw the claim for the first time.
 */
export function behindMs(
  claimedAt: EpochMs,
  { startedAt, askedAt }: Pick<Execution, "startedAt" | "askedAt">,
  seenAt: EpochMs,
): number {
  // An earlier agent has decided it already.
  if (startedAt !== null) return Date.parse(startedAt) - claimedAt;
  const earliest = askedAt === undefined ? 0 : Date.parse(askedAt);
  return claimedAt >= earliest && claimedAt <= seenAt ? 0 : seenAt - claimedAt;
}
