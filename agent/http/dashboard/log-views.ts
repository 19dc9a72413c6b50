// Views of an execution's output, in the order of their tabs. A merged view comes first here once there is one, and
// so becomes the default.
import type { LogStream } from "../../logs/port.ts";
import type { ExecutionView } from "../../views.ts";

export const logViews = ["stdout", "stderr"] as const satisfies readonly LogStream[];

/** Returns what a page shows unless it is asked for another: of a failure where its error stands. */
export function defaultView({ status, stderrBytes }: Pick<ExecutionView, "status" | "stderrBytes">): LogStream {
  return status === "failed" && stderrBytes > 0 ? "stderr" : logViews[0];
}
