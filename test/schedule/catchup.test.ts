import { expect, test } from "vitest";
import { decideDue, trustedMark } from "../../agent/schedule/catchup.ts";
import { schedule, t0 } from "../helpers/make.ts";

const minute = 60_000;
const at = (minutes: number) => t0 + minutes * minute;
const deadline = 10 * minute;

// t0 is 12:00:00; the batch is due every minute, and all up to t0 is accounted for.
const rows: {
  name: string;
  now: number;
  covered?: number;
  cron?: string;
  deadlineMs?: number;
  offsetMs?: number;
  want: object;
}[] = [
  { name: "not due yet", now: at(0.5), want: { start: null, missed: null, next: at(1) } },
  {
    name: "on time",
    now: at(1) + 13,
    want: { start: at(1), before: null, missed: null, coveredUntil: at(1), next: at(2) },
  },
  { name: "a busy moment late is on time", now: at(1) + 4_000, want: { start: at(1), missed: null } },
  {
    name: "asleep for three: the latest runs, the gap is told whole",
    now: at(3) + 20_000,
    want: { start: at(3), before: at(2), missed: { from: at(1), to: at(3), count: 3 }, next: at(4) },
  },
  { name: "asleep for one", now: at(1) + 30_000, want: { start: at(1), missed: { from: at(1), to: at(1), count: 1 } } },
  {
    name: "past the deadline nothing runs",
    now: at(1) + 30_000,
    deadlineMs: 20_000,
    want: { start: null, missed: { count: 1 }, coveredUntil: at(1) },
  },
  { name: "deadline 0: on time still runs", now: at(1) + 50, deadlineMs: 0, want: { start: at(1), missed: null } },
  { name: "deadline 0: late never", now: at(5) + 30_000, deadlineMs: 0, want: { start: null, missed: { count: 5 } } },
  {
    name: "a clock that went back an hour starts nothing twice",
    now: at(-60),
    want: { start: null, missed: null, coveredUntil: at(0), next: at(1) },
  },
  {
    name: "a clock that leapt an hour ahead",
    now: at(60) + 1,
    want: { start: at(60), missed: { from: at(1), to: at(60), count: 60 } },
  },
  {
    name: "asleep for ten years of seconds: bounded",
    cron: "* * * * * *",
    now: t0 + 3_650 * 86_400_000,
    want: { start: t0 + 3_650 * 86_400_000 },
  },
  {
    name: "jitter puts off the start, not the due time",
    now: at(1) + 29_000,
    offsetMs: 30_000,
    want: { start: null, next: at(1) },
  },
  { name: "jitter over", now: at(1) + 30_001, offsetMs: 30_000, want: { start: at(1), missed: null } },
  {
    name: "a one-off that is over is never due again",
    cron: "2026-11-24T12:00:00",
    now: at(5),
    want: { start: null, missed: null, next: null },
  },
  {
    name: "a one-off to come",
    cron: "2026-12-24T18:00:00",
    now: at(5),
    want: { start: null, next: Date.parse("2026-12-24T18:00:00Z") },
  },
];

test.each(rows)("$name", ({ now, covered = t0, cron, deadlineMs = deadline, offsetMs = 0, want }) => {
  expect(decideDue(schedule(cron, "UTC", offsetMs), covered, deadlineMs, now)).toMatchObject(want);
});

test.each([
  { name: "behind", mark: at(-60), want: at(-60) },
  { name: "an hour ahead: those times have run", mark: at(60), want: at(60) },
  { name: "a day ahead", mark: at(24 * 60), want: at(24 * 60) },
  { name: "years ahead: left by a clock that stood wrong", mark: at(5 * 365 * 24 * 60), want: t0 },
])("a mark $name", ({ mark, want }) => {
  expect(trustedMark(mark, t0)).toBe(want);
});
