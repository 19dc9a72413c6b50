// One execution from its start to its end, with a runner that shows what a test says.
import { expect, test } from "vitest";
import { createAttempt, type AttemptDeps } from "../../agent/executions/attempt.ts";
import type { Execution, FinishedBy, ProcessEnding } from "../../agent/model/execution.ts";
import type { Look, Running } from "../../agent/runners/port.ts";
import { fakeClock } from "../helpers/fakes.ts";
import { execution, t0 } from "../helpers/make.ts";
import { quietLog } from "../helpers/quiet.ts";

function setUp(started: Execution, options: Partial<AttemptDeps> = {}, pid: number | null = 7) {
  const clock = fakeClock(t0);
  const seen: Execution[] = [];
  const begun: Execution[] = [];
  const stops: [FinishedBy, number][] = [];
  const shown: { look: Partial<Look> } = { look: {} };
  let finish: (ending: ProcessEnding) => void = () => undefined;
  let reason: FinishedBy | null = null;
  const running: Running = {
    ref: { pid },
    ended: new Promise<ProcessEnding>((done) => (finish = done)),
    get stopReason() {
      return reason;
    },
    stop: (why, killAfterMs) => {
      reason ??= why;
      stops.push([why, killAfterMs]);
    },
    look: () =>
      Promise.resolve({
        sizes: { stdoutBytes: 3, stderrBytes: 4 },
        ...{ cut: false, truncated: [], progress: null, place: null, waitingFor: null },
        ...shown.look,
      }),
  };
  const attempt = createAttempt(started, {
    ...{ clock, log: quietLog(), recorded: null, successCodes: [0], timeoutMs: null, count: () => 1 },
    launch: () => Promise.resolve(running),
    onSeen: (row) => void seen.push(row),
    onStarted: (row) => void begun.push(row),
    ...options,
  });
  const end = (ending: Partial<ProcessEnding> = {}) =>
    finish({
      ...{ kind: "exit", exitCode: 0, finishedAt: clock.now(), stdoutBytes: 0, stderrBytes: 0 },
      ...ending,
    } as ProcessEnding);
  return { clock, attempt, seen, begun, stops, end, show: (look: Partial<Look>) => (shown.look = look) };
}
/** The same, launched; what was seen at once is left out. */
async function follow(...args: Parameters<typeof setUp>) {
  const set = setUp(...args);
  await set.clock.advance(0);
  set.seen.splice(0);
  return set;
}
const running = () => execution({ status: "running" });

test("progress, pid and place are told once, when they are others than before", async () => {
  const { clock, seen, show, attempt, end } = await follow(running());
  const place = { node: "n1", pod: "p1" };
  show({ place, progress: { text: "42 loading", changedAt: t0 + 9e9 } });
  await clock.advance(1_000);
  expect(seen).toHaveLength(1);
  // A file's time that lies ahead is no later than now.
  expect(seen[0]).toMatchObject({ place, progress: { percent: 42, message: "loading" } });
  expect(Date.parse(seen[0]?.progress?.at ?? "")).toBeLessThanOrEqual(t0 + 1_000);
  show({ place: { node: "n1", pod: "p2" } });
  await clock.advance(100);
  expect(seen.at(-1)).toMatchObject({ place: { pod: "p2" } });
  show({ place: { node: "n2", pod: "p2" } });
  await clock.advance(100);
  expect(seen.map((row) => row.place?.node)).toEqual(["n1", "n1", "n2"]);
  end();
  expect(await attempt.ended).toMatchObject({ status: "succeeded", pid: 7, stdoutBytes: 3, stderrBytes: 4 });
});

test("looks are rarer after the first minute", async () => {
  let looks = 0;
  const { clock, show, end, attempt } = await follow(running());
  show({
    get waitingFor() {
      looks++;
      return null;
    },
  });
  await clock.advance(60_000);
  const first = looks;
  await clock.advance(60_000);
  expect(first).toBeGreaterThan(550);
  expect(looks - first).toBeLessThan(70);
  expect(looks - first).toBeGreaterThan(50);
  end();
  await attempt.ended;
  expect(clock.timers()).toBe(0);
});

test.each<[string, readonly ("stdout" | "stderr")[], Partial<ProcessEnding>, string]>([
  ["a success", ["stdout"], {}, "^stdout got shorter while it ran"],
  ["both", ["stdout", "stderr"], {}, "^stdout and stderr got shorter"],
  ["a failure", ["stderr"], { kind: "exit", exitCode: 3 }, "^exit code 3; stderr got shorter"],
])("a log that got shorter is said: %s", async (_name, truncated, ending, message) => {
  const { clock, show, attempt, end, seen } = await follow(running());
  show({ truncated });
  await clock.advance(300);
  expect(seen).toHaveLength(1);
  end(ending);
  const final = await attempt.ended;
  expect(final.outputTruncated).toBe(true);
  expect(final.message).toMatch(new RegExp(message));
});

