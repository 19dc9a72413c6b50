// Logs that are followed, over the wire: real files that real processes write while readers come, go, stall and return.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { transition } from "../../agent/executions/execution.ts";
import { listen, type HttpServer } from "../../agent/http/server.ts";
import type { Execution } from "../../agent/model/execution.ts";
import { systemClock } from "../../agent/platform/clock.ts";
import { serve, type ServeOptions } from "../helpers/http.ts";
import { execution } from "../helpers/make.ts";
import { readEvents, type ServerEvent } from "../helpers/sse.ts";
import { eventually } from "../helpers/tmp.ts";

const undo: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function start(options: ServeOptions & { status?: Execution["status"]; stdout?: string | Uint8Array } = {}) {
  const served = await serve({ clock: systemClock, ...options });
  const server: HttpServer = await listen(served.app, { host: "127.0.0.1", port: 0 });
  undo.push(() => server.close());
  undo.push(() => Promise.resolve(served.streams.close()));
  let row = await served.add(execution({ status: options.status ?? "running" }), { stdout: options.stdout ?? "" });
  const log = join(served.data, "batches", row.batch, "executions", row.id, "stdout.log");
  /** Its script has ended. */
  async function end(): Promise<void> {
    const bytes = { stdoutBytes: readFileSync(log).length, stderrBytes: 0 };
    await served.history.save(transition(row, { kind: "succeed", at: Date.now(), exitCode: 0, bytes }));
  }
  return {
    ...served,
    server,
    row,
    end,
    log,
    url: `${server.url}/api/executions/${row.id}/stdout?follow=1`,
    append: (text: string | Uint8Array) => appendFileSync(log, text),
    /** Its script starts. */
    async begin() {
      row = transition(row, {
        kind: "start",
        at: Date.now(),
        revision: row.revision as never,
        commit: null,
        boot: null,
      });
      await served.history.save(row);
    },
    /** Runs bash with its output in the log, then ends the execution. */
    async script(text: string) {
      const child = spawn("bash", ["-c", `exec >>"$0"; ${text}`, log], { stdio: "ignore" });
      await once(child, "exit");
      await end();
    },
  };
}

const openLogs = () =>
  readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).endsWith("stdout.log");
    } catch {
      return false;
    }
  }).length;
const hash = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex");
/** The log that the events spell: each event's data with a newline, unless its id says that there is none. */
function spelt(events: readonly ServerEvent[], from = 0): string {
  let at = from;
  return events
    .filter(({ event }) => event === "message")
    .map(({ data, id }) => {
      const text = data.replaceAll("␍", "\r");
      const whole = Number(id) - at > Buffer.byteLength(text);
      at = Number(id);
      return whole ? `${text}\n` : text;
    })
    .join("");
}
async function all(url: string, lastId?: string): Promise<ServerEvent[]> {
  const events: ServerEvent[] = [];
  await readEvents(url, (event) => void events.push(event), lastId === undefined ? {} : { lastId });
  return events;
}

