import { describe, expect, test } from "vitest";
import { transition, type ExecutionEvent } from "../../agent/executions/execution.ts";
import type { ExecutionStatus } from "../../agent/model/execution.ts";
import type { Revision } from "../../agent/model/ids.ts";
import { execution, t0 } from "../helpers/make.ts";

const bytes = { stdoutBytes: 5, stderrBytes: 7 };
const events: Record<string, ExecutionEvent> = {
  start: { kind: "start", at: t0 + 1_000, revision: "bbbbbbbbbbbb" as Revision, commit: null, boot: "b" },
  succeed: { kind: "succeed", at: t0 + 3_000, bytes },
  fail: { kind: "fail", at: t0 + 3_000, reason: "exit", message: "exit code 3", exitCode: 3, signal: null, bytes },
  abort: { kind: "abort", at: t0 + 3_000, reason: "shutdown", message: "stopped", bytes },
};

describe("transition", () => {
  const rows: { from: ExecutionStatus; event: string; to: ExecutionStatus | "refused" }[] = [
    { from: "queued", event: "start", to: "running" },
    { from: "queued", event: "succeed", to: "refused" },
    { from: "queued", event: "fail", to: "failed" },
    { from: "queued", event: "abort", to: "aborted" },
    { from: "running", event: "start", to: "refused" },
    { from: "running", event: "succeed", to: "succeeded" },
    { from: "running", event: "fail", to: "failed" },
    { from: "running", event: "abort", to: "aborted" },
    ...(["succeeded", "failed", "aborted"] as const).flatMap((from) =>
      Object.keys(events).map((event) => ({ from, event, to: "refused" as const })),
    ),
  ];
  test.each(rows)("$from --$event--> $to", ({ from, event, to }) => {
    const before = execution({ status: from });
    const step = () => transition(before, events[event] as ExecutionEvent);
    if (to === "refused") expect(step).toThrow(/cannot/);
    else expect(step().status).toBe(to);
  });

  test("an end carries times, bytes and why", () => {
    const after = transition(execution({ status: "running" }), events["fail"] as ExecutionEvent);
    expect(after).toMatchObject({
      durationMs: 3_000,
      finishedAt: new Date(t0 + 3_000).toISOString(),
      reason: "exit",
      exitCode: 3,
      ...bytes,
    });
  });

  test("a clock that stepped back gives no negative duration", () => {
    const after = transition(execution({ status: "running" }), { kind: "succeed", at: t0 - 5_000, bytes });
    expect(after.durationMs).toBe(0);
  });

  test("what never ran has no duration", () => {
    expect(transition(execution(), events["abort"] as ExecutionEvent).durationMs).toBeNull();
  });
});
