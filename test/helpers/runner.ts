// A local runner on a data folder of its own: real launcher, real bash, real signals. Needs a build.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach } from "vitest";
import type { Execution } from "../../agent/model/execution.ts";
import type { BatchName, Revision } from "../../agent/model/ids.ts";
import type { Clock } from "../../agent/async/clock.ts";
import { systemClock } from "../../agent/platform/clock.ts";
import { createRunner, readBootId } from "../../agent/runners/local/runner.ts";
import type { RunSettings, Running, StartOrder } from "../../agent/runners/port.ts";
import { execution } from "./make.ts";
import { quietLog } from "./quiet.ts";
import { temporaryFolder } from "./tmp.ts";

const launcher = join(import.meta.dirname, "../../dist/runners/local/launcher-main.js");
const opened: { close: () => Promise<void> }[] = [];
afterEach(async () => {
  for (const runner of opened.splice(0)) await runner.close();
});

export const path = process.env["PATH"] ?? "";

interface RunnerOptions {
  baseEnv?: Record<string, string>;
  logLimitBytes?: number;
  clock?: Clock;
}

export function openRunner(data: string, options: RunnerOptions = {}) {
  const { baseEnv = { PATH: path }, logLimitBytes = Infinity, clock = systemClock } = options;
  const runner = createRunner(data, { clock, log: quietLog(), baseEnv, logLimitBytes, launcher });
  opened.push(runner);
  return runner;
}

/** A runner and one batch whose script is `script`. */
export function setUpRunner(
  script: string,
  settings: Partial<RunSettings> = {},
  options: Parameters<typeof openRunner>[1] = {},
) {
  const data = temporaryFolder();
  const cwd = join(data, "revisions/aaaaaaaaaaaa");
  mkdirSync(cwd, { recursive: true });
  writeFileSync(join(cwd, "script.sh"), script);
  const runner = openRunner(data, options);
  const folderOf = (row: Execution) => join(data, "batches", row.batch, "executions", row.id);
  const row: Execution = { ...execution({ status: "running" }), boot: readBootId() };
  const order = (of = row): StartOrder => ({
    execution: of,
    revision: "aaaaaaaaaaaa" as Revision,
    fault: null,
    settings: { shellOptions: [], output: "file", input: "none", env: {}, envFiles: [], ...settings },
    previous: [],
  });
  return {
    data,
    cwd,
    runner,
    row,
    folder: folderOf(row),
    folderOf,
    read: (name: string) => readFileSync(join(folderOf(row), name), "utf8"),
    order,
    another: (batch = "report") => ({
      ...execution({ status: "running" }),
      batch: batch as BatchName,
      boot: readBootId(),
    }),
    start: (other: Partial<StartOrder> = {}): Promise<Running> => runner.start({ ...order(), ...other }),
    run: async (other: Partial<StartOrder> = {}) => (await runner.start({ ...order(), ...other })).ended,
  };
}
