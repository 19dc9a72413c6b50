// The index against the executions themselves, whatever was put, changed and removed before.
import fc from "fast-check";
import { expect, test } from "vitest";
import { outlineOf } from "../../agent/history/port.ts";
import { RowIndex } from "../../agent/history/row-index.ts";
import type { Execution, ExecutionStatus } from "../../agent/model/execution.ts";
import type { BatchName, ExecutionId, Revision, RunId } from "../../agent/model/ids.ts";
import { execution, t0 } from "../helpers/make.ts";

const statuses = ["queued", "running", "succeeded", "failed", "aborted"] as const satisfies readonly ExecutionStatus[];
const letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** A ULID of that time; `n` tells those of one millisecond apart. */
export function idAt(at: number, n: number): ExecutionId {
  let text = "";
  for (let rest = at, i = 0; i < 10; i++, rest = Math.floor(rest / 32)) text = (letters[rest % 32] ?? "") + text;
  return `${text}${[...n.toString(32).toUpperCase()]
    .map((digit) => letters[parseInt(digit, 32)])
    .join("")
    .padStart(16, "Z")}` as ExecutionId;
}

const iso = (at: number) => new Date(at).toISOString();

test("the index says what the records say, and nothing is lost, doubled or out of order", () => {
  const row = fc.record({
    at: fc.nat(50),
    skew: fc.constantFrom(0, 5, 86_400_000 * 40),
    batch: fc.constantFrom("a", "b", "c"),
    run: fc.nat(3),
    status: fc.constantFrom(...statuses),
    waited: fc.constantFrom(0, 7, 86_400_000 * 30),
    took: fc.constantFrom(0, 1_204, 86_400_000 * 24),
    bytes: fc.constantFrom(0, 120, 2 ** 31 - 1, 5_000_000_000),
    revision: fc.constantFrom("aaaaaaaaaaaa", "bbbbbbbbbbbb", null),
    unusual: fc.constantFrom(null, "too-slow" as const),
    notifyDue: fc.boolean(),
  });
  const change = fc.record({ of: fc.nat(1_000), status: fc.constantFrom(...statuses), gone: fc.boolean() });
  fc.assert(
    fc.property(
      fc.array(row, { minLength: 1, maxLength: 60 }),
      fc.array(change, { maxLength: 80 }),
      fc.nat(60),
      (rows, changes, bulk) => {
        let at = t0;
        const all = rows.map((given, n): Execution => {
          at += given.at;
          const ran = given.status !== "queued" && given.status !== "aborted";
          const ended = given.status !== "queued" && given.status !== "running";
          const created = at - given.skew;
          const started = created + given.waited;
          return {
            ...execution(),
            id: idAt(at, n),
            run: idAt(t0, given.run) as string as RunId,
            batch: given.batch as BatchName,
            status: given.status,
            reason: given.status === "failed" ? "exit" : given.status === "aborted" ? "overlap" : null,
            createdAt: iso(created),
            startedAt: ran ? iso(started) : null,
            finishedAt: ended ? iso((ran ? started : created) + given.took) : null,
            durationMs: ran && ended ? given.took : null,
            stdoutBytes: given.bytes,
            revision: given.revision as Revision | null,
            unusual: given.unusual,
            ...(given.notifyDue ? { notifyDue: { event: "failure" as const, count: 1, since: null } } : {}),
          };
        });
        const index = new RowIndex();
        const kept = new Map<string, Execution>();
        const put = (one: Execution) => (index.put(one), kept.set(one.id, one));
        // Commits come a little out of the order of their ids.
        const [known, later] = [all.slice(0, bulk), all.slice(bulk)];
        for (const one of [...known].reverse()) {
          index.append(one, null);
          kept.set(one.id, one);
        }
        index.sort();
        for (const one of [...later.slice(1), ...later.slice(0, 1)]) put(one);
        for (const { of, status, gone } of changes) {
          const one = kept.get(all[of % all.length]?.id ?? "") ?? all[of % all.length];
          if (one === undefined) continue;
          if (gone) {
            index.remove(one.id);
            kept.delete(one.id);
          } else put({ ...one, status });
        }
        const newestFirst = [...kept.values()].sort((a, b) => (a.id < b.id ? 1 : -1));
        const outlines = (slots: Iterable<number>) => [...slots].map((slot) => index.outline(slot));
        expect(outlines(index.all())).toEqual(newestFirst.map(outlineOf));
        for (const name of ["a", "b", "c", "none"]) {
          const ofBatch = newestFirst.filter(({ batch }) => batch === name);
          expect(outlines(index.ofBatch(name))).toEqual(ofBatch.map(outlineOf));
          expect(index.count(name)).toBe(ofBatch.length);
          for (const status of statuses)
            expect(index.counts(name)[status]).toBe(ofBatch.filter((one) => one.status === status).length);
        }
        for (const { id } of all) {
          expect(index.slotOf(id) >= 0).toBe(kept.has(id));
          const before = newestFirst.filter((one) => one.id < id);
          expect([...index.all(id)].map((slot) => index.idOf(slot))).toEqual(before.map((one) => one.id));
        }
        for (const status of statuses) {
          const want = newestFirst.filter((one) => one.status === status && one.reason !== "exit");
          const reasons = [...new Set(want.flatMap(({ reason }) => reason ?? []))];
          const found = index.search({ statuses: [status], ...(reasons.length === 0 ? {} : { reasons }) }, 7);
          if (reasons.length > 0)
            expect(outlines(found)).toEqual(
              want
                .filter(({ reason }) => reason !== null)
                .slice(0, 7)
                .map(outlineOf),
            );
        }
        const [since, until] = [t0 + 100, t0 + 900];
        const within = newestFirst.filter(
          ({ createdAt }) => Date.parse(createdAt) >= since && Date.parse(createdAt) <= until,
        );
        expect(outlines(index.search({ since, until, batches: new Set(["a", "c"]) }, 100))).toEqual(
          within.filter(({ batch }) => batch !== "b").map(outlineOf),
        );
        expect(index.size).toBe(kept.size);
        expect(new Set(index.revisions())).toEqual(new Set(newestFirst.flatMap(({ revision }) => revision ?? [])));
        const due = newestFirst.filter(({ notifyDue }) => notifyDue !== undefined).map(({ id }) => id);
        expect(new Set(index.notifyDue().map((slot) => index.idOf(slot)))).toEqual(new Set(due));
      },
    ),
    { numRuns: 300 },
  );
});

test("ten thousand that come and go take no more room than those that are there", () => {
  const index = new RowIndex();
  const ids = Array.from({ length: 20_000 }, (_, n) => idAt(t0 + n, n));
  const row = execution({ status: "succeeded" });
  ids.forEach((id, n) => {
    index.put({ ...row, id });
    if (n >= 100) index.remove(ids[n - 100] ?? "");
  });
  expect(index.size).toBe(100);
  expect(index.count("report")).toBe(100);
  expect([...index.all()].map((slot) => index.idOf(slot))).toEqual(ids.slice(-100).reverse());
  expect(index.capacity).toBeLessThan(4_000);
});
