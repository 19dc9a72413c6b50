// Starts that are admitted, put off and refused.
import { describe, expect, test } from "vitest";
import { admit, admitQueued, standsIn, type Admission } from "../../agent/executions/admission.ts";
import type { Batch } from "../../agent/model/batch.ts";
import { batch, execution, t0 } from "../helpers/make.ts";

describe("a start that has become due", () => {
  const overlap = (message: string): Admission => ({ kind: "abort", reason: "overlap", message });
  const earlier = overlap("an earlier execution of this batch has not ended");
  const disabled: Admission = { kind: "abort", reason: "disabled", message: "the batch is not enabled" };
  test.each<{ concurrency: Batch["concurrency"]; open: number; held: boolean; want: Admission }>([
    { concurrency: "forbid", open: 0, held: false, want: { kind: "start" } },
    { concurrency: "queue", open: 0, held: false, want: { kind: "start" } },
    { concurrency: "replace", open: 0, held: false, want: { kind: "start" } },
    { concurrency: "allow", open: 0, held: false, want: { kind: "start" } },
    { concurrency: "forbid", open: 1, held: false, want: earlier },
    { concurrency: "forbid", open: 2, held: true, want: earlier },
    { concurrency: "allow", open: 7, held: false, want: { kind: "start" } },
    { concurrency: "queue", open: 1, held: false, want: { kind: "wait" } },
    { concurrency: "queue", open: 2, held: true, want: overlap("an earlier start of this batch is waiting already") },
    { concurrency: "replace", open: 1, held: false, want: { kind: "replace" } },
  ])("$concurrency, $open open, one of them held: $held", ({ concurrency, open, held, want }) =>
    expect(admit(batch({ concurrency }), open, held)).toEqual(want),
  );

  test("of a batch that is disabled or gone, whatever is open", () => {
    expect(admit(null, 0, false)).toEqual(disabled);
    expect(admit(batch({ enabled: false }), 0, false)).toEqual(disabled);
    expect(admit(batch({ enabled: false, concurrency: "allow" }), 1, false)).toEqual(disabled);
  });
});

describe("a start that waits for a place stands for the next due time", () => {
  const cron = execution();
  test.each([
    { name: "a due time that waits", of: batch(), waiting: cron, want: true },
    { name: "of a disabled batch", of: batch({ enabled: false }), waiting: cron, want: false },
    { name: "that may run beside others", of: batch({ concurrency: "allow" }), waiting: cron, want: false },
    { name: "that queues", of: batch({ concurrency: "queue" }), waiting: cron, want: false },
    { name: "that comes after another batch", of: batch({ after: ["a"] }), waiting: cron, want: false },
    { name: "that runs", of: batch(), waiting: execution({ status: "running" }), want: false },
    { name: "that a runner has", of: batch(), waiting: { ...cron, askedAt: cron.createdAt }, want: false },
    {
      name: "that was asked for by hand",
      of: batch(),
      waiting: { ...cron, trigger: { ...cron.trigger, kind: "manual" as const } },
      want: false,
    },
  ])("$name: $want", ({ of, waiting, want }) => expect(standsIn(of, waiting)).toBe(want));
});

describe("a start whose turn has come", () => {
  const late = (seconds: number) => ({
    kind: "abort",
    reason: "deadline",
    message: `${seconds} s late when its turn came, more than startDeadline allows`,
  });
  test.each([
    { deadlineMs: 600_000, lateMs: 0, want: { kind: "start" } },
    { deadlineMs: 600_000, lateMs: 600_000, want: { kind: "start" } },
    { deadlineMs: 600_000, lateMs: 600_001, want: late(600) },
    { deadlineMs: 600_000, lateMs: -5_000, want: { kind: "start" } },
    // A deadline of nothing still lets through what is on time.
    { deadlineMs: 0, lateMs: 500, want: { kind: "start" } },
    { deadlineMs: 0, lateMs: 90_400, want: late(90) },
  ])("$lateMs ms late, $deadlineMs ms allowed", ({ deadlineMs, lateMs, want }) =>
    expect(admitQueued(batch({ startDeadlineMs: deadlineMs }), t0, t0 + lateMs)).toEqual(want),
  );

  test("of a batch that was disabled or removed meanwhile", () => {
    const want = { kind: "abort", reason: "disabled", message: "disabled or removed while queued" };
    expect(admitQueued(null, t0, t0)).toEqual(want);
    expect(admitQueued(batch({ enabled: false }), t0, t0)).toEqual(want);
  });
});
