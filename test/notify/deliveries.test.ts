// Waiting messages on a real outbox: who is tried when, who is held up by whom, and what is given up.
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createDeliveries } from "../../agent/notify/deliveries.ts";
import { createOutbox } from "../../agent/notify/outbox.ts";
import type { Courier, Delivery, Message } from "../../agent/notify/port.ts";
import { fakeClock } from "../helpers/fakes.ts";
import { t0 } from "../helpers/make.ts";
import { quietLog } from "../helpers/quiet.ts";
import { eventually, temporaryFolder } from "../helpers/tmp.ts";

const later = (down: boolean, waitMs: number | null = null): Delivery => ({
  kind: "later",
  why: "not now",
  waitMs,
  down,
});

/** Couriers that answer as `answer` says, by receiver; never for null. */
async function setUp(answer: (to: string) => Delivery | null) {
  const data = temporaryFolder();
  const clock = fakeClock(t0);
  const log = quietLog();
  const outbox = createOutbox(data, { clock, log });
  await outbox.open();
  const tries: string[] = [];
  let release: () => void = () => undefined;
  const closed = new Promise<Delivery>((done) => (release = () => done(later(true))));
  const courier: Courier = {
    send(message) {
      tries.push(message.to);
      const given = answer(message.to);
      return given === null ? closed : Promise.resolve(given);
    },
    close: release,
  };
  const deliveries = createDeliveries({
    clock,
    log,
    outbox,
    couriers: { mail: courier, webhook: courier, ping: courier },
  });
  deliveries.start();
  let counter = 0;
  const put = async (to: string, createdAt = t0): Promise<Message> => {
    const content = to.includes("://")
      ? ({ kind: "webhook", body: "{}" } as const)
      : ({ kind: "mail", subject: "s", text: "t", html: "h" } as const);
    const execution = `01J${String(counter++).padStart(5, "0")}` as Message["execution"];
    const message = await outbox.put({
      batch: "report",
      execution,
      event: "failure",
      createdAt: new Date(createdAt).toISOString(),
      to,
      content,
    });
    deliveries.add(message);
    return message;
  };
  /** Adds one that an earlier agent has left. */
  const leave = async (to: string) => {
    const content = { kind: "webhook", body: "{}" } as const;
    const execution = `01J${String(counter++).padStart(5, "0")}` as Message["execution"];
    const id = `${execution}-failure-x`;
    const at = { batch: "report", execution, event: "failure", createdAt: new Date(t0).toISOString() } as const;
    writeFileSync(join(data, "outbox", `${id}.json`), JSON.stringify({ id, ...at, to, content }));
    const message = await outbox.read(id);
    if (message !== null) deliveries.add(message);
  };
  const files = () => readdirSync(join(data, "outbox")).length;
  return { clock, log, deliveries, tries, put, leave, files };
}

const tried = (tries: string[], to: string) => tries.filter((one) => one === to).length;

test("what is taken is gone from the disk, and one that hangs holds up its own address only", async () => {
  const { deliveries, tries, put, files } = await setUp((to) =>
    to.startsWith("http://stuck") ? null : { kind: "accepted" },
  );
  for (const to of ["http://stuck/1", "http://stuck/1", "http://quick/1", "ops@example.org"]) await put(to);
  await eventually(() => files() === 2);
  expect(tries.sort()).toEqual(["http://quick/1", "http://stuck/1", "ops@example.org"]);
  expect(deliveries.counts()).toMatchObject({ waiting: 2, delivered: 2 });
});

test("an address where nobody answers is asked at growing intervals, by one message for all", async () => {
  let up = false;
  const { clock, deliveries, tries, put, files } = await setUp(() => (up ? { kind: "accepted" } : later(true)));
  for (let i = 0; i < 5; i++) await put("http://down/hook");
  await eventually(() => tries.length === 1 && deliveries.trouble().length === 1);
  expect(deliveries.trouble()).toEqual([{ place: "http://down", why: "not now", waiting: 5 }]);
  for (const [i, ms] of [1_000, 2_000, 4_000].entries()) {
    await clock.advance(ms - 1);
    expect(tries).toHaveLength(i + 1);
    await clock.advance(1);
    await eventually(() => tries.length === i + 2);
    await eventually(() => clock.timers() > 0);
  }
  up = true;
  await clock.advance(8_000);
  await eventually(() => files() === 0);
  expect(deliveries.trouble()).toEqual([]);
});

test.each([
  ["hangs", null],
  ["cannot be reached", later(true)],
  ["answers that it is busy", later(false)],
])("an address that %s holds up no other of its host, whichever is older", async (_how, answer) => {
  const { deliveries, tries, put } = await setUp((to) => (to.endsWith("/bad") ? answer : { kind: "accepted" }));
  for (let i = 0; i < 3; i++) await put("http://chat/bad");
  await put("http://chat/payroll");
  await eventually(() => deliveries.counts().delivered === 1);
  expect(tries).toContain("http://chat/payroll");
  expect(JSON.stringify(deliveries.trouble())).not.toContain("/bad"); // a path may hold a secret
});

