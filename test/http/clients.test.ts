// Clients that take more than their share: pipelined floods, stalled readers, and all places from one address.
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { clientOf, createAnswerQueue } from "../../agent/http/protocol/connections.ts";
import { listen, type HttpServer, type ListenOptions } from "../../agent/http/server.ts";
import { serve, type ServeOptions } from "../helpers/http.ts";
import { execution } from "../helpers/make.ts";
import { eventually } from "../helpers/tmp.ts";

const servers: HttpServer[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function start(options: Partial<ListenOptions> = {}, serving: ServeOptions = {}) {
  const served = await serve(serving);
  let requests = 0;
  const counted = {
    fetch: (...args: Parameters<typeof served.app.fetch>) => {
      requests += 1;
      return served.app.fetch(...args);
    },
  };
  const server = await listen(counted as unknown as typeof served.app, { host: "127.0.0.1", port: 0, ...options });
  servers.push(server);
  return { ...served, server, requests: () => requests };
}

/** A connection that sends `text`; with `reads`, what comes is collected. */
function client(server: HttpServer, text: string, { reads = true, from = "127.0.0.1" } = {}) {
  const socket = connect({ port: server.port, host: "127.0.0.1", localAddress: from });
  sockets.push(socket);
  const got = { text: "", closed: false, socket };
  socket.on("error", () => undefined).on("close", () => (got.closed = true));
  if (reads) socket.setEncoding("latin1").on("data", (piece: string) => (got.text += piece));
  else socket.pause();
  socket.write(text);
  return got;
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
const statuses = (text: string) => [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => Number(match[1]));

describe("requests of one connection", () => {
  test("pipelined ones are answered in order, up to sixteen at a time", async () => {
    const { server } = await start();
    const paths = Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? "/healthz" : "/nowhere"));
    const got = client(server, paths.map(get).join(""));
    await eventually(() => statuses(got.text).length === 16);
    expect(statuses(got.text)).toEqual(paths.map((path) => (path === "/healthz" ? 200 : 404)));
    got.socket.write(get("/healthz"));
    await eventually(() => statuses(got.text).length === 17);
  });

  test("more are cut off, and none of a chunk's others is looked at", async () => {
    const { server, requests } = await start();
    const flood = get("/executions").repeat(1_500);
    const clients = Array.from({ length: 40 }, () => client(server, flood, { reads: false }));
    const began = performance.now();
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    expect(performance.now() - began).toBeLessThan(1_000);
    for (const { socket } of clients) socket.resume();
    await eventually(() => clients.every(({ closed }) => closed));
    expect(requests()).toBeLessThanOrEqual(40 * 16 + 1);
  });

  test("one answer is made at a time, and none for a client that is gone", async () => {
    const { server, add, requests } = await start();
    const { id } = await add(execution({ status: "succeeded" }), { stdout: Buffer.alloc(50 * 1024 * 1024, "x") });
    const got = client(server, get(`/api/executions/${id}/stdout`).repeat(10), { reads: false });
    await eventually(() => requests() === 1);
    expect((await fetch(`${server.url}/api/batches`)).status).toBe(200);
    expect(requests()).toBe(2);
    got.socket.destroy();
    expect((await fetch(`${server.url}/api/batches`)).status).toBe(200);
    expect(requests()).toBe(3);
  });
});

describe("answers that nobody takes", () => {
  test("are broken off, while who follows a silent log goes on", async () => {
    const { server, add } = await start({ stallMs: 900 });
    const big = await add(execution({ status: "succeeded" }), { stdout: Buffer.alloc(50 * 1024 * 1024, "x") });
    const silent = await add(execution({ status: "running" }), { stdout: "begun\n" });
    const stalled = client(server, get(`/api/executions/${big.id}/stdout`), { reads: false });
    const follower = client(server, get(`/api/executions/${silent.id}/stdout?follow=1`));
    const archive = client(server, get(`/api/executions/${big.id}/logs`), { reads: false });
    archive.socket.resume(); // reads: it goes on
    await once(stalled.socket.resume(), "close");
    expect(follower.closed).toBe(false);
    expect(follower.text).toContain("begun\n");
  }, 20_000);

  test("a reader that takes a little now and then is no stalled one", async () => {
    const { server, add } = await start({ stallMs: 600 });
    const { id } = await add(execution({ status: "succeeded" }), { stdout: Buffer.alloc(50 * 1024 * 1024, "x") });
    const slow = client(server, get(`/api/executions/${id}/stdout`), { reads: false });
    await once(slow.socket, "readable");
    let taken = 0;
    for (const until = performance.now() + 2_400; performance.now() < until;) {
      for (let piece = slow.socket.read() as Buffer | null; piece !== null && taken < 1e9; piece = null)
        taken += piece.length;
      for (let more = 0; more < 64; more++) taken += (slow.socket.read() as Buffer | null)?.length ?? 0;
      await new Promise((done) => setTimeout(done, 20));
    }
    expect(taken).toBeGreaterThan(0);
    expect(slow.closed).toBe(false);
  });
});

