import { expect, test } from "vitest";
import { Log } from "../../../agent/http/dashboard/pages/log.tsx";
import { executionView } from "../../../agent/views.ts";
import { execution } from "../../helpers/make.ts";

const empty = { lines: [], firstLine: 1, start: 0, end: 0, size: 0, next: { stdout: 0, stderr: 0 } };

function logOf(fields: object, view: "merged" | "stderr" = "merged"): string {
  const shown = { ...executionView(execution({ status: "succeeded" })), ...fields };
  const made: unknown = Log({ execution: shown, view, window: empty, marked: null, hasTimes: false });
  return String(made);
}

test("logs that were deleted are said to be, with why, and nothing is offered for them", () => {
  const html = logOf({ logsDeleted: true });
  expect(html).toContain("were deleted");
  expect(html).toContain("--keep-logs");
  expect(html).not.toMatch(/role="log"|Download|Times/);
});

test("an empty log says why it is empty", () => {
  expect(logOf({})).toContain("It wrote nothing.");
  expect(logOf({ startedAt: null })).toContain("It did not start, so it wrote nothing.");
  expect(logOf({}, "stderr")).toContain("Nothing was written to stderr.");
});
