// Cells of tables that show executions: how one ended, how long it took. Pure.
import type { EpochMs } from "../../model/ids.ts";
import { spanText } from "../../text/relative-time.ts";
import type { Cell, Colour } from "../../text/table.ts";
import type { ExecutionView } from "../../views.ts";

const statusColours = {
  queued: "yellow",
  running: "cyan",
  succeeded: "green",
  failed: "red",
  aborted: "yellow",
} as const satisfies Record<ExecutionView["status"], Colour>;

/** Status and why, `failed: exit 3 (attempt 2)`. */
export function statusCell({ status, reason, exitCode, progress, attempt, unusual }: ExecutionView): Cell {
  const why =
    status === "running"
      ? progress === null
        ? null
        : `${progress.percent} %`
      : reason === "exit"
        ? `exit ${exitCode}`
        : (reason ?? unusual);
  const text = `${status}${why === null ? "" : `: ${why}`}${attempt > 1 ? ` (attempt ${attempt})` : ""}`;
  return { text, colour: status === "succeeded" && unusual !== null ? "yellow" : statusColours[status] };
}

/** Time at which it ended, else began, else came to be. */
export function lastMoment({ finishedAt, startedAt, createdAt }: ExecutionView): EpochMs {
  return Date.parse(finishedAt ?? startedAt ?? createdAt);
}

/** Returns how long it took, or has taken so far; "" for what did not start. */
export function tookText({ durationMs, status, startedAt }: ExecutionView, now: EpochMs): string {
  const ms = durationMs ?? (status === "running" && startedAt !== null ? now - Date.parse(startedAt) : null);
  return ms === null ? "" : spanText(ms);
}
