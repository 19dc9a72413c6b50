// Which variables a script gets, and that nothing else of the agent's leaks.
import { expect, test } from "vitest";
import { buildOrder } from "../../agent/executions/order.ts";
import type { BatchName } from "../../agent/model/ids.ts";
import { baseEnvironment, batchEnvironment } from "../../agent/runners/environment.ts";
import { batch, execution } from "../helpers/make.ts";

test.each<{ name: string; env: Record<string, string | undefined>; want: Record<string, string> }>([
  { name: "nothing of the agent's own", env: { BATCH_AGENT_TOKEN: "x", npm_token: "y" }, want: {} },
  {
    name: "what every program expects",
    env: { PATH: "/bin", TZ: "", LANG: "C" },
    want: { PATH: "/bin", TZ: "", LANG: "C" },
  },
  { name: "LOGNAME from USER", env: { USER: "ops" }, want: { USER: "ops", LOGNAME: "ops" } },
  { name: "USER from LOGNAME", env: { LOGNAME: "ops" }, want: { USER: "ops", LOGNAME: "ops" } },
  { name: "both as they are", env: { USER: "a", LOGNAME: "b" }, want: { USER: "a", LOGNAME: "b" } },
])("$name", ({ env, want }) => expect(baseEnvironment(env)).toEqual(want));

const paths = {
  stateDir: "/state",
  progress: "/progress",
  log: (of: { batch: string }, stream: string) => `/${of.batch}/${stream}`,
};

test("a batch's own variables, its parameters over them, and BATCH_* over all", () => {
  const row = { ...execution(), params: { A: "param", BATCH_NAME: "x" } };
  const of = batch({ env: { A: "env", B: "env" } });
  expect(batchEnvironment(buildOrder(row, of, [], null), paths)).toEqual({
    A: "param",
    B: "env",
    BATCH_NAME: "report",
    BATCH_EXECUTION_ID: row.id,
    BATCH_RUN_ID: row.run,
    BATCH_REVISION: "aaaaaaaaaaaa",
    BATCH_TRIGGER: "cron",
    BATCH_ATTEMPT: "1",
    BATCH_DUE_AT: "2026-11-24T12:00:00.000Z",
    BATCH_STATE_DIR: "/state",
    BATCH_PROGRESS: "/progress",
  });
});

test("after others: the first by plain names, each by its own", () => {
  const first = execution({ status: "failed", batch: "load-eu-1" as BatchName });
  const second = execution({ status: "aborted", batch: "other" as BatchName });
  const env = (...previous: (typeof first)[]) =>
    batchEnvironment(buildOrder(execution(), batch(), previous, null), paths);
  expect(env(first, second)).toMatchObject({
    BATCH_PREVIOUS: "load-eu-1",
    BATCH_PREVIOUS_STATUS: "failed",
    BATCH_PREVIOUS_EXIT_CODE: "1",
    BATCH_PREVIOUS_STDOUT: "/load-eu-1/stdout",
    BATCH_PREVIOUS_STDERR: "/load-eu-1/stderr",
    BATCH_PREVIOUS_STDOUT_LOAD_EU_1: "/load-eu-1/stdout",
    BATCH_PREVIOUS_STDOUT_OTHER: "/other/stdout",
  });
  expect(env(second)).toMatchObject({ BATCH_PREVIOUS_STATUS: "aborted", BATCH_PREVIOUS_EXIT_CODE: "" });
});
