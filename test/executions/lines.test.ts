import { describe, expect, test } from "vitest";
import { Lines, maxPassedOverMs, type Rank } from "../../agent/executions/lines.ts";
import type { Pool } from "../../agent/executions/pools.ts";
import type { ExecutionId } from "../../agent/model/ids.ts";

const db: Pool = { key: ":db", name: "db", size: 1 };
const ftp: Pool = { key: ":ftp", name: "ftp", size: 2 };
const now = 10 * maxPassedOverMs;
const hour = 3_600_000;

function rank(fields: Partial<Rank> = {}): Rank {
  return { pool: null, priority: 0, dueAt: now, since: now, ...fields };
}

/** Takes all out whose turn comes, with these places taken for good. */
function drain(lines: Lines, used: Record<string, number> = {}): string {
  let taken = "";
  for (;;) {
    const id = lines.next((pool) => used[pool] ?? 0, now);
    if (id === undefined) return taken;
    taken += id;
  }
}

describe("the next to start", () => {
  test.each<[string, Record<string, Partial<Rank>>, Record<string, number>, string]>([
    ["comes first where all is equal", { a: {}, b: {}, c: {} }, {}, "abc"],
    ["was due earlier", { a: { dueAt: now }, b: { dueAt: now - 2 }, c: { dueAt: now - 1 } }, {}, "bca"],
    ["has the higher priority", { a: { priority: -1 }, b: {}, c: { priority: 5 } }, {}, "cba"],
    [
      "has the higher priority, though another was due earlier",
      { a: { dueAt: now - hour, since: now - hour }, b: { priority: 1 } },
      {},
      "ba",
    ],
    [
      "goes by due time within a priority, over all lines",
      { a: { pool: db, dueAt: now - 1 }, b: { dueAt: now - 2 }, c: { pool: ftp, dueAt: now - 3 } },
      {},
      "cba",
    ],
    ["is none whose pool is full", { a: { pool: db, priority: 100 }, b: {}, c: { pool: ftp } }, { ":db": 1 }, "bc"],
    ["is none whose pool has become smaller", { a: { pool: ftp }, b: { pool: db } }, { ":ftp": 5 }, "b"],
    ["takes the last place", { a: { pool: ftp } }, { ":ftp": 1 }, "a"],
    [
      "has waited for a day, whatever its priority",
      { a: { priority: 100 }, b: { priority: -100, since: now - maxPassedOverMs }, c: { priority: 100 } },
      {},
      "bac",
    ],
    [
      "has waited longest, of those that have waited for a day",
      {
        a: { priority: 9, since: now - maxPassedOverMs - 1 },
        b: { priority: 1, since: now - maxPassedOverMs - 2 },
        c: { priority: 99, since: now - maxPassedOverMs + 1 },
      },
      {},
      "bac",
    ],
    [
      "waits a day in a pool too",
      { a: { pool: db, priority: 7 }, b: { pool: db, since: now - maxPassedOverMs }, c: { priority: 9 } },
      {},
      "bca",
    ],
  ])("%s", (_name, starts, used, want) => {
    const lines = new Lines();
    for (const [id, fields] of Object.entries(starts)) lines.add(id as ExecutionId, rank(fields));
    expect(drain(lines, used)).toBe(want);
    expect(lines.size).toBe(Object.keys(starts).length - want.length);
  });

  test("is not one that has left, however often it came and went", () => {
    const lines = new Lines();
    for (let i = 0; i < 500; i++) {
      lines.add("a" as ExecutionId, rank({ pool: db, dueAt: now - i }));
      lines.add("b" as ExecutionId, rank({ pool: db }));
      lines.remove("a" as ExecutionId);
    }
    expect([lines.waiting(":db"), lines.size]).toEqual([1, 1]);
    expect(drain(lines)).toBe("b");
    expect(drain(lines)).toBe("");
  });

  test("goes by what is in force now; who came first stays first", () => {
    const lines = new Lines();
    for (const id of ["a", "b", "c", "d"]) lines.add(id as ExecutionId, rank({ pool: db }));
    lines.refresh((id) => ({ pool: id === "d" ? null : { ...db, size: 2 }, priority: id === "c" ? 1 : 0 }));
    expect(lines.of("a" as ExecutionId)?.pool).toMatchObject({ size: 2 });
    expect(drain(lines, { ":db": 2 })).toBe("d");
    expect(drain(lines, { ":db": 1 })).toBe("cab");
  });
});
