// Choosing executions of a data folder, and the table of them.
import { expect, test } from "vitest";
import { chosen, type HistoryFilter } from "../../agent/cli/history.ts";
import { historyText } from "../../agent/cli/report/history.ts";
import { newHead } from "../../agent/history/document.ts";
import type { Execution } from "../../agent/model/execution.ts";
import { executionView } from "../../agent/views.ts";
import { widthOf } from "../../agent/text/glyphs.ts";
import { execution, t0 } from "../helpers/make.ts";

const iso = (at: number) => new Date(at).toISOString();
const row = (n: number, batch: string, fields: Partial<Execution> = {}) =>
  execution({
    id: `01JD00000000000000000000${String(n).padStart(2, "0")}` as never,
    batch: batch as never,
    createdAt: iso(t0 + n * 60_000),
    startedAt: iso(t0 + n * 60_000),
    ...fields,
  });

const rows = [
  row(1, "load", { group: "billing" }),
  row(2, "load", { group: "billing/eu", status: "failed", reason: "exit", exitCode: 3 }),
  row(3, "report", { group: "bill", status: "aborted", reason: "cancelled", message: "cancelled by a@b: why" }),
  row(4, "report", { group: "bill", status: "failed", reason: "timeout", message: "no end after 1m" }),
];

function ids(filter: Partial<HistoryFilter>): number[] {
  const batches = new Map(
    ["load", "report"].map((name) => [
      name,
      {
        head: newHead(name as never, iso(t0)),
        rows: new Map(rows.filter(({ batch }) => batch === name).map((one) => [one.id, one])),
      },
    ]),
  );
  return chosen({ batches, unreadable: [] }, { names: [], count: 50, ...filter }).map(({ id }) => Number(id.slice(-2)));
}

test.each<[string, Partial<HistoryFilter>, number[]]>([
  ["all, newest first", {}, [4, 3, 2, 1]],
  ["at most so many", { count: 2 }, [4, 3]],
  ["of some batches", { names: ["load"] }, [2, 1]],
  ["by status", { status: ["failed"] }, [4, 2]],
  ["by several", { status: ["failed", "aborted"] }, [4, 3, 2]],
  ["by reason", { reason: ["exit", "cancelled"] }, [3, 2]],
  ["since, inclusive", { since: t0 + 3 * 60_000 }, [4, 3]],
  ["until, inclusive", { until: t0 + 2 * 60_000 }, [2, 1]],
  ["a group is where a batch is now, and all below it", { group: "billing" }, [2, 1]],
  ["a group whose name only begins alike is another", { group: "bill" }, [4, 3]],
  ["the top is all", { group: "" }, [4, 3, 2, 1]],
  ["none", { group: "nowhere" }, []],
])("%s", (_name, filter, want) => expect(ids(filter)).toEqual(want));

test("a batch that is not on record is refused, with what was probably meant", () =>
  expect(() => ids({ names: ["reprot"] })).toThrow(expect.objectContaining({ hint: "did you mean report?" })));

const long = row(5, "a-batch-with-a-name-as-long-as-one-may-be-of-sixty-three-letters", {
  status: "failed",
  reason: "timeout",
  message: "\u001b[2Jit had not ended after 1h30m, and everything that it had started was ended too",
  trigger: { kind: "manual", dueAt: iso(t0), by: null, actor: "operator@a-host", note: "月次 \u202e" },
});

test.each([40, 60, 80, 100, 120, 140, 200, Infinity])(
  "the table fits %s columns and holds no control character",
  (width) => {
    const text = historyText(
      [...rows, long].map((one) => executionView(one)),
      { width, colours: false },
      t0,
    );
    for (const line of text.trimEnd().split("\n")) expect(widthOf(line)).toBeLessThanOrEqual(width);
    expect(text.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(text).toContain(long.id);
  },
);

test("what a status does not say is there in words", () =>
  expect(
    historyText(
      rows.toReversed().map((one) => executionView(one)),
      { width: 120, colours: false },
      t0,
    ),
  ).toMatchInlineSnapshot(`
    "ID                          BATCH   STATUS              AT (UTC)             TOOK  STARTED BY  DETAIL
    01JD0000000000000000000004  report  failed: timeout     2026-11-24 12:04:00  0 ms  cron        no end after 1m
    01JD0000000000000000000003  report  aborted: cancelled  2026-11-24 12:03:00        cron        cancelled by a@b: why
    01JD0000000000000000000002  load    failed: exit 3      2026-11-24 12:02:00  0 ms  cron
    01JD0000000000000000000001  load    queued              2026-11-24 12:01:00        cron
    "
  `));
