// Builders that show only what matters to a test.
import { createExecution, transition } from "../../agent/executions/execution.ts";
import type { Batch, BatchFile, Folder } from "../../agent/model/batch.ts";
import type { Execution } from "../../agent/model/execution.ts";
import type { Revision, RunId, ExecutionId, BatchName } from "../../agent/model/ids.ts";
import { parsePattern, createSchedule } from "../../agent/schedule/schedule.ts";

export const t0 = Date.parse("2026-11-24T12:00:00.000Z");

export function schedule(cron = "* * * * *", timeZone = "UTC", jitterMs = 0) {
  const parsed = parsePattern(cron);
  if (!("pattern" in parsed)) throw new Error(parsed.message);
  return createSchedule([parsed.pattern], timeZone, jitterMs);
}

export function batch(fields: Partial<Batch> & { cron?: string } = {}): Batch {
  const { cron = "* * * * *", ...rest } = fields;
  return {
    name: "report" as BatchName,
    entry: rest.name ?? "report",
    group: "",
    inherited: {},
    file: { cron, enabled: true } as BatchFile,
    enabled: true,
    schedule: schedule(cron),
    startDeadlineMs: 600_000,
    after: [],
    independent: false,
    input: "none",
    onFailure: null,
    places: { file: "batches.d/report/batch.yaml", top: { line: 1, column: 1 }, after: [], onFailure: null },
    params: {},
    successCodes: [0],
    pool: null,
    priority: 0,
    lateAfterMs: null,
    timeoutMs: null,
    retry: null,
    concurrency: "forbid",
    shellOptions: [],
    output: "file",
    env: {},
    envFiles: [],
    notify: null,
    keep: { executions: 100, ageMs: null },
    ...rest,
  };
}

export function folder(fields: Partial<Folder> = {}): Folder {
  return {
    name: "report",
    entry: fields.name ?? "report",
    group: "",
    location: "batches.d/report",
    digest: "aaaaaaaaaaaa" as Revision,
    settings: [],
    script: null,
    problems: [],
    ...fields,
  };
}

let counter = 0;

/** An execution, `queued` unless a status is asked for. Ids grow. */
export function execution(fields: Partial<Execution> & { at?: number } = {}): Execution {
  const { at = t0, status = "queued", ...rest } = fields;
  // as if later than `at`: an id is never older than its execution
  const id = `01Z${String(counter++).padStart(23, "0")}` as ExecutionId;
  const revision = "aaaaaaaaaaaa" as Revision;
  let row = createExecution({
    id,
    run: id as string as RunId, // as records of earlier agents have it
    batch: "report" as BatchName,
    revision,
    commit: null,
    trigger: { kind: "cron", dueAt: at, by: null },
    now: at,
  });
  if (status !== "queued" && status !== "aborted")
    row = transition(row, { kind: "start", at, revision, commit: null, boot: "boot" });
  const bytes = { stdoutBytes: 0, stderrBytes: 0 };
  if (status === "succeeded") row = transition(row, { kind: "succeed", at, exitCode: 0, bytes });
  if (status === "aborted") row = transition(row, { kind: "abort", at, reason: "overlap", message: "" });
  if (status === "failed")
    row = transition(row, {
      kind: "fail",
      at,
      reason: "exit",
      message: "exit code 1",
      exitCode: 1,
      signal: null,
      bytes,
    });
  return { ...row, ...rest };
}
