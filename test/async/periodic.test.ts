// Work that is asked for while it runs, and work that is repeated: never twice at once, and nothing asked for is lost.
import { expect, test } from "vitest";
import { coalesce } from "../../agent/async/coalesce.ts";
import { periodic } from "../../agent/async/periodic.ts";
import { fakeClock } from "../helpers/fakes.ts";
import { t0 } from "../helpers/make.ts";

/** Work that counts how often it runs and waits to be let on. */
function heldWork() {
  const held: (() => void)[] = [];
  const state = { running: 0, most: 0, runs: 0 };
  return {
    state,
    letOn: () => held.shift()?.(),
    async work(): Promise<number> {
      const run = ++state.runs;
      state.most = Math.max(state.most, ++state.running);
      await new Promise<void>((done) => held.push(done));
      state.running--;
      return run;
    },
  };
}

const turn = () => new Promise((done) => setImmediate(done));

test("coalesce: what is asked for while it runs is done once more, for all who asked", async () => {
  const { state, letOn, work } = heldWork();
  const run = coalesce(work);
  const asked = [run(), run(), run()];
  expect(state.runs).toBe(1);
  letOn();
  await turn();
  expect(state.runs).toBe(2);
  const later = run();
  letOn();
  await turn();
  letOn();
  expect(await Promise.all([...asked, later])).toEqual([1, 2, 2, 3]);
  expect(state).toEqual({ running: 0, most: 1, runs: 3 });
});

test("coalesce: a failure is its callers' own, and the next run begins all the same", async () => {
  let runs = 0;
  const run = coalesce(async () => {
    await turn();
    if (++runs === 1) throw new Error("first");
    return runs;
  });
  const asked = await Promise.allSettled([run(), run()]);
  expect(asked.map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
});

test("periodic: the next round begins a while after the last has ended, whether it failed or not", async () => {
  const clock = fakeClock(t0);
  const errors: unknown[] = [];
  const began: number[] = [];
  const rounds = periodic(
    clock,
    () => 1_000,
    async () => {
      began.push(clock.now() - t0);
      await turn();
      if (began.length === 2) throw new Error("second");
    },
    (error) => errors.push(error),
  );
  rounds.start();
  expect(began).toEqual([]);
  for (let second = 0; second < 3; second++) await clock.advance(1_000);
  expect(began).toEqual([1_000, 2_000, 3_000]);
  expect(errors).toEqual([new Error("second")]);
  await clock.advance(500);
  await rounds.now();
  await clock.advance(999);
  expect(began).toEqual([1_000, 2_000, 3_000, 3_500]);
  await clock.advance(1);
  expect(began).toHaveLength(5);
});

test("periodic: stop waits for the round that runs, and none begins after it", async () => {
  const clock = fakeClock(t0);
  const { state, letOn, work } = heldWork();
  const rounds = periodic(
    clock,
    () => 1_000,
    () => work().then(() => undefined),
    () => undefined,
  );
  void rounds.now();
  const next = rounds.now();
  let isStopped = false;
  const stopped = rounds.stop().then(() => (isStopped = true));
  await turn();
  expect(isStopped).toBe(false);
  letOn();
  await Promise.all([next, stopped, rounds.now()]);
  await clock.advance(10_000);
  expect(state.runs).toBe(1);
});
