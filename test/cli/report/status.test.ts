import { expect, test } from "vitest";
import { needsAttention, overviewText, type Overview } from "../../../agent/cli/report/status.ts";
import { outlineOf } from "../../../agent/history/port.ts";
import type { BatchState } from "../../../agent/model/batch.ts";
import type { Execution } from "../../../agent/model/execution.ts";
import type { Problem } from "../../../agent/model/problem.ts";
import { batchView } from "../../../agent/views.ts";
import { batch, execution, t0 } from "../../helpers/make.ts";

const ago = (seconds: number) => t0 - seconds * 1_000;

function view(
  name: string,
  state: BatchState,
  last: (Partial<Execution> & { at?: number }) | null,
  more: { next?: number; blockedBy?: string[]; problems?: Problem[]; after?: string } = {},
) {
  const definition = batch({
    name: name as never,
    file: { env: {}, ...(more.after === undefined ? {} : { after: more.after }) } as never,
  });
  const status = {
    name,
    state,
    batch: definition,
    revision: null,
    commit: null,
    problems: more.problems ?? [],
    blockedBy: more.blockedBy ?? [],
  };
  const executions = last === null ? [] : [execution({ batch: name as never, ...last })];
  return batchView(
    status,
    {
      last: executions[0],
      counts: { queued: 0, running: 0, succeeded: 0, failed: 0, aborted: 0 },
      outlines: () => executions.map(outlineOf),
    },
    more.next === undefined ? [] : [new Date(t0 + more.next * 1_000).toISOString()],
  );
}

function problem(name: string): Problem {
  return {
    batch: name,
    file: `batches.d/${name}/batch.yaml`,
    line: 3,
    column: 7,
    path: null,
    code: "bad-cron",
    message: "no \u001b[2J",
    hint: null,
  };
}

function overview(batches: Overview["batches"], problems: Problem[] = [], ready = true): Overview {
  const details = {
    version: "1.2.3",
    running: 1,
    queued: 0,
    batches: batches.length,
    problems: problems.length,
    watch: { mode: "inotify" },
  };
  return {
    url: "http://127.0.0.1:8080",
    ready: { ready, reasons: ready ? [] : ["the disk is full"], details },
    batches,
    problems,
  };
}

const all = [
  view("calm", "scheduled", { status: "succeeded", at: ago(7_200), durationMs: 61_000 }, { next: 300 }),
  view("resting", "disabled", { status: "failed", at: ago(90_000) }),
  view("gone", "removed", { status: "failed", at: ago(5) }),
  view(
    "loading",
    "scheduled",
    { status: "running", at: ago(30), progress: { percent: 42, message: null, at: "" } },
    { next: 3_600 },
  ),
  view("broken", "invalid", null, { problems: [problem("broken")] }),
  view("sad", "scheduled", { status: "failed", at: ago(60), exitCode: 3, attempt: 2, durationMs: 400 }, { next: 30 }),
  view(
    "chained",
    "chained",
    { status: "succeeded", at: ago(60), unusual: "too-fast", durationMs: 5 },
    { after: "calm" },
  ),
  view("stuck", "chained", null, { blockedBy: ["resting", "b", "c"] }),
];

test("what needs a person comes first", () => {
  expect(overviewText(overview(all, [problem("broken")]), { colours: false, limit: Infinity }, t0))
    .toMatchInlineSnapshot(`
      "batch-agent 1.2.3 at http://127.0.0.1:8080: ready
      8 batches, 1 running, 0 queued, 1 problem

      BATCH    STATE      LAST                        WHEN         TOOK    NEXT                              PROBLEMS
      broken   invalid    -                                                -                                 1: bad-cron
      sad      scheduled  failed: exit 3 (attempt 2)  60 s ago     400 ms  in 30 s
      loading  scheduled  running: 42 %               30 s ago     30 s    in 1 h
      stuck    chained    -                                                blocked by resting, b and 1 more
      calm     scheduled  succeeded                   2 h ago      61 s    in 5 min
      chained  chained    succeeded: too-fast         60 s ago     5 ms    after calm
      resting  disabled   failed: exit 1              1 d 1 h ago  0 ms    -
      gone     removed    failed: exit 1              5 s ago      0 ms    -

      batches.d/broken/batch.yaml:3:7: bad-cron: no �[2J
      "
    `);
});

test("an agent that is not ready says why; what does not fit is counted", () => {
  const text = overviewText(
    overview(all, [problem("a"), problem("b"), problem("c")], false),
    { colours: true, limit: 2 },
    t0,
  );
  expect(text).toContain("\u001b[31mnot ready\u001b[39m\n\u001b[31m  the disk is full\u001b[39m\n");
  expect(text).toContain("and 6 more batches: --all");
  expect(text).toContain("and 1 more problem: --all");
  expect(text.split("\n").filter((line) => line.includes("scheduled"))).toHaveLength(1);
});

test.each([
  { name: "all well", given: overview([all[0] as never]), want: false },
  { name: "a failure", given: overview([all[5] as never]), want: true },
  { name: "a problem", given: overview([], [problem("x")]), want: true },
  { name: "not ready", given: overview([], [], false), want: true },
])("attention: $name", ({ given, want }) => expect(needsAttention(given)).toBe(want));

test("of 1,000 batches the few that need a person are shown", () => {
  const many = Array.from({ length: 1_000 }, (_, i) =>
    view(`b${i}`, "scheduled", i % 100 === 7 ? { status: "failed" } : { status: "succeeded" }),
  );
  const lines = overviewText(overview(many), { colours: false, limit: 30 }, t0).split("\n");
  expect(lines.filter((line) => line.includes("failed:"))).toHaveLength(10);
  expect(lines).toContain("and 970 more batches: --all, or choose with --tag, --state or --failed");
});
