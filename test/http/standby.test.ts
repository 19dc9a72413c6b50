// An agent that stands by: its own health, everything else from the leader, and nothing that would change something.
import { createServer } from "node:http";
import { once } from "node:events";
import { connect, type AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { serveStandby } from "../../agent/http/standby.ts";

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const one of undo.splice(0).reverse()) await one();
});

async function standby(leaderUrl: string | null) {
  const served = await serveStandby({
    ...{ host: "127.0.0.1", port: 0, basePath: "/ops" },
    ...{ leaderUrl: () => leaderUrl, details: () => ({ lease: "x" }) },
  });
  undo.push(() => served.close());
  return served;
}

async function leader() {
  const server = createServer((request, response) => {
    response.writeHead(request.method === "GET" ? 200 : 405, { "X-From": "leader" });
    response.end(`${request.method} ${request.url} ${request.headers.authorization ?? ""}`);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  undo.push(() => (server.closeAllConnections(), server.close()));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("its own health with and without the base path; all else is the leader's, token included", async () => {
  const { url } = await standby(await leader());
  for (const path of ["/healthz", "/ops/healthz", "/readyz", "/metrics"])
    expect([(await fetch(url + path)).status, (await fetch(url + path)).headers.get("x-from")]).toEqual([200, null]);
  expect((await fetch(`${url}/healthz`, { method: "HEAD" })).status).toBe(200);
  const handed = await fetch(`${url}/ops/api/batches?tag=a`, { headers: { Authorization: "Bearer t" } });
  expect([handed.headers.get("x-from"), await handed.text()]).toEqual([
    "leader",
    "GET /ops/api/batches?tag=a Bearer t",
  ]);
  expect((await fetch(`${url}/api/batches`, { method: "POST" })).status).toBe(405);
});

test.each(["POST", "PUT", "DELETE"])("%s to its own paths is a 405 that says what is allowed", async (method) => {
  const { url } = await standby(null);
  const response = await fetch(`${url}/readyz`, { method });
  expect([response.status, response.headers.get("allow"), response.headers.get("content-type")]).toEqual([
    405,
    "GET, HEAD",
    "application/problem+json",
  ]);
  expect(await response.json()).toMatchObject({ status: 405, title: "Method Not Allowed", instance: "/readyz" });
});

test("a method that no parser knows is a 405 too", async () => {
  const { port } = await standby(null);
  const said = await new Promise<string>((done) => {
    let text = "";
    const socket = connect(port, "127.0.0.1", () => socket.write("FOO /api/batches HTTP/1.1\r\nHost: x\r\n\r\n"));
    socket.on("data", (chunk: Buffer) => (text += chunk.toString())).on("close", () => done(text));
  });
  expect(said).toMatch(/^HTTP\/1\.1 405 [^]*\r\nAllow: GET, HEAD\r\n[^]*application\/problem\+json/);
});

test("without a leader it says so, and when to ask again", async () => {
  const { url } = await standby(null);
  const response = await fetch(`${url}/api/batches`);
  expect([response.status, response.headers.get("retry-after")]).toEqual([503, "2"]);
  expect(await response.json()).toMatchObject({ status: 503, title: "Service Unavailable" });
});

test.each(["the leader", "the one that stands by"])("an answer is cut off, not ended, when %s goes", async (who) => {
  const server = createServer((_, response) => {
    response.writeHead(200);
    response.write("a line\n");
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  undo.push(() => (server.closeAllConnections(), server.close()));
  const served = await standby(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const response = await fetch(`${served.url}/api/executions/1/stdout?follow=1`);
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe("a line\n");
  const rest = expect(reader.read()).rejects.toThrow();
  if (who === "the leader") server.closeAllConnections();
  else await served.close();
  await rest;
});
