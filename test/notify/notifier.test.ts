// What is told once, and that the end of the agent does not wait for a disk that is slow to take it.
import { expect, test } from "vitest";
import type { Change, HistoryReader, Recorder } from "../../agent/history/port.ts";
import type { LogFollowers, LogStore } from "../../agent/logs/port.ts";
import type { Execution } from "../../agent/model/execution.ts";
import { createNotifier, type NotifierDeps } from "../../agent/notify/notifier.ts";
import type { Draft } from "../../agent/notify/port.ts";
import { systemClock } from "../../agent/platform/clock.ts";
import { createLogFollowers } from "../../agent/logs/follow.ts";
import { fakeClock } from "../helpers/fakes.ts";
import { openTestHistory } from "../helpers/history.ts";
import { batch, execution, t0 } from "../helpers/make.ts";
import { quietLog } from "../helpers/quiet.ts";
import { eventually, temporaryFolder } from "../helpers/tmp.ts";

const webhooks = Array.from({ length: 40 }, (_, i) => `http://127.0.0.1:8099/${i}`);
const notify = { on: ["failure" as const], mail: [], webhook: webhooks, ping: [] };

function set(ends: number, other: Partial<NotifierDeps> = {}) {
  const clock = fakeClock(t0);
  const rows = Array.from({ length: ends }, (_, i) =>
    execution({ at: t0 + i, status: "failed", reason: "exit", notifyDue: { event: "failure", count: 1, since: null } }),
  );
  const log: LogStore = {
    stat: () => Promise.resolve(null),
    tailStart: () => Promise.resolve(0),
  } as Partial<LogStore> as LogStore;
  const state = {
    waiting: [] as (() => void)[],
    most: 0,
    settled: 0,
    stopped: false,
    current: new Map<string, Execution>(),
  };
  const deps: NotifierDeps = {
    clock,
    log: quietLog(),
    logs: log,
    followers: {} as LogFollowers,
    reader: {
      find: (id: string) => Promise.resolve(rows.find((row) => row.id === id)),
      notifyDue: () => [],
    } as Partial<HistoryReader> as HistoryReader,
    recorder: {
      names: () => [],
      current: (id: string) => state.current.get(id),
      commit: (changes: readonly Change[]) => {
        for (const change of changes)
          if (change.kind === "put") state.current.set(change.execution.id, change.execution);
        state.settled++;
        return Promise.resolve();
      },
    } as Partial<Recorder> as Recorder,
    outbox: {
      open: () => Promise.resolve([]),
      put: (draft: Draft) =>
        new Promise((done) => {
          state.waiting.push(() => done({ ...draft, id: "x" }));
          state.most = Math.max(state.most, state.waiting.length);
        }),
      read: () => Promise.resolve(null),
      remove: () => Promise.resolve(),
    },
    deliveries: {
      add: () => undefined,
      settled: () => Promise.resolve(),
      start: () => undefined,
      stop: () => Promise.resolve(),
    },
    batchOf: () => batch({ notify }),
    mails: false,
    linkTo: () => "http://127.0.0.1/",
    changedSince: () => Promise.resolve(null),
    ...other,
  };
  return { clock, rows, state, notifier: createNotifier(deps) };
}

test("messages of one execution are written side by side, a few at a time", async () => {
  const { rows, state, notifier } = set(1);
  await notifier.start();
  for (const row of rows) notifier.submit(row);
  await eventually(() => state.waiting.length > 1);
  await eventually(() => {
    for (const done of state.waiting.splice(0)) done();
    return state.settled === 1;
  });
  expect(state.most).toBeGreaterThan(1);
  expect(state.most).toBeLessThanOrEqual(16);
});

test("what is not written in time when the agent ends stays in the record", async () => {
  const { clock, rows, state, notifier } = set(3);
  await notifier.start();
  for (const row of rows) notifier.submit(row);
  await eventually(() => state.waiting.length > 0);
  const stopped = notifier.stop().then(() => (state.stopped = true));
  await clock.advance(10_000);
  await eventually(() => {
    for (const done of state.waiting.splice(0)) done();
    return state.stopped;
  });
  await stopped;
  expect(state.settled).toBe(1); // the one under way is finished, the others are the next agent's
});

test("what was seen to is not made again while its record is not durable yet", async () => {
  const { rows, state, notifier } = set(2);
  await notifier.start();
  const [first, second] = rows as [Execution, Execution];
  // Its start and its end, both seen to after the end: readers are still shown what both asked for.
  for (const row of [first, first, second]) notifier.submit(row);
  let made = 0;
  await eventually(() => {
    for (const done of state.waiting.splice(0)) {
      made++;
      done();
    }
    return state.settled === 2;
  });
  expect(made).toBe(2 * webhooks.length);
});

test("a start is told once, though the end comes while its message is written", async () => {
  const data = temporaryFolder();
  const { reader, recorder, save, close } = await openTestHistory(data, { clock: systemClock, log: quietLog() });
  const drafts: Draft[] = [];
  let release: () => void = () => undefined;
  const held = new Promise<void>((done) => (release = done));
  const put = async (draft: Draft) => {
    drafts.push(draft);
    if (drafts.length === 1) await held;
    return { ...draft, id: String(drafts.length) };
  };
  const outbox = {
    open: () => Promise.resolve([]),
    put,
    read: () => Promise.resolve(null),
    remove: () => Promise.resolve(),
  };
  const pinged = batch({ notify: { on: [], mail: [], webhook: [], ping: ["http://127.0.0.1:8099/ping"] } });
  const followers = createLogFollowers(data, systemClock);
  const { notifier } = set(0, { reader, recorder, outbox, followers, batchOf: () => pinged });
  await notifier.start();
  const running = execution({ status: "running", pingDue: ["start"] });
  await save(running);
  notifier.submit(running);
  await eventually(() => drafts.length === 1);
  const finishedAt = new Date(t0 + 1_000).toISOString();
  const ended = { ...running, status: "succeeded", exitCode: 0, finishedAt, pingDue: ["start", "stop"] } as const;
  await save(ended);
  notifier.submit(ended);
  release();
  await eventually(() => drafts.some(({ event }) => event === "stop"));
  await notifier.stop();
  expect(drafts.map(({ event }) => event)).toEqual(["start", "stop"]);
  await close();
});
