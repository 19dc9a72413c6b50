// What a runner is told of an execution.
import { expect, test } from "vitest";
import { buildOrder } from "../../agent/executions/order.ts";
import { batch, execution } from "../helpers/make.ts";

test("settings that a runner carries out, and whether previous executions have logs", () => {
  const row = execution({ status: "running" });
  const ran = execution({ status: "succeeded" });
  const never = execution({ status: "aborted" });
  const pruned = { ...execution({ status: "failed" }), logsDeleted: true as const };
  const order = buildOrder(row, batch({ env: { A: "b" }, input: "previous" }), [ran, never, pruned], "it is gone");
  expect(order).toMatchObject({ execution: row, revision: row.revision, fault: "it is gone" });
  expect(order.settings).toEqual({
    shellOptions: [],
    output: "file",
    input: "previous",
    env: { A: "b" },
    envFiles: [],
    startDeadlineMs: 600_000,
  });
  expect(order.previous.map(({ id, status, exitCode, ran }) => ({ id, status, exitCode, ran }))).toEqual([
    { id: ran.id, status: "succeeded", exitCode: 0, ran: true },
    { id: never.id, status: "aborted", exitCode: null, ran: false },
    { id: pruned.id, status: "failed", exitCode: 1, ran: false },
  ]);
});

test("what a pod is made of is handed on", () => {
  const { file } = batch();
  const kubernetes = { image: "tools:1" };
  const order = buildOrder(execution(), batch({ file: { ...file, kubernetes } }), [], null);
  expect(order.settings.kubernetes).toEqual(kubernetes);
});

test("without a revision there is nothing to run", () => {
  const row = { ...execution(), revision: null };
  expect(() => buildOrder(row, batch(), [], null)).toThrow(/has no revision to run/);
});
