// /api/events over the wire: what is told, in which order, and how readers that went away or stall come back.
import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, expect, test } from "vitest";
import { listen } from "../../agent/http/server.ts";
import type { BatchFile, BatchStatus } from "../../agent/model/batch.ts";
import type { Revision } from "../../agent/model/ids.ts";
import { systemClock } from "../../agent/platform/clock.ts";
import { isShaped } from "../helpers/contract.ts";
import { serve } from "../helpers/http.ts";
import { batch, execution } from "../helpers/make.ts";
import { readEvents, type ServerEvent } from "../helpers/sse.ts";
import { eventually } from "../helpers/tmp.ts";

const undo: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const report: BatchStatus = {
  name: "report",
  state: "scheduled",
  batch: batch({ file: { cron: "* * * * *", tags: [], env: {} } as unknown as BatchFile }),
  revision: "aaaaaaaaaaaa" as Revision,
  commit: null,
  problems: [],
  blockedBy: [],
};

async function start(clock = systemClock) {
  const served = await serve({ clock, batches: [report] });
  const server = await listen(served.app, { host: "127.0.0.1", port: 0 });
  undo.push(() => server.close());
  undo.push(() => Promise.resolve(served.streams.close()));
  const url = `${server.url}/api/events`;
  /** Reads on until it is told to stop; `seen` grows. */
  function read(lastId?: string) {
    const seen: ServerEvent[] = [];
    const controller = new AbortController();
    const done = readEvents(url, (event) => void seen.push(event), {
      signal: controller.signal,
      ...(lastId === undefined ? {} : { lastId }),
    });
    return {
      seen,
      done,
      async stop() {
        controller.abort();
        return done;
      },
    };
  }
  return { ...served, server, url, read };
}
const executions = (events: readonly ServerEvent[]) =>
  events
    .filter(({ event }) => event === "execution")
    .map(({ data }) => JSON.parse(data) as { id: string; status: string; progress: unknown });
/** Executions that change again and again, for no more is on record in the end than these. */
const pool = Array.from({ length: 2_000 }, () => execution({ status: "running" }));
let step = 0;

/** As many changes of executions, in one commit. */
async function changesOf(served: Awaited<ReturnType<typeof start>>, count: number): Promise<void> {
  const progress = { percent: step++ % 100, message: `step ${step}`, at: new Date().toISOString() };
  await served.history.save(...pool.slice(0, count).map((row) => ({ ...row, progress })));
}

test("each change of an execution and of its batch, as the API shows them", async () => {
  const served = await start();
  const reader = served.read();
  await eventually(() => {
    served.feed.batch("report");
    return reader.seen.length > 0;
  });
  const row = execution({ status: "running" });
  await served.add(row, { stdout: "12345" });
  await served.add({ ...row, progress: { percent: 42, message: null, at: row.createdAt } });
  await served.add({ ...row, progress: null });
  const { id } = await served.add({
    ...row,
    status: "succeeded",
    notifyDue: { event: "failure", count: 1, since: null },
  });
  const settled = { ...row, status: "succeeded" } as const;
  await served.history.recorder.commit([{ kind: "put", execution: settled, silent: true }]); // shown as before
  await eventually(
    () =>
      reader.seen.filter(({ event, data }) => event === "batch" && data.includes('"status":"succeeded"')).length > 0,
  );
  expect(executions(reader.seen).map(({ status }) => status)).toEqual(["running", "running", "running", "succeeded"]);
  for (const { event, data } of reader.seen)
    expect(isShaped(event === "batch" ? "Batch" : "Execution", JSON.parse(data))).toBe(true);
  expect(JSON.parse(reader.seen.findLast(({ event }) => event === "batch")?.data ?? "")).toEqual(
    await served.json("/api/batches/report"),
  );
  expect(executions(reader.seen).at(-1)).toEqual(await served.json(`/api/executions/${id}`));
  const ids = reader.seen.map((event) => Number(event.id));
  expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b));
  await reader.stop();
}, 90_000);

