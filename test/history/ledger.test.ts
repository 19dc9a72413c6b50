// Pages of executions against a plain filter over all of them, whatever was put, changed and removed before.
import fc from "fast-check";
import { expect, test } from "vitest";
import { createLedger, type ExecutionQuery } from "../../agent/history/ledger.ts";
import type { Execution, ExecutionStatus } from "../../agent/model/execution.ts";
import type { RunId, BatchName } from "../../agent/model/ids.ts";
import { execution, t0 } from "../helpers/make.ts";

const statuses = ["queued", "running", "succeeded", "failed", "aborted"] as const satisfies readonly ExecutionStatus[];
const letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** A ULID of that time; `n` tells those of one millisecond apart. */
function idAt(at: number, n: number): string {
  let text = "";
  for (let rest = at, i = 0; i < 10; i++, rest = Math.floor(rest / 32)) text = (letters[rest % 32] ?? "") + text;
  return text + String(n).padStart(16, "0");
}

test("a page holds what a filter over everything gives", () => {
  const row = fc.record({
    at: fc.nat(50),
    batch: fc.constantFrom("a", "b"),
    run: fc.nat(3),
    status: fc.constantFrom(...statuses),
  });
  const change = fc.record({ of: fc.nat(1_000), status: fc.constantFrom(...statuses), gone: fc.boolean() });
  const query = fc.record({
    batch: fc.option(fc.constantFrom("a", "b"), { nil: undefined }),
    statuses: fc.option(fc.subarray([...statuses], { minLength: 1 }), { nil: undefined }),
    run: fc.option(fc.nat(3), { nil: undefined }),
    since: fc.option(fc.nat(50), { nil: undefined }),
    before: fc.option(fc.nat(1_000), { nil: undefined }),
    limit: fc.integer({ min: 1, max: 20 }),
  });
  fc.assert(
    fc.property(
      fc.array(row, { minLength: 1, maxLength: 60 }),
      fc.array(change, { maxLength: 60 }),
      query,
      fc.nat(60),
      (rows, changes, asked, filled) => {
        let at = t0;
        /** Named after the execution that began them, all but one whose first is not on record. */
        const runs = new Map<number, string>([[3, "3"]]);
        const all = rows.map(({ batch, run, status, ...later }, n): Execution => {
          at += later.at;
          const id = idAt(at, n);
          if (!runs.has(run)) runs.set(run, id);
          const made = { ...execution({ at }), id, batch: batch as BatchName, run: runs.get(run) as RunId, status };
          return made as Execution;
        });
        const ledger = createLedger();
        ledger.fill(all.slice(0, filled).reverse());
        all.slice(filled).forEach(ledger.put);
        let kept = all;
        for (const { of, status, gone } of changes) {
          const before = kept[of % kept.length];
          if (before === undefined) continue;
          if (gone) ledger.remove(before.id);
          else ledger.put({ ...before, status });
          kept = kept.flatMap((other) => (other !== before ? [other] : gone ? [] : [{ ...before, status }]));
        }
        const before = asked.before === undefined ? undefined : all[asked.before % all.length]?.id;
        const since = asked.since === undefined ? undefined : t0 + asked.since * 10;
        const { batch, statuses: wanted, run, limit } = asked;
        const want = kept
          .filter(
            (one) =>
              (batch === undefined || one.batch === batch) && (wanted === undefined || wanted.includes(one.status)),
          )
          .filter(
            (one) =>
              (run === undefined || one.run === runs.get(run)) &&
              (since === undefined || Date.parse(one.createdAt) >= since) &&
              (before === undefined || one.id < before),
          )
          .reverse();
        const query: ExecutionQuery = {
          limit,
          ...(batch === undefined ? {} : { batch }),
          ...(wanted === undefined ? {} : { statuses: wanted }),
          ...(run === undefined ? {} : { run: runs.get(run) ?? "none" }),
          ...(since === undefined ? {} : { since }),
          ...(before === undefined ? {} : { before }),
        };
        const page = ledger.page(
          query,
          kept.filter((one) => one.batch === batch),
        );
        expect(page.items.map(({ id }) => id)).toEqual(want.slice(0, limit).map(({ id }) => id));
        expect(page.more).toBe(want.length > limit);
      },
    ),
    { numRuns: 500 },
  );
});