describe("as plain text", () => {
  test("goes on until the execution ends, and its file is closed then", async () => {
    const { url, script, log } = await start();
    const answer = fetch(url);
    const done = script("for i in 1 2 3 4 5; do echo line $i; sleep 0.1; done; printf unfinished");
    const response = await answer;
    expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(await response.text()).toBe("line 1\nline 2\nline 3\nline 4\nline 5\nunfinished");
    await done;
    expect(readFileSync(log, "utf8")).toContain("unfinished");
    await eventually(() => openLogs() === 0);
  });

  test("a finished one comes whole, or from its tail, and ends", async () => {
    const { url } = await start({ status: "succeeded", stdout: "a\nb\nc\n" });
    expect(await (await fetch(url)).text()).toBe("a\nb\nc\n");
    expect(await (await fetch(`${url}&tail=2`)).text()).toBe("b\nc\n");
    expect(await (await fetch(url, { headers: { "Last-Event-ID": "4" } })).text()).toBe("c\n");
  });

  test("a character that is written in two parts comes in one chunk", async () => {
    const { url, append, end } = await start();
    const reader = ((await fetch(url)).body as ReadableStream<Uint8Array>).getReader();
    append(Uint8Array.from([0x61, 0xe2, 0x82]));
    expect((await reader.read()).value).toEqual(Uint8Array.from([0x61]));
    append(Uint8Array.from([0xac]));
    expect((await reader.read()).value).toEqual(Uint8Array.from([0xe2, 0x82, 0xac]));
    await end();
    expect((await reader.read()).done).toBe(true);
  });

  test("a queued one is waited for", async () => {
    const { url, begin, append, end } = await start({ status: "queued" });
    const text = fetch(url).then((response) => response.text());
    await begin();
    append("at last\n");
    await end();
    expect(await text).toBe("at last\n");
  });

  test("HEAD says how it would answer and opens nothing", async () => {
    const { url, app, row } = await start();
    expect((await fetch(url, { method: "HEAD" })).headers.get("content-type")).toBe("text/plain; charset=utf-8");
    const response = await app.request(`/api/executions/${row.id}/stdout?follow=1`, {
      method: "HEAD",
      headers: { Accept: "text/event-stream" },
    });
    expect([response.headers.get("content-type"), response.body]).toEqual(["text/event-stream; charset=utf-8", null]);
    expect(openLogs()).toBe(0);
  });

  test.each([
    ["follow=yes", {}],
    ["follow=1&tail=0", {}],
    ["follow=1", { "Last-Event-ID": "-1" }],
    ["follow=1", { "Last-Event-ID": "x" }],
  ])("%s %j: 400", async (query, headers) => {
    const { app, row } = await start();
    expect((await app.request(`/api/executions/${row.id}/stdout?${query}`, { headers })).status).toBe(400);
  });

  test("a log that is cut at its limit is followed up to there and no further", async () => {
    const { url, append, log, end } = await start({ logLimitBytes: 10 });
    const text = fetch(url).then((response) => response.text());
    append("0123456789beyond");
    await eventually(() => openLogs() > 0);
    truncateSync(log, 10);
    append("more");
    truncateSync(log, 10);
    await end();
    expect(await text).toBe("0123456789");
  });

  test("a log that gets shorter under its readers is said, and followed from its new end", async () => {
    const { url, append, log, end } = await start();
    const response = await fetch(url);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const next = async () => Buffer.from((await reader.read()).value ?? []).toString();
    append("0123456789\n");
    expect(await next()).toBe("0123456789\n");
    truncateSync(log, 4);
    expect(await next()).toMatch(/^\n\[batch-agent: the log got shorter, from 11 to 4 bytes; .*\]\n$/);
    append("more\n");
    expect(await next()).toBe("more\n");
    truncateSync(log, 0);
    await end(); // seen only after the end
    expect(await next()).toContain("from 9 to 0 bytes");
    expect((await reader.read()).done).toBe(true);
  });

  test("who counts its bytes is told of a shorter log by the end of the answer", async () => {
    const { url, append, log } = await start();
    append("0123456789\n");
    const text = fetch(url, { headers: { "Last-Event-ID": "0" } }).then((response) => response.text());
    await eventually(() => openLogs() > 0);
    await new Promise((done) => setTimeout(done, 300)); // it has been given
    truncateSync(log, 0);
    expect(await text).toBe("0123456789\n");
  });
});

