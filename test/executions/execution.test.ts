import { describe, expect, test } from "vitest";
import { endingEvent, nextAttempt, transition, type ExecutionEvent } from "../../agent/executions/execution.ts";
import type { ExecutionStatus, FinishedBy } from "../../agent/model/execution.ts";
import type { ExecutionId, Revision } from "../../agent/model/ids.ts";
import { execution, t0 } from "../helpers/make.ts";

const bytes = { stdoutBytes: 5, stderrBytes: 7 };
const events: Record<string, ExecutionEvent> = {
  start: { kind: "start", at: t0 + 1_000, revision: "bbbbbbbbbbbb" as Revision, commit: null, boot: "b" },
  succeed: { kind: "succeed", at: t0 + 3_000, exitCode: 0, bytes },
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
    const after = transition(execution({ status: "running" }), { kind: "succeed", at: t0 - 5_000, exitCode: 0, bytes });
    expect(after.durationMs).toBe(0);
  });

  test("what never ran has no duration", () => {
    expect(transition(execution(), events["abort"] as ExecutionEvent).durationMs).toBeNull();
  });
});

describe("endingEvent", () => {
  test.each<{ code: number; successCodes: number[]; by: FinishedBy | null; want: object }>([
    { code: 0, successCodes: [0], by: null, want: { kind: "succeed", exitCode: 0 } },
    { code: 24, successCodes: [0, 24], by: null, want: { kind: "succeed", exitCode: 24 } },
    { code: 24, successCodes: [0], by: null, want: { kind: "fail", reason: "exit", exitCode: 24 } },
    { code: 0, successCodes: [1], by: null, want: { kind: "fail", reason: "exit", exitCode: 0 } },
    { code: 24, successCodes: [0, 24], by: "timeout", want: { kind: "fail", reason: "timeout", exitCode: 24 } },
    { code: 24, successCodes: [24], by: "shutdown", want: { kind: "abort", reason: "shutdown" } },
  ])("exit code $code where $successCodes is success, ended by $by", ({ code, successCodes, by, want }) => {
    const event = endingEvent({ kind: "exit", exitCode: code, finishedAt: t0, ...bytes }, by, successCodes);
    expect(event).toMatchObject(want);
    const after = transition(execution({ status: "running" }), event);
    if (event.kind === "succeed") expect(after).toMatchObject({ status: "succeeded", exitCode: code, reason: null });
  });

  test("a signal is no success, whatever its number", () => {
    const ending = { kind: "signal", signal: "SIGKILL", finishedAt: t0, ...bytes } as const;
    expect(endingEvent(ending, null, [0, 9, 137])).toMatchObject({ kind: "fail", reason: "signal" });
  });
});

describe("nextAttempt", () => {
  const retry = { limit: 2, delayMs: 1_000, factor: 1, maxDelayMs: 1_000 };
  const next = (exitCode: number | null, codes?: number[]) =>
    nextAttempt(
      { ...execution({ status: "failed" }), exitCode },
      { ...retry, ...(codes === undefined ? {} : { codes }) },
      { id: "01JDAAAAAAAAAAAAAAAAAAAAAA" as ExecutionId, now: t0 },
    );
  test.each<[string, number | null, number[] | undefined, boolean]>([
    ["any code without retry.codes", 3, undefined, true],
    ["an end without a code, without retry.codes", null, undefined, true],
    ["a code that is named", 75, [75, 111], true],
    ["a code that is not", 3, [75, 111], false],
    ["an end without a code, such as by a signal", null, [75], false],
  ])("%s", (_name, exitCode, codes, isRetried) => {
    expect(next(exitCode, codes) !== null).toBe(isRetried);
  });
});

test("a remote runner is asked once, while it is queued; the start counts from when it has started", () => {
  const ask: ExecutionEvent = { kind: "ask", at: t0 + 500, revision: "bbbbbbbbbbbb" as Revision, commit: "c" };
  const asked = transition({ ...execution(), message: "waits", waitingFor: "a node" }, ask);
  expect(asked).toMatchObject({ status: "queued", message: null, commit: "c", startedAt: null });
  expect(asked.askedAt).toBe(new Date(t0 + 500).toISOString());
  expect(asked).not.toHaveProperty("waitingFor");
  expect(() => transition(asked, ask)).toThrow(/cannot ask/);
  expect(() => transition(execution({ status: "running" }), ask)).toThrow(/cannot ask/);
  expect(transition(asked, events["start"] as ExecutionEvent).startedAt).toBe(new Date(t0 + 1_000).toISOString());
});
