import { describe, expect, test } from "vitest";
import type { Revision } from "../../agent/model/ids.ts";
import type { Problem } from "../../agent/model/problem.ts";
import { isSettled, planReconcile, settleTime, type Desired, type Current } from "../../agent/reconcile/plan.ts";
import { batch, folder, schedule, t0 } from "../helpers/make.ts";

const old = "aaaaaaaaaaaa" as Revision;
const fresh = "bbbbbbbbbbbb" as Revision;
const covered = "2026-11-24T11:59:00.000Z";
const now = new Date(t0).toISOString();
const problem: Problem = {
  batch: "report",
  file: null,
  line: null,
  column: null,
  path: null,
  code: "yaml-syntax",
  message: "m",
  hint: null,
};

function inForce(fields: Partial<Current> = {}): Current {
  return {
    batch: batch(),
    revision: old,
    problems: [],
    schedule: { key: schedule().key, coveredUntil: covered },
    gone: false,
    ...fields,
  };
}
function valid(digest: Revision, fields: Parameters<typeof batch>[0] = {}): Desired {
  return { name: "report", kind: "valid", folder: folder({ digest }), batch: batch(fields) };
}
const invalid: Desired = { name: "report", kind: "invalid", digest: fresh, problems: [problem] };

describe("planReconcile", () => {
  const rows: { name: string; look: Desired; current: Current | null; want: object[] }[] = [
    {
      name: "a new batch counts from now",
      look: valid(fresh),
      current: null,
      want: [{ kind: "apply", schedule: { coveredUntil: now } }],
    },
    { name: "nothing new", look: valid(old), current: inForce(), want: [] },
    {
      name: "an edit that leaves the schedule keeps its place",
      look: valid(fresh),
      current: inForce(),
      want: [{ kind: "apply", schedule: { coveredUntil: covered } }],
    },
    {
      name: "a new schedule counts from now",
      look: valid(fresh, { cron: "0 * * * *" }),
      current: inForce(),
      want: [{ kind: "apply", schedule: { coveredUntil: now } }],
    },
    {
      name: "disabled: no schedule",
      look: valid(fresh, { enabled: false }),
      current: inForce(),
      want: [{ kind: "apply", schedule: null }],
    },
    {
      name: "enabled again counts from now: nothing of its rest is owed",
      look: valid(fresh),
      current: inForce({ schedule: null }),
      want: [{ kind: "apply", schedule: { coveredUntil: now } }],
    },
    {
      name: "an invalid edit changes nothing in force",
      look: invalid,
      current: inForce(),
      want: [{ kind: "hold", problems: [problem] }],
    },
    { name: "the same problems are told once", look: invalid, current: inForce({ problems: [problem] }), want: [] },
    {
      name: "mended to what is in force: problems go",
      look: valid(old),
      current: inForce({ problems: [problem] }),
      want: [{ kind: "apply" }],
    },
    {
      name: "a folder that went",
      look: { name: "report", kind: "absent" },
      current: inForce(),
      want: [{ kind: "remove" }],
    },
    { name: "a folder that is already gone", look: { name: "report", kind: "absent" }, current: null, want: [] },
    {
      name: "an error while reading is not absence",
      look: { name: "report", kind: "unreadable", problem: { ...problem, code: "unreadable" } },
      current: inForce(),
      want: [{ kind: "hold" }],
    },
    {
      name: "a removed one that comes back counts from now",
      look: valid(old),
      current: inForce({ gone: true }),
      want: [{ kind: "apply", schedule: { coveredUntil: now } }],
    },
    {
      name: "after a restart: known to the record, not yet to memory",
      look: valid(old),
      current: inForce({ batch: null }),
      want: [{ kind: "apply", schedule: { coveredUntil: covered } }],
    },
  ];
  test.each(rows)("$name", ({ look, current, want }) => {
    const actions = planReconcile([look], new Map(current === null ? [] : [["report", current]]), t0);
    expect(actions).toHaveLength(want.length);
    if (want.length > 0) expect(actions).toMatchObject(want);
  });
});

describe("isSettled", () => {
  const rows = [
    { name: "quiet for long enough", look: { digest: "a", changedAt: t0 - 200 }, earlier: null, want: true },
    { name: "written just now", look: { digest: "a", changedAt: t0 - 20 }, earlier: null, want: false },
    {
      name: "seen the same before",
      look: { digest: "a", changedAt: t0 },
      earlier: { digest: "a", at: t0 - 150 },
      want: true,
    },
    {
      name: "seen otherwise before",
      look: { digest: "a", changedAt: t0 },
      earlier: { digest: "b", at: t0 - 150 },
      want: false,
    },
    {
      name: "a file from the future needs a second look",
      look: { digest: "a", changedAt: t0 + 9e9 },
      earlier: null,
      want: false,
    },
    {
      name: "absence always needs a second look",
      look: { digest: "absent", changedAt: t0 - 9e6 },
      earlier: null,
      want: false,
    },
  ];
  test.each(rows)("$name: $want", ({ look, earlier, want }) => expect(isSettled(look, earlier, 100, t0)).toBe(want));
});

test("an archive that cannot be unpacked may be a copy that has come to a halt: it is waited for longer", () => {
  expect(settleTime(null)).toBe(100);
  expect(settleTime(folder())).toBe(100);
  expect(settleTime(folder({ problems: [problem] }))).toBe(100);
  expect(settleTime(folder({ problems: [problem, { ...problem, code: "bad-archive" }] }))).toBe(2_000);
});
