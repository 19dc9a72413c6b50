// Pools and priorities in force, over a real history and a runner that the test moves.
import { describe, expect, test } from "vitest";
import { poolOf, type DeclaredPool } from "../../agent/executions/pools.ts";
import type { Batch } from "../../agent/model/batch.ts";
import type { BatchName } from "../../agent/model/ids.ts";
import { minute, setUp } from "../helpers/executor.ts";
import { batch, execution, t0 } from "../helpers/make.ts";
import { eventually } from "../helpers/tmp.ts";

const named = (name: string, fields: Partial<Batch> = {}) => batch({ name: name as BatchName, pool: "db", ...fields });

/** With one pool, `db` of the top, whose size can be changed. */
async function setUpPool(size: number, batches: Batch[], options: Parameters<typeof setUp>[0] = {}) {
  const declared: DeclaredPool = { group: "", size };
  const set = await setUp({ ...options, batches, pool: (_group, name) => (name === "db" ? declared : undefined) });
  const order = () => set.runner.orders.map(({ execution: { batch: name } }) => name).join("");
  const waits = (name: string) => set.rows(name).flatMap(({ id }) => set.executor.waitingFor(id) ?? []);
  return { ...set, declared, order, waits };
}

describe("a pool", () => {
  test("lets no more run than its size, and holds up nobody else", async () => {
    const batches = [named("a"), named("b"), named("c"), named("x", { pool: null })];
    const { due, started, runner, order, waits, executor } = await setUpPool(2, batches);
    for (const one of batches) due(t0, one);
    await started(3);
    expect(order()).toBe("abx");
    expect(waits("c")).toEqual(["pool db"]);
    expect(executor.poolUse("", "db")).toEqual({ running: 2, waiting: 1 });
    runner.end(1);
    await started(4);
    expect(order()).toBe("abxc");
  });

  test("is the same for whatever starts: by hand, after another, on failure, again, as a retry", async () => {
    const retry = { limit: 1, delayMs: 1_000, factor: 1, maxDelayMs: 1_000 };
    const [a, b, c] = [named("a", { onFailure: "c", retry }), named("b", { after: ["a"], schedule: null }), named("c")];
    const { due, started, runner, clock, executor, rows, order, waits } = await setUpPool(1, [a, b, c]);
    due(t0, a);
    await started(1);
    await executor.manual("c");
    expect(waits("c")).toEqual(["pool db"]);
    runner.end(0, { exitCode: 1 });
    await started(2);
    await clock.advance(1_100);
    expect(order()).toBe("ac");
    expect(waits("a")).toEqual(["pool db"]);
    runner.end(1);
    await started(3);
    runner.end(2, { exitCode: 1 }); // the second attempt: c is called
    await started(4);
    expect(order()).toBe("acac");
    const by = { command: "1", actor: "me@here", note: null };
    await executor.rerun(rows("a")[1]?.id ?? "", by);
    expect(waits("a")).toEqual(["pool db"]);
    runner.end(3);
    await started(5);
    await executor.manual("c");
    runner.end(4);
    await started(6);
    // b follows a, whose run was due before c was asked for.
    expect(order()).toBe("acacab");
    expect(waits("c")).toEqual(["pool db"]);
  });

  test("goes by priority, then by due time, for starts that come due together too", async () => {
    const batches = [named("a"), named("b", { priority: 5 }), named("c", { priority: -5 }), named("d")];
    const { due, started, runner, order } = await setUpPool(1, batches);
    for (const one of batches) due(t0, one);
    for (let i = 0; i < 4; i++) {
      await started(i + 1);
      runner.end(i);
    }
    expect(order()).toBe("badc");
  });

  test("priority orders the places of --max-parallel as well", async () => {
    const batches = ["a", "b", "c"].map((name, i) => named(name, { pool: null, priority: i }));
    const { due, started, runner, order, waits } = await setUpPool(1, batches, { maxParallel: 1 });
    for (const one of batches) due(t0, one);
    await started(1);
    expect([order(), waits("a"), waits("b")]).toEqual(["c", ["a free place"], ["a free place"]]);
    runner.end(0);
    await started(2);
    runner.end(1);
    await started(3);
    expect(order()).toBe("cba");
  });

  test("a changed size, pool or priority takes effect at once", async () => {
    const batches = ["a", "b", "c", "d", "e"].map((name) => named(name));
    const { due, started, runner, order, known, declared, executor, waits } = await setUpPool(1, batches);
    for (const one of batches) due(t0, one);
    await started(1);
    declared.size = 2;
    executor.refresh();
    await started(2);
    expect(order()).toBe("ab");
    known.set("e" as BatchName, named("e", { priority: 1 }));
    known.set("c" as BatchName, named("c", { pool: null }));
    executor.refresh();
    await started(3);
    expect(order()).toBe("abc");
    declared.size = 1;
    executor.refresh();
    runner.end(0);
    await eventually(() => executor.poolUse("", "db").running === 1);
    expect([order(), waits("d"), waits("e")]).toEqual(["abc", ["pool db"], ["pool db"]]);
    runner.end(1);
    await started(4);
    expect(order()).toBe("abce");
  });

  test("one that runs counts for the pool it was started in and for the one that its batch names now", async () => {
    const [a, b, c] = [named("a"), named("b"), named("c", { pool: null })];
    const { due, started, order, known, executor, waits, runner } = await setUpPool(1, [a, b, c]);
    due(t0, a);
    due(t0, c);
    await started(2);
    known.set("a" as BatchName, named("a", { pool: null }));
    executor.refresh();
    due(t0, b);
    await eventually(() => waits("b")[0] === "pool db");
    known.set("c" as BatchName, named("c"));
    executor.refresh();
    runner.end(0);
    await eventually(() => executor.counts().running === 1);
    expect([order(), waits("b")]).toEqual(["ac", ["pool db"]]);
    runner.end(1);
    await started(3);
    expect(order()).toBe("acb");
  });

  test("what waits with a runner for its start counts as what runs does", async () => {
    const asked = { ...execution({ batch: "a" as BatchName }), askedAt: new Date(t0).toISOString(), pool: ":db" };
    const { executor } = await setUpPool(1, [named("a")], { before: [asked] });
    expect(executor.poolUse("", "db")).toEqual({ running: 1, waiting: 0 });
  });

  test("what an earlier agent left running counts at once, before anything is taken over", async () => {
    const before = [
      { ...execution({ status: "running", batch: "a" as BatchName }), pool: ":db" },
      execution({ batch: "b" as BatchName }),
    ];
    const { executor, order, waits, runner, started } = await setUpPool(1, [named("a"), named("b")], { before });
    expect(executor.poolUse("", "db").running).toBe(1);
    executor.resume();
    await eventually(() => waits("b")[0] === "pool db");
    expect(order()).toBe("");
    runner.end(0);
    await started(1);
    expect(order()).toBe("b");
  });

  test("starts that an earlier agent left in line go by priority, not by who is read first", async () => {
    const batches = ["a", "b", "c"].map((name, i) => named(name, { priority: i }));
    const before = batches.map(({ name }) => execution({ batch: name }));
    const { executor, order, runner, started } = await setUpPool(1, batches, { before });
    executor.resume();
    for (let i = 0; i < 3; i++) {
      await started(i + 1);
      runner.end(i);
    }
    expect(order()).toBe("cba");
  });

  test("a start that waited for its pool past startDeadline is aborted", async () => {
    const batches = [named("a"), named("b", { startDeadlineMs: 30_000 })];
    const { due, started, runner, clock, status, rows, waits } = await setUpPool(1, batches);
    for (const one of batches) due(t0, one);
    await started(1);
    await clock.advance(minute);
    runner.end(0);
    await status(0, "aborted", "b");
    expect(rows("b")[0]).toMatchObject({ reason: "deadline" });
    expect(waits("b")).toEqual([]);
  });
});

