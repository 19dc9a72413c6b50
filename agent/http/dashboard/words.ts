// Describes what the pages say for code words: why something failed or was not run, in plain words. Pure.
import type { ExecutionView } from "../../views.ts";

/** Reasons in words; the ones that an execution's message says better are left out. */
const reasons: Readonly<Record<string, string>> = {
  timeout: "ran longer than its timeout",
  lost: "ended without a trace: its process is gone and left no exit code",
  "log-limit": "wrote more than the log limit",
  "previous-failed": "the batch before it failed",
  "previous-aborted": "the batch before it did not run",
  "previous-not-run": "the batch before it has not run since the last due time",
  overlap: "an earlier execution was still running",
  replaced: "replaced by a newer execution",
  deadline: "could not start within its start deadline",
  missed: "due while the agent was not running",
  shutdown: "stopped because the agent was shut down",
  disabled: "the batch was disabled",
  cancelled: "cancelled by an operator",
};

/** Reasons to choose from in a filter. */
export const reasonNames: readonly string[] = [
  ...["exit", "signal", "timeout", "spawn", "lost", "log-limit"],
  ...["previous-failed", "previous-aborted", "previous-not-run", "overlap", "replaced", "deadline", "missed"],
  ...["shutdown", "disabled", "cancelled"],
];

export function reasonText(reason: string): string {
  const others: Readonly<Record<string, string>> = {
    exit: "exit code",
    signal: "killed by a signal",
    spawn: "could not be started",
  };
  return reasons[reason] ?? others[reason] ?? reason.replaceAll("-", " ");
}

type Ended = Pick<ExecutionView, "status" | "message"> & { reason: string | null };

/** Returns why an execution failed or did not run, in a few words; empty for a success. */
export function whyText({ status, reason, message }: Ended): string {
  if (status === "succeeded" || status === "running") return "";
  if (reason === null) return message ?? "";
  if (reason === "cancelled") return message ?? reasonText(reason);
  return reasons[reason] ?? message ?? reasonText(reason);
}