test("resumed within the last 1,000, nothing is lost and nothing comes twice", async () => {
  const served = await start();
  const ids: string[] = [];
  let lastId: string | undefined;
  for (let round = 0; round < 5; round++) {
    const reader = served.read(lastId);
    if (round === 0) await eventually(() => (served.feed.batch("report"), reader.seen.length > 0));
    await changesOf(served, 150);
    await eventually(() => executions(reader.seen).length > 20);
    ids.push(...reader.seen.map(({ id }) => id));
    lastId = ids.at(-1);
    await reader.stop();
    await changesOf(served, 50); // while nobody listens
  }
  const last = served.read(lastId);
  await eventually(() => Number(last.seen.at(-1)?.id) === served.feed.newest());
  ids.push(...last.seen.map(({ id }) => id));
  await last.stop();
  const numbers = ids.map(Number);
  expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, i) => (numbers[0] as number) + i));
});

test.each([
  [
    "too old",
    async (served: Awaited<ReturnType<typeof start>>) => (
      await changesOf(served, 1_200),
      String(served.feed.newest() - 1_001)
    ),
  ],
  ["of another agent's life", () => Promise.resolve("1700000000000005")],
  ["not yet given", (served: Awaited<ReturnType<typeof start>>) => Promise.resolve(String(served.feed.newest() + 5))],
])("an id that is %s: reset, and then what comes", async (_what, idOf) => {
  const served = await start();
  const reader = served.read(await idOf(served));
  await eventually(() => reader.seen.length > 0);
  expect(reader.seen[0]).toMatchObject({ event: "reset", data: "{}", id: expect.stringMatching(/^\d{16}$/) as string });
  await changesOf(served, 1);
  await eventually(() => executions(reader.seen).length === 1);
  await reader.stop();
});

test("the very last 1,000 are there", async () => {
  const served = await start();
  await changesOf(served, 1_200);
  const reader = served.read(String(served.feed.newest() - 1_000));
  await eventually(() => reader.seen.length >= 1_000);
  expect(reader.seen.map(({ event }) => event).filter((event) => event === "execution")).toHaveLength(999);
  await reader.stop();
});

test("ids of a later life are larger", async () => {
  const first = await start();
  await changesOf(first, 10);
  const later = await start({ ...systemClock, now: () => Date.now() + 1_000 });
  expect(later.feed.newest()).toBeGreaterThan(first.feed.newest());
});

test("a reader that stalls costs no memory and is let go", async () => {
  const served = await start();
  const socket = connect(served.server.port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write("GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n");
  await once(socket, "readable");
  socket.pause();
  const before = process.memoryUsage().rss;
  for (let round = 0; round < 40; round++) {
    await changesOf(served, 1_000);
    await new Promise((done) => setImmediate(done));
  }
  expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
  socket.resume();
  await once(socket, "end"); // it may come back with the last id it saw
  socket.destroy();
});

test("since= goes on from the id that a page was made at; Last-Event-ID goes before it", async () => {
  const served = await start();
  await changesOf(served, 5);
  const newest = served.feed.newest();
  const first = async (lastId?: string) => {
    const response = await fetch(`${served.url}?since=${newest - 2}`, {
      headers: lastId === undefined ? {} : { "Last-Event-ID": lastId },
    });
    const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.includes("data:")) text += (await reader.read()).value ?? "";
    await reader.cancel();
    return /\nevent: \S+\nid: (\d+)/.exec(text)?.[1];
  };
  expect(await first()).toBe(String(newest - 1));
  expect(await first(String(newest - 1))).toBe(String(newest));
  expect((await served.app.request("/api/events?since=yesterday")).status).toBe(400);
});

test("HEAD, a malformed id, and the agent's end", async () => {
  const served = await start();
  expect((await served.app.request("/api/events", { method: "HEAD" })).headers.get("content-type")).toBe(
    "text/event-stream; charset=utf-8",
  );
  expect((await served.app.request("/api/events", { headers: { "Last-Event-ID": "yesterday" } })).status).toBe(400);
  const reader = served.read();
  await eventually(() => (served.feed.batch("report"), reader.seen.length > 0));
  served.streams.close();
  await reader.done;
});
