// What the machine brings to the defaults.
import { availableParallelism } from "node:os";
import type { Machine } from "../config.ts";

export function thisMachine(): Machine {
  return { cores: availableParallelism(), timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone };
}