test("a hundred addresses that hang leave room for others", async () => {
  const { deliveries, tries, put, clock } = await setUp((to) =>
    to.startsWith("http://stuck") ? later(true) : { kind: "accepted" },
  );
  for (let i = 0; i < 100; i++) await put(`http://stuck/${i}`);
  await eventually(() => tries.length === 100);
  await put("http://quick/1");
  await eventually(() => deliveries.counts().delivered === 1);
  expect(deliveries.trouble()).toEqual([{ place: "http://stuck", why: "not now", waiting: 100 }]);
  await clock.advance(1_000);
  await eventually(() => tries.length === 201);
});

test("a receiver that is to be asked later holds up no other, and is asked when it said", async () => {
  let answer = later(false, 60_000);
  const { clock, tries, put, files } = await setUp((to) => (to === "grey@example.org" ? answer : { kind: "accepted" }));
  await put("grey@example.org");
  await put("ops@example.org");
  await eventually(() => files() === 1 && clock.timers() > 0);
  await clock.advance(59_999);
  expect(tried(tries, "grey@example.org")).toBe(1);
  answer = { kind: "accepted" };
  await clock.advance(1);
  await eventually(() => files() === 0);
});

test("what is refused is said and gone, and so is what nobody took for three days", async () => {
  const { clock, log, deliveries, put, files } = await setUp((to) =>
    to === "no@example.org" ? { kind: "refused", why: "no such user" } : later(true),
  );
  await put("no@example.org");
  await put("http://down/T0P", t0 - 3 * 86_400_000 + 1_000);
  await eventually(() => files() === 1 && clock.timers() > 0);
  await clock.advance(2_000);
  await clock.advance(300_000);
  await eventually(() => files() === 0);
  expect(log.said.filter(({ level }) => level === "error").map(({ message }) => message)).toEqual([
    "a message was refused; it is not tried again",
    "a message is given up",
  ]);
  expect(JSON.stringify(log.said)).not.toContain("T0P");
  expect(deliveries.counts()).toEqual({ waiting: 0, delivered: 0, refused: 1, givenUp: 1 });
});

test("what is old because no agent ran, or because the clock was set, is tried before it is given up", async () => {
  let answer: Delivery = { kind: "accepted" };
  const { clock, tries, deliveries, put, files } = await setUp(() => answer);
  await put("ops@example.org", t0 - 30 * 86_400_000);
  await eventually(() => files() === 0);
  expect([tries.length, deliveries.counts().delivered, deliveries.counts().givenUp]).toEqual([1, 1, 0]);
  answer = later(true);
  await put("http://h/");
  await eventually(() => tries.length === 2 && clock.timers() > 0);
  answer = { kind: "accepted" };
  clock.jump(t0 + 10 * 86_400_000);
  await clock.advance(300_000);
  await eventually(() => files() === 0);
  expect(deliveries.counts()).toMatchObject({ delivered: 2, givenUp: 0 });
});

test("a wait that a clock far ahead has set holds nothing up once it is put right", async () => {
  let answer = later(true);
  const { clock, deliveries, tries, put } = await setUp(() => answer);
  clock.jump(t0 + 365 * 86_400_000);
  await put("http://h/", clock.now());
  await eventually(() => tries.length === 1);
  answer = { kind: "accepted" };
  clock.jump(t0);
  await put("http://h/");
  await eventually(async () => {
    await clock.advance(60_000);
    return deliveries.counts().waiting === 0;
  });
});

test("at the end what hangs is broken off, and stays on disk", async () => {
  const { clock, deliveries, tries, put, files } = await setUp(() => null);
  await put("ops@example.org");
  await eventually(() => tries.length === 1);
  const stopped = deliveries.stop();
  await clock.advance(1_500);
  await stopped;
  expect(files()).toBe(1);
});

test("more than may wait: the oldest of the fullest address are given up, and said as a number", async () => {
  const { log, deliveries, put, files, leave } = await setUp(() => later(true));
  await put("http://quiet/1");
  for (let i = 0; i < 1_100; i++) await leave(`http://full/${i % 2}`);
  await deliveries.settled();
  expect(deliveries.counts()).toMatchObject({ waiting: 1_000, givenUp: 101 });
  await eventually(() => files() === 1_000);
  await deliveries.stop();
  const said = log.said.filter(({ level }) => level === "error");
  expect(said).toHaveLength(21);
  expect(said.at(-1)).toMatchObject({ message: "more messages are given up", fields: { count: 81 } });
});