describe("one address", () => {
  test("has three quarters of the places at most", async () => {
    const { server } = await start({ maxConnections: 8 });
    const many = Array.from({ length: 8 }, () => client(server, get("/healthz")));
    await eventually(() => many.filter(({ closed }) => closed).length === 2);
    expect(many.filter(({ text }) => statuses(text)[0] === 200)).toHaveLength(6);
    const other = client(server, get("/healthz"), { from: "127.0.0.2" });
    await eventually(() => statuses(other.text)[0] === 200);
    for (const { socket } of many) socket.destroy();
    await eventually(async () => (await fetch(`${server.url}/healthz`).catch(() => null))?.status === 200);
  });

  test("has three quarters of the followers at most", async () => {
    const { server, add } = await start({}, { maxStreams: 4 });
    const { id } = await add(execution({ status: "running" }), { stdout: "begun\n" });
    const path = get(`/api/executions/${id}/stdout?follow=1`);
    const mine = Array.from({ length: 4 }, () => client(server, path));
    await eventually(() => mine.every(({ text }) => statuses(text).length === 1));
    expect(mine.map(({ text }) => statuses(text)[0]).sort()).toEqual([200, 200, 200, 503]);
    const other = client(server, path, { from: "127.0.0.2" });
    await eventually(() => statuses(other.text)[0] === 200);
  });

  test.each([
    ["127.0.0.1", "127.0.0.1"],
    ["::ffff:10.0.0.7", "10.0.0.7"],
    ["::1", "0:0:0:0::/64"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1:2::9", "2001:db8:1:2::/64"],
    ["2001:db8::9", "2001:db8:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    [undefined, ""],
  ])("%s is the client %s", (address, name) => expect(clientOf(address)).toBe(name));
});

test("four archives are made at a time; the next one is told when to come again, until one has left", async () => {
  const { server, add, data } = await start();
  const { id } = await add(execution({ status: "succeeded" }));
  mkdirSync(data, { recursive: true });
  const noise = Buffer.alloc(30 * 1024 * 1024);
  for (let at = 0; at < noise.length; at += 4) noise.writeUInt32LE(Math.imul(at, 2_654_435_761) >>> 0, at);
  const large = await add(execution({ status: "succeeded" }), { stdout: noise });
  const readers = Array.from({ length: 4 }, () =>
    client(server, get(`/api/executions/${large.id}/logs`), { reads: false }),
  );
  const url = `${server.url}/api/executions/${id}/logs`;
  await eventually(async () => {
    const response = await fetch(url);
    await response.arrayBuffer();
    return response.status === 503 && response.headers.get("retry-after") === "5";
  });
  readers[0]?.socket.destroy();
  await eventually(async () => {
    const response = await fetch(url);
    await response.arrayBuffer();
    return response.status === 200;
  });
});

test("followers that begin a large log do not hold up a probe", async () => {
  const { server, add } = await start();
  const { id } = await add(execution({ status: "running" }), { stdout: "0123456789abcde\n".repeat(4 * 1024 * 1024) });
  const head = `GET /api/executions/${id}/stdout?follow=1 HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n`;
  const followers = Array.from({ length: 200 }, () => client(server, head, { reads: false }));
  const tookMs: number[] = [];
  for (let probes = 0; probes < 20; probes++) {
    const began = performance.now();
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    tookMs.push(performance.now() - began);
    await new Promise((done) => setTimeout(done, 50));
  }
  // A second is promised; other tests run beside this one and may hold up one of them. Read at once it was seven.
  const [worst, second] = tookMs.sort((a, b) => b - a);
  expect(second).toBeLessThan(1_000);
  expect(worst).toBeLessThan(3_000);
  expect(followers.some(({ closed }) => closed)).toBe(false);
}, 30_000);

test("answers made ahead of readers that stand still share 16 MiB; the newest is whole", async () => {
  const queue = createAnswerQueue();
  const answers: ServerResponse[] = [];
  const size = 10 * 1024 * 1024;
  const server = createServer((incoming, outgoing) => {
    void queue.run(incoming.socket, outgoing, () => {
      answers.push(outgoing);
      outgoing.end(Buffer.alloc(size, "x"));
      return Promise.resolve();
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  try {
    const sum = () => answers.reduce((total, one) => total + (one.destroyed ? 0 : one.writableLength), 0);
    for (let count = 1; count <= 8; count++) {
      client({ port } as HttpServer, get("/"), { reads: false });
      await eventually(() => answers.length === count);
      expect(sum()).toBeLessThanOrEqual(16 * 1024 * 1024 + size);
    }
    expect(answers[0]?.destroyed).toBe(true);
    expect(answers.at(-1)?.destroyed).toBe(false);
    const last = sockets.at(-1) as Socket;
    let got = 0;
    last.on("data", (piece: Buffer) => (got += piece.length)).resume();
    await eventually(() => got > size);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
