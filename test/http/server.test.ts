// A listening server and readers that stall, vanish or dawdle.
import { randomBytes } from "node:crypto";
import { readdirSync, readlinkSync, truncateSync } from "node:fs";
import { connect } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { listen, type HttpServer } from "../../agent/http/server.ts";
import { serve } from "../helpers/http.ts";
import { execution } from "../helpers/make.ts";
import { eventually } from "../helpers/tmp.ts";

const servers: HttpServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function start({ token, ...options }: { headersTimeoutMs?: number; token?: string } = {}) {
  const served = await serve(
    token === undefined ? {} : { access: { token: { current: () => Promise.resolve(token) } } },
  );
  const server = await listen(served.app, { host: "127.0.0.1", port: 0, ...options });
  servers.push(server);
  return { ...served, server };
}
const openLogs = () =>
  readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).endsWith("stdout.log");
    } catch {
      return false;
    }
  }).length;

test("a stalled reader of a large log costs little memory, and its file is closed once it vanishes", async () => {
  const { server, add } = await start();
  const { id } = await add(execution({ status: "succeeded" }), { stdout: Buffer.alloc(200 * 1024 * 1024, "x") });
  const before = process.memoryUsage().rss;
  const sockets = Array.from({ length: 10 }, () => {
    const socket = connect(server.port, "127.0.0.1");
    socket.write(`GET /api/executions/${id}/stdout HTTP/1.1\r\nHost: x\r\n\r\n`);
    socket.pause();
    return socket;
  });
  await eventually(() => openLogs() === 10);
  await new Promise((done) => setTimeout(done, 500));
  expect(process.memoryUsage().rss - before).toBeLessThan(60 * 1024 * 1024);
  for (const socket of sockets) socket.destroy();
  await eventually(() => openLogs() === 0);
});

test.each([
  ["/", "text/html", 200],
  ["/nowhere", "text/html", 404],
  ["/api/executions", "*/*", 200],
  ["/api/executions?limit=x", "*/*", 400],
  ["/metrics", "*/*", 200],
  ["LOG", "*/*", 200],
  ["LOG?tail=1", "*/*", 200],
  ["LOG?follow=1", "text/event-stream", 200],
])("%s as %s is shown anew each time and may run nothing but the agent's own", async (path, accept, status) => {
  const { server, add } = await start();
  const { id } = await add(execution({ status: "succeeded" }), { stdout: "<script>alert(1)</script>\n" });
  const response = await fetch(server.url + path.replace("LOG", `/api/executions/${id}/stdout`), {
    headers: { Accept: accept },
  });
  await response.arrayBuffer();
  expect(response.status).toBe(status);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    // a log's ETag says whether it has grown
    "cache-control": path === "LOG" || path === "LOG?tail=1" ? "no-cache" : "no-store",
    "content-security-policy":
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types batch-agent",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
  });
  expect(response.headers.has("strict-transport-security")).toBe(false);
});