describe("as server-sent events", () => {
  test("a log that gets shorter is an event with its new end as id", async () => {
    const { url, append, log, end } = await start();
    const events: ServerEvent[] = [];
    const done = readEvents(url, (event) => void events.push(event));
    append("0123456789\n");
    await eventually(() => events.some(({ data }) => data === "0123456789"));
    truncateSync(log, 3);
    await eventually(() => events.some(({ event }) => event === "truncated"));
    append("more\n");
    await eventually(() => events.some(({ data }) => data === "more"));
    await end();
    await done;
    expect(events.map(({ event, id }) => [event, id]).slice(0, 3)).toEqual([
      ["message", "11"],
      ["truncated", "3"],
      ["message", "8"],
    ]);
    expect(JSON.parse(events[1]?.data ?? "")).toEqual({ from: 11, to: 3 });
  });

  test("data is whole lines, ids are offsets, and the end tells how it went", async () => {
    const { url, script, row, json } = await start();
    const events = all(url);
    await script("printf 'one\\n\\n three'; sleep 0.3; printf ' é\\n'; sleep 0.3; printf 'last'");
    const seen = await events;
    expect(spelt(seen)).toBe("one\n\n three é\nlast");
    for (const { event, id, data } of seen.slice(0, -1)) {
      expect(event).toBe("message");
      expect(data).not.toMatch(/three$/);
      expect(["5", "15", "19"]).toContain(id);
    }
    const end = seen.at(-1) as ServerEvent;
    expect(end.event).toBe("end");
    expect(JSON.parse(end.data)).toEqual(await json(`/api/executions/${row.id}`));
  });

  test.each([
    ["plain lines", "a\nb\n\n\nc\n"],
    ["no newline at the end", "a\nb"],
    ["nothing", ""],
    ["only newlines", "\n\n\n"],
    ["leading blanks and colons", " a\n: b\ndata: c\nid: 7\nevent: end\n"],
    ["other line ends of Unicode", "a\u2028b\u2029c\u0085d\v\f\n"],
    ["carriage returns", "10%\r20%\r\nwindows\r\n\rx\n"],
    ["a byte order mark and NULs", "\ufeffa\0b\n"],
    ["markup", "<script>alert(1)</script>\n"],
    ["a long line", `${"é".repeat(100_000)}\nshort\n`],
    ["a very long line, in pieces", `x${"€".repeat(300_000)}\nshort\n`],
    ["a very long last line", `a\n${"€".repeat(300_000)}`],
    ["many lines", Array.from({ length: 30_000 }, (_, i) => `line ${i} ${"é".repeat(i % 7)}\n`).join("")],
  ])("%s come as they are", async (_what, text) => {
    const { url } = await start({ status: "succeeded", stdout: text });
    const seen = await all(url);
    expect(hash(spelt(seen))).toBe(hash(text));
    expect(seen.at(-1)?.event).toBe("end");
    for (const { data } of seen) expect(data.length).toBeLessThanOrEqual(256 * 1024);
    // Plain logs need no arithmetic.
    if (text.endsWith("\n") && text.length < 60_000 && !text.includes("\r"))
      expect(
        seen
          .slice(0, -1)
          .map(({ data }) => `${data}\n`)
          .join(""),
      ).toBe(text);
  });

  test("what is no UTF-8 is shown as U+FFFD, and offsets stay true", async () => {
    const { url } = await start({ status: "succeeded", stdout: Uint8Array.from([0x61, 0xff, 0xe9, 0x0a, 0x62, 0x0a]) });
    expect(await all(url)).toMatchObject([{ data: "a\ufffd\ufffd\nb", id: "6" }, { event: "end" }]);
    expect(await all(url, "4")).toMatchObject([{ data: "b", id: "6" }, { event: "end" }]);
  });

  test("from the tail, and from where a finished one was left", async () => {
    const { url } = await start({ status: "succeeded", stdout: "a\nb\nc\n" });
    expect(await all(`${url}&tail=2`)).toMatchObject([{ data: "b\nc", id: "6" }, { event: "end" }]);
    expect(await all(`${url}&tail=1`, "2")).toMatchObject([{ data: "b\nc", id: "6" }, { event: "end" }]);
    expect(await all(url, "6")).toMatchObject([{ event: "end" }]);
    expect(await all(url, "600")).toMatchObject([{ event: "end" }]);
  });

  test("broken off again and again, resumed each time: nothing is lost and nothing comes twice", async () => {
    const { url, script, log } = await start();
    let over = false;
    const done = script(
      'for i in {1..4000}; do echo "$i ${RANDOM}${RANDOM} äöü $((i * i))"; [ $((i % 100)) = 0 ] && sleep 0.05; done',
    ).then(() => (over = true));
    const readers = Array.from({ length: 4 }, async (_, reader) => {
      const events: ServerEvent[] = [];
      let lastId = "0";
      let breaks = 0;
      for (let ended = false; !ended;) {
        const signal = over ? undefined : AbortSignal.timeout(20 + ((breaks * 37 + reader * 13) % 120));
        let seen = 0;
        const id = await readEvents(
          url,
          (event) => {
            events.push(event);
            lastId = event.id;
            ended = event.event === "end";
            return !over && ++seen >= 1 + ((breaks * 7) % 5); // in the middle of what came in one chunk, too
          },
          { lastId, ...(signal === undefined ? {} : { signal }) },
        );
        if (id !== "" && Number(id) < Number(lastId)) throw new Error("an id went back");
        breaks += 1;
      }
      expect(breaks).toBeGreaterThan(5);
      expect(hash(spelt(events))).toBe(hash(readFileSync(log)));
    });
    await Promise.all([done, ...readers]);
    await eventually(() => openLogs() === 0);
  });
});

