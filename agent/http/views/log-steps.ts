// Reads which sizes both logs of an execution had at which times.
import { maxTimesBytes, parseStep, type LogStep, type LogFollowers } from "../../logs/port.ts";
import type { Execution } from "../../model/execution.ts";

const timesChunkBytes = 64 * 1024;

/** Returns all steps there are. */
export async function readSteps(
  followers: LogFollowers,
  { batch, id }: Pick<Execution, "batch" | "id">,
): Promise<LogStep[]> {
  const follower = await followers.open(batch, id, "times");
  try {
    const steps: LogStep[] = [];
    let rest = "";
    for (let at = 0; at < Math.min(follower.size(), maxTimesBytes);) {
      const bytes = await follower.read(at, timesChunkBytes);
      if (bytes.length === 0) break;
      at += bytes.length;
      const lines = (rest + Buffer.from(bytes).toString("latin1")).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const step = parseStep(line);
        if (step !== null) steps.push(step);
      }
    }
    return steps;
  } finally {
    follower.close();
  }
}