test("what is no request for a page of ours is refused in the same form", async () => {
  const { server } = await start();
  const said = await new Promise<string>((done) => {
    let text = "";
    const socket = connect(server.port, "127.0.0.1", () =>
      socket.write("GET /a\\b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
    );
    socket.on("data", (chunk: Buffer) => (text += chunk.toString())).on("close", () => done(text));
  });
  expect(said).toMatch(/^HTTP\/1\.1 400 /);
  expect(said).toContain("\r\nX-Frame-Options: DENY\r\n");
  expect(said.toLowerCase()).toContain("\r\ncontent-type: application/problem+json\r\n");
  expect(said).toContain('"status":400');
});

test("what a route says of itself goes before what every answer bears", async () => {
  const { server } = await start();
  const style = await fetch(`${server.url}/style.css`);
  expect([style.headers.get("cache-control"), style.headers.get("x-frame-options")]).toEqual(["no-cache", "DENY"]);
  const refused = await fetch(server.url, { method: "DELETE" });
  expect([refused.status, refused.headers.get("cache-control")]).toEqual([405, "no-store"]);
});

test("a method that no parser knows is a 405 too, but only before other answers", async () => {
  const { server } = await start();
  const say = (text: string) =>
    new Promise<string>((done) => {
      let said = "";
      const socket = connect(server.port, "127.0.0.1", () => socket.write(text));
      socket.on("data", (chunk: Buffer) => (said += chunk.toString())).on("close", () => done(said));
    });
  const known = (await (await fetch(`${server.url}/api/batches`, { method: "PATCH" })).json()) as { detail: string };
  const said = await say("FOO /api/batches HTTP/1.1\r\nHost: localhost\r\n\r\n");
  expect(said).toMatch(/^HTTP\/1\.1 405 [^]*\r\nAllow: GET, HEAD\r\n[^]*application\/problem\+json/);
  const body = JSON.parse(said.slice(said.indexOf("\r\n\r\n") + 4)) as object;
  expect(body).toMatchObject({ status: 405, title: "Method Not Allowed", detail: known.detail });
  expect(await say("nonsense\r\n\r\n")).not.toContain(" 200 ");
});

test("a log comes whole over the wire", async () => {
  const { server, add } = await start();
  const text = "0123456789abcdef\n".repeat(100_000);
  const { id } = await add(execution({ status: "succeeded" }), { stdout: text });
  expect(await (await fetch(`${server.url}/api/executions/${id}/stdout`)).text()).toBe(text);
  await eventually(() => openLogs() === 0);
});

test("a slow reader gets the very bytes of a log and of a part of it, with the head that the app gave", async () => {
  const { server, add, app } = await start();
  const bytes = randomBytes(5 * 1024 * 1024 + 17);
  const { id } = await add(execution({ status: "succeeded" }), { stdout: bytes });
  const path = `/api/executions/${id}/stdout`;
  for (const [range, from, to] of [
    [undefined, 0, bytes.length],
    ["bytes=7-3000000", 7, 3_000_001],
    ["bytes=-5", bytes.length - 5, bytes.length],
  ] as const) {
    const headers: Record<string, string> = range === undefined ? {} : { range };
    const response = await fetch(server.url + path, { headers });
    const asked = await app.request(path, { headers });
    for (const [name, value] of asked.headers) expect(response.headers.get(name)).toBe(value);
    expect(response.status).toBe(asked.status);
    const pieces: Uint8Array[] = [];
    for await (const piece of response.body ?? []) {
      pieces.push(piece as Uint8Array);
      if (pieces.length % 8 === 1) await new Promise((done) => setTimeout(done, 2));
    }
    expect(Buffer.concat(pieces).equals(bytes.subarray(from, to))).toBe(true);
    expect(Buffer.from(await asked.arrayBuffer()).equals(bytes.subarray(from, to))).toBe(true);
  }
  await eventually(() => openLogs() === 0);
});

test("who reads a log that is cut meanwhile notices that less came than was said", async () => {
  const { server, add, data } = await start();
  const { id, batch } = await add(execution({ status: "succeeded" }), { stdout: Buffer.alloc(64 * 1024 * 1024, "x") });
  const response = await fetch(`${server.url}/api/executions/${id}/stdout`);
  truncateSync(join(data, "batches", batch, "executions", id, "stdout.log"), 1);
  await expect(response.arrayBuffer()).rejects.toThrow();
  await eventually(() => openLogs() === 0);
});

test("who sends headers too slowly is cut off", async () => {
  const { server } = await start({ headersTimeoutMs: 300 });
  const socket = connect(server.port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write("GET / HTTP/1.1\r\nHos");
  socket.resume();
  await once(socket, "close");
});

test("on a connection that is kept the next request has no more time than the first", async () => {
  const { server } = await start({ headersTimeoutMs: 300 });
  const socket = connect(server.port, "127.0.0.1");
  socket.on("error", () => undefined);
  let said = "";
  socket.on("data", (chunk: Buffer) => {
    if (said === "") socket.write("GET /healthz HTTP/1.1\r\nHos");
    said += chunk.toString();
  });
  socket.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  await once(socket, "close");
  expect(said.match(/HTTP\/1\.1 200/g)).toHaveLength(1);
});

test("a form that trickles in is cut off", async () => {
  const { server } = await start({ headersTimeoutMs: 300, token: "secret" });
  const socket = connect(server.port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.resume();
  socket.write(
    "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ntok",
  );
  await once(socket, "close");
});

test("headers beyond 16 KiB are refused", async () => {
  const { server } = await start();
  const socket = connect(server.port, "127.0.0.1");
  socket.on("error", () => undefined);
  let said = "";
  socket.on("data", (chunk: Buffer) => (said += chunk.toString()));
  socket.write(`GET /healthz HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(20_000)}\r\n\r\n`);
  await once(socket, "close");
  expect(said).not.toContain("200");
});

test("an answer that goes on is not cut off by the time a request may take", async () => {
  const { server, add } = await start({ headersTimeoutMs: 300 });
  const { id } = await add(execution({ status: "running" }), { stdout: "begun\n" });
  const response = await fetch(`${server.url}/api/executions/${id}/stdout?follow=1`);
  const reader = response.body?.getReader();
  expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe("begun\n");
  const next = reader?.read();
  // five times what a request's head may take, checks included
  const later = new Promise((done) => setTimeout(done, 1_500, "still open"));
  expect(await Promise.race([next, later])).toBe("still open");
  await reader?.cancel();
});

test("a port that is taken is said with a hint", async () => {
  const { server, app } = await start();
  await expect(listen(app, { host: "127.0.0.1", port: server.port })).rejects.toMatchObject({
    name: "ConfigError",
    hint: expect.stringContaining("--port") as string,
  });
});

test("close does not wait for ever on a reader that stalls", async () => {
  const { server, add } = await start();
  const { id } = await add(execution({ status: "succeeded" }), { stdout: Buffer.alloc(50 * 1024 * 1024) });
  const socket = connect(server.port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(`GET /api/executions/${id}/stdout HTTP/1.1\r\nHost: x\r\n\r\n`);
  socket.pause();
  await eventually(() => openLogs() === 1);
  await server.close();
  socket.destroy();
  await eventually(() => openLogs() === 0);
});