test("200 followers and stalled ones: one open file, bounded memory, every byte to each that reads", async () => {
  const { url, append, end, log, server, row } = await start();
  const stalled = Array.from({ length: 5 }, () => {
    const socket = connect(server.port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write(`GET /api/executions/${row.id}/stdout?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n`);
    socket.pause();
    return socket;
  });
  const followers = Array.from({ length: 200 }, async () => {
    const sum = createHash("sha256");
    for await (const chunk of (await fetch(url)).body as unknown as AsyncIterable<Uint8Array>) sum.update(chunk);
    return sum.digest("hex");
  });
  await eventually(() => openLogs() === 1);
  const before = process.memoryUsage().rss;
  let most = 0;
  for (let i = 0; i < 48; i++) {
    append(Buffer.alloc(64 * 1024, `${i} some text of a line\n`));
    await new Promise((done) => setTimeout(done, 25));
    most = Math.max(most, process.memoryUsage().rss);
  }
  await end();
  expect(new Set(await Promise.all(followers))).toEqual(new Set([hash(readFileSync(log))]));
  expect(openLogs()).toBeLessThanOrEqual(1); // the stalled ones share it
  // The readers are in this process too: 200 of them hold a chunk or two each. The log as a whole, for each, would be
  // 600 MB.
  expect(most - before).toBeLessThan(250 * 1024 * 1024);
  for (const socket of stalled) socket.destroy();
  await eventually(() => openLogs() === 0);
}, 120_000);

test("one reader too many is a 503 that says when to come again; a place is free once one leaves", async () => {
  const { url } = await start({ maxStreams: 2 });
  const [one, two] = [new AbortController(), new AbortController()];
  await fetch(url, { signal: one.signal });
  await fetch(url, { signal: two.signal });
  const refused = await fetch(url);
  expect([refused.status, refused.headers.get("retry-after"), refused.headers.get("content-type")]).toEqual([
    503,
    "5",
    "application/problem+json",
  ]);
  one.abort();
  await eventually(async () => {
    const again = new AbortController();
    const { status } = await fetch(url, { signal: again.signal });
    again.abort();
    return status === 200;
  });
  two.abort();
  await eventually(() => openLogs() === 0);
});

test("the agent's end is not taken for the end of a log: who follows it is cut off, and nobody else comes", async () => {
  const { url, server, streams, append } = await start();
  const response = await fetch(url);
  append("a line\n");
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe("a line\n");
  const rest = reader.read();
  streams.close();
  expect((await fetch(url)).status).toBe(503);
  await Promise.all([expect(rest).rejects.toThrow(), server.close()]);
  await eventually(() => openLogs() === 0, 30_000);
});

test("a line says that it is alive while nothing is written", async () => {
  let skipped = 0;
  const { url } = await start({ clock: { ...systemClock, now: () => Date.now() + skipped } });
  const controller = new AbortController();
  const response = await fetch(url, { headers: { Accept: "text/event-stream" }, signal: controller.signal });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  expect(new TextDecoder().decode((await reader.read()).value)).toBe("retry: 1000\nid: 0\n\n");
  skipped = 16_000;
  expect(new TextDecoder().decode((await reader.read()).value)).toBe(": still here\n\n");
  controller.abort();
});

test("stderr has a follower of its own", async () => {
  const { data, row, server, end } = await start();
  mkdirSync(join(data, "batches", row.batch, "executions", row.id), { recursive: true });
  writeFileSync(join(data, "batches", row.batch, "executions", row.id, "stderr.log"), "oops\n");
  const text = fetch(`${server.url}/api/executions/${row.id}/stderr?follow=1`).then((response) => response.text());
  await end();
  expect(await text).toBe("oops\n");
});