test("never more than its size run, whatever starts, ends and changes", async () => {
  for (let seed = 1; seed <= 4; seed++) {
    let state = seed * 7_919;
    const random = (below: number) => (state = (state * 48_271) % 2_147_483_647) % below;
    const pools = ["p", "q", null];
    const batches = Array.from({ length: 12 }, (_, i) =>
      named(`b${i}`, { pool: pools[i % 3] as string, priority: random(5) - 2, concurrency: "allow" }),
    );
    const sizes: Record<string, number> = { p: 2, q: 1 };
    const { executor, runner, known, due, rows, history } = await setUp({
      batches,
      maxParallel: 6,
      pool: (_group, name) => ({ group: "", size: sizes[name] ?? 0 }),
    });
    const open = new Set<number>(); // numbers of orders
    let seen = 0;
    let before: Record<string, number> = {};
    for (let step = 0; step < 300; step++) {
      const act = random(10);
      if (act < 5) due(t0 + step, batches[random(12)]);
      else if (act < 8 && open.size > 0) {
        const index = [...open][random(open.size)] as number;
        open.delete(index);
        runner.end(index);
      } else if (act === 8) {
        sizes[random(2) === 0 ? "p" : "q"] = 1 + random(3);
        executor.refresh();
      } else {
        const { name } = batches[random(12)] as Batch;
        known.set(name, named(name, { pool: pools[random(3)] as string, concurrency: "allow" }));
        executor.refresh();
      }
      for (let i = 0; i < 3; i++) await new Promise((done) => setImmediate(done));
      const starting = runner.orders.slice(seen);
      for (const i of starting.keys()) open.add(seen + i);
      seen = runner.orders.length;
      const used: Record<string, number> = {};
      const running = history.recorder.open().filter(({ status }) => status === "running");
      for (const { pool = "" } of running) used[pool] = (used[pool] ?? 0) + 1;
      for (const name of ["p", "q"]) {
        const inPool = used[`:${name}`] ?? 0;
        // A pool that was made smaller has more than its size until these have ended; none is added then.
        expect(inPool).toBeLessThanOrEqual(Math.max(sizes[name] as number, before[`:${name}`] ?? 0));
      }
      expect(running.length).toBeLessThanOrEqual(6);
      before = used;
    }
    while (executor.counts().running + executor.counts().queued > 0) {
      for (const index of open) runner.end(index);
      open.clear();
      for (let i = 0; i < 3; i++) await new Promise((done) => setImmediate(done));
      for (const i of runner.orders.slice(seen).keys()) open.add(seen + i);
      seen = runner.orders.length;
    }
    // Nothing was forgotten in line.
    const all = batches.flatMap(({ name }) => rows(name));
    expect(all.filter(({ status }) => status === "queued" || status === "running")).toEqual([]);
    expect(all.length).toBeGreaterThan(80);
  }
}, 30_000);

test.each([
  ["none is named", { pool: null }, undefined, null],
  ["it is declared", {}, { group: "x", size: 3 }, { key: "x:db", name: "db", size: 3 }],
  ["it was declared", { poolWhenRead: { group: "", size: 2 } }, undefined, { key: ":db", name: "db", size: 2 }],
  ["it was not declared when it was read either", {}, undefined, { key: "g:db", name: "db", size: 1 }],
])("the pool of a batch where %s", (_name, fields, declared, want) => {
  expect(poolOf({ group: "g", pool: "db", ...fields }, () => declared)).toEqual(want);
  expect(poolOf(null, () => declared)).toBeNull();
});
