// Views of an execution's output, in the order of their tabs. The first is what a page shows unless it is asked for
// another.
import type { LogStream } from "../../logs/port.ts";

export const logViews = ["merged", "stdout", "stderr"] as const;
export type LogView = (typeof logViews)[number];

/** The logs that a view shows. */
export function streamsOf(view: LogView): readonly LogStream[] {
  return view === "merged" ? ["stdout", "stderr"] : [view];
}
