// Number of files, sockets and pipes that this process may have open.
import { readPlainBytes } from "./files.ts";

const maxLimitsBytes = 16_384;

/** Returns the limit in force (`ulimit -n`, which Node raises as far as it may); null where nothing tells it. */
export function maxDescriptors(): number | null {
  try {
    const text = readPlainBytes("/proc/self/limits", maxLimitsBytes).toString("latin1");
    const limit = Number(/^Max open files +(\d+)/m.exec(text)?.[1]);
    return Number.isSafeInteger(limit) ? limit : null;
  } catch {
    return null;
  }
}
