// Which pods go: ended ones whose end is on record, once they are old or too many, and those that live on after their
// execution has ended. Pure. A pod whose name is not its own execution's is a copy that somebody made, and stays.
import type { EpochMs } from "../../model/ids.ts";
import type { Pod } from "./api.ts";
import { executionOf } from "./names.ts";

/** `open`: its end is not durable yet. `unknown`: nothing of it is on record, or no more. */
export type OnRecord = "open" | "ended" | "unknown";

export const maxEndedPods = 1_000;
/** A pod that goes on this long after its execution has ended is deleted. */
const strayMs = 60_000;

export function planSweep(
  pods: Iterable<Pod>,
  onRecord: (execution: string) => OnRecord,
  known: ReadonlyMap<string, EpochMs>,
  { keepMs, now }: { keepMs: number; now: EpochMs },
): { ended: Pod[]; strays: Pod[]; unknown: Pod[]; seen: Map<string, EpochMs> } {
  const strays: Pod[] = [];
  const unknown: Pod[] = [];
  const over: { pod: Pod; since: EpochMs }[] = [];
  /** Since when each has been over as far as this agent knows: the clocks of nodes are not asked. */
  const seen = new Map<string, EpochMs>();
  for (const pod of pods) {
    const id = executionOf(pod);
    if (id === null) continue;
    const record = onRecord(id);
    if (record === "open") continue;
    const isOver = pod.phase === "Succeeded" || pod.phase === "Failed";
    if (!isOver && record === "unknown") {
      unknown.push(pod);
      continue;
    }
    const since = known.get(pod.uid) ?? Math.min(now, pod.terminated?.finishedAt ?? now);
    seen.set(pod.uid, since);
    if (isOver) over.push({ pod, since });
    else if (pod.deletedAt === null && now - since > strayMs) strays.push(pod);
  }
  over.sort((a, b) => b.since - a.since);
  const ended = over.filter(({ since }, index) => index >= maxEndedPods || now - since >= keepMs).map(({ pod }) => pod);
  return { ended, strays, unknown, seen };
}