test("a log over its limit ends it", async () => {
  const { clock, show, attempt, stops, end } = await follow(running());
  show({ cut: true });
  await clock.advance(100);
  expect(stops[0]).toEqual(["log-limit", 10_000]);
  end({ kind: "signal", signal: "SIGTERM" });
  expect(await attempt.ended).toMatchObject({ status: "failed", reason: "log-limit" });
});

test("one that has ended by itself before its log was seen to be over the limit has failed all the same", async () => {
  const { show, attempt, end } = await follow(running());
  show({ cut: true });
  end();
  expect(await attempt.ended).toMatchObject({ status: "failed", reason: "log-limit" });
});

test("the first reason counts, and the shorter patience", async () => {
  const { clock, attempt, stops, end } = await follow(running(), { timeoutMs: 5_000 });
  await clock.advance(5_000);
  attempt.stop("shutdown", 4_000);
  expect(stops).toEqual([
    ["timeout", 10_000],
    ["timeout", 4_000],
  ]);
  // SIGKILL takes the shell too, which then leaves no word.
  end({ kind: "lost" });
  expect(await attempt.ended).toMatchObject({ status: "failed", reason: "timeout", signal: "SIGKILL" });
  expect(attempt.isOver()).toBe(true);
});

test("one that is gone without a word, and without anybody having ended it, is lost", async () => {
  const { attempt, end } = await follow(running());
  end({ kind: "lost" });
  expect(await attempt.ended).toMatchObject({ status: "failed", reason: "lost", signal: null });
});

test("what has ended by itself is not ended once more; that it was cancelled is kept", async () => {
  const { attempt, stops, end } = await follow(running());
  end();
  expect((await attempt.ended).status).toBe("succeeded");
  attempt.cancel({ message: "cancelled by me", isRun: true });
  expect(stops).toEqual([]);
  expect(attempt.execution().cancelled).toEqual({ message: "cancelled by me", isRun: true });
});

test("a remote one waits in words, then starts; its timeout counts from then", async () => {
  const asked = { ...execution(), askedAt: new Date(t0).toISOString() };
  const { clock, show, attempt, seen, begun, stops, end } = await follow(asked, { timeoutMs: 5_000 }, null);
  show({ waitingFor: "0/3 nodes are available" });
  await clock.advance(1_000);
  expect(seen).toMatchObject([{ status: "queued", waitingFor: "0/3 nodes are available" }]);
  const place = { node: "n1", pod: "p1" };
  show({ startedAt: clock.now() - 500, place });
  await clock.advance(250);
  expect(begun).toMatchObject([{ status: "running", place, startedAt: new Date(t0 + 500).toISOString() }]);
  await clock.advance(4_249);
  expect(stops).toEqual([]);
  await clock.advance(2);
  expect(stops).toEqual([["timeout", 10_000]]);
  end({ kind: "signal", signal: "SIGTERM" });
  expect(await attempt.ended).toMatchObject({ status: "failed", reason: "timeout" });
});

test("the other machine's clock may lie ahead: the whole timeout is left", async () => {
  const asked = { ...execution(), askedAt: new Date(t0).toISOString() };
  const { clock, show, attempt, stops, end } = await follow(asked, { timeoutMs: 1_000 }, null);
  show({ startedAt: t0 + 3_600_000 });
  await clock.advance(250);
  await clock.advance(999);
  expect(stops).toEqual([]);
  await clock.advance(1);
  expect(stops).toEqual([["timeout", 10_000]]);
  end();
  await attempt.ended;
});

test.each<[string, FinishedBy | null, string]>([
  ["nothing was started", null, "rejects"],
  ["it was stopped by the agent's end", "shutdown", "rejects"],
  ["it was replaced meanwhile", "replaced", "aborted"],
])("a start that cannot be recorded: %s", async (_name, reason, want) => {
  let fail: (error: Error) => void = () => undefined;
  const recorded = new Promise<void>((_done, refuse) => (fail = refuse));
  const launched: string[] = [];
  const { attempt } = setUp(running(), {
    recorded,
    launch: () => {
      launched.push("launched");
      throw new Error("must not be launched");
    },
  });
  if (reason !== null) attempt.stop(reason);
  const ended = attempt.ended.then(
    ({ status }) => status,
    () => "rejects",
  );
  fail(new Error("disk full"));
  expect(await ended).toBe(want);
  expect(launched).toEqual([]);
});
