import { expect, test } from "vitest";
import { ganttOf, ganttWidth } from "../../../agent/http/dashboard/drawing/gantt.ts";
import type { Execution } from "../../../agent/model/execution.ts";
import type { BatchName } from "../../../agent/model/ids.ts";
import { execution, t0 } from "../../helpers/make.ts";

const second = 1_000;
const iso = (seconds: number) => new Date(t0 + seconds * second).toISOString();

/** One that was asked for, began and ended so many seconds after t0, after others. */
function row(batch: string, [asked, start, end]: [number, number, number], previous: Execution[] = []): Execution {
  return execution({
    status: "succeeded",
    batch: batch as BatchName,
    createdAt: iso(asked),
    startedAt: iso(start),
    finishedAt: iso(end),
    durationMs: (end - start) * second,
    previous: previous.map(({ id }) => id),
    trigger: { kind: "after", dueAt: iso(0), by: previous[0]?.id ?? null },
  });
}

test("bars, waiting and total time", () => {
  const a = row("a", [0, 0, 40]);
  const b = row("b", [40, 60, 100], [a]);
  const { rows, totalMs, critical } = ganttOf([a, b], t0 + 500 * second);
  expect(totalMs).toBe(100 * second);
  expect(rows.map(({ wait, bar }) => ({ wait, bar }))).toEqual([
    { wait: null, bar: { x: 0, width: 400 } },
    { wait: { x: 400, width: 200 }, bar: { x: 600, width: 400 } },
  ]);
  expect(critical).toEqual(["a", "b"]);
});

test("the critical path goes through the previous batch that ended last", () => {
  const root = row("root", [0, 0, 10]);
  const [quick, slow] = [row("quick", [10, 10, 20], [root]), row("slow", [10, 10, 90], [root])];
  const join = row("join", [90, 90, 95], [quick, slow]);
  const aside = row("aside", [20, 20, 30], [quick]);
  const { critical, rows } = ganttOf([root, quick, slow, join, aside], t0);
  expect(critical).toEqual(["root", "slow", "join"]);
  expect(rows.filter(({ isCritical }) => isCritical).map(({ execution: { batch } }) => batch)).toEqual(critical);
});

test("what runs goes on to now, what never ran has no bar, nothing leaves the picture", () => {
  const running = execution({ status: "running", createdAt: iso(0), startedAt: iso(0) });
  const aborted = execution({ status: "aborted", createdAt: iso(30), finishedAt: iso(30) });
  const { rows, totalMs } = ganttOf([running, aborted], t0 + 60 * second);
  expect([totalMs, rows[0]?.tookMs, rows[0]?.bar, rows[1]?.bar]).toEqual([
    60 * second,
    60 * second,
    { x: 0, width: ganttWidth },
    null,
  ]);
});

test("a run of no time at all", () => {
  const { rows, totalMs } = ganttOf([row("a", [0, 0, 0])], t0);
  expect([totalMs, rows[0]?.bar?.width]).toEqual([1, 2]);
});
