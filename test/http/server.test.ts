// A listening server and readers that stall, vanish or dawdle.
import { readdirSync, readlinkSync } from "node:fs";
import { connect } from "node:net";
import { once } from "node:events";
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
  const served = await serve(token === undefined ? {} : { access: { token: { current: () => Promise.resolve(token) } } });
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

test("a log comes whole over the wire", async () => {
  const { server, add } = await start();
  const text = "0123456789abcdef\n".repeat(100_000);
  const { id } = await add(execution({ status: "succeeded" }), { stdout: text });
  expect(await (await fetch(`${server.url}/api/executions/${id}/stdout`)).text()).toBe(text);
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
  socket.write("POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ntok");
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
  const later = new Promise((done) => setTimeout(done, 1_500, "still open")); // five times what a request's head may take, checks included
  expect(await Promise.race([next, later])).toBe("still open");
  await reader?.cancel();
});

test("a port that is taken is said with a hint", async () => {
  const { server, app } = await start();
  await expect(listen(app, { host: "127.0.0.1", port: server.port })).rejects.toMatchObject({ name: "ConfigError", hint: expect.stringContaining("--port") as string });
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
