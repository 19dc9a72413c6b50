// Webhooks against a real HTTP server that fails in each way.
import { createHmac } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Message } from "../../agent/notify/port.ts";
import { openWebhookCaller } from "../../agent/notify/webhook.ts";
import { fakeClock } from "../helpers/fakes.ts";
import { t0 } from "../helpers/make.ts";
import { webhookServer, type Call } from "../helpers/receivers.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

const body = '{"event":"failure","text":"é","execution":{}}';

function message(to: string): Message {
  return {
    id: "01J-failure-1",
    to,
    batch: "report",
    execution: "01J" as Message["execution"],
    event: "failure",
    createdAt: "2026-11-24T12:00:00.000Z",
    content: { kind: "webhook", body },
  };
}

const caller = (secretFile: string | null = null, timeoutMs = 10_000) =>
  openWebhookCaller({ clock: fakeClock(t0), secretFile, userAgent: "batch-agent/test", timeoutMs });

test.each<{ name: string; answer: (call: Call, response: ServerResponse) => void; want: object; timeoutMs?: number }>([
  { name: "200", answer: (_, r) => void r.end("ok"), want: { kind: "accepted" } },
  { name: "204", answer: (_, r) => void r.writeHead(204).end(), want: { kind: "accepted" } },
  {
    name: "a body without end",
    answer: (_, r) => void setInterval(() => r.write("x".repeat(1_000)), 5).unref(),
    want: { kind: "accepted" },
  },
  {
    name: "closed in the middle of the answer",
    answer: (_, r) => void r.writeHead(200, { "Content-Length": "100" }).write("x", () => r.destroy()),
    want: { kind: "accepted" },
  },
  { name: "closed before the answer", answer: (_, r) => void r.destroy(), want: { kind: "later", down: true } },
  {
    name: "no HTTP at all",
    answer: (_, r) => void r.socket?.end("hello\r\n\r\n"),
    want: { kind: "later", down: true },
  },
  {
    name: "hangs",
    answer: () => undefined,
    want: { kind: "later", down: true, why: "no answer within 0.3 s" },
    timeoutMs: 300,
  },
  {
    name: "500",
    answer: (_, r) => void r.writeHead(500).end("oops"),
    want: { kind: "later", down: false, why: "it answered 500", waitMs: null },
  },
  {
    name: "503 with a time to wait",
    answer: (_, r) => void r.writeHead(503, { "Retry-After": "7" }).end(),
    want: { kind: "later", waitMs: 7_000 },
  },
  {
    name: "429 with a date",
    answer: (_, r) => void r.writeHead(429, { "Retry-After": new Date(t0 + 60_000).toUTCString() }).end(),
    want: { kind: "later", waitMs: 60_000 },
  },
  {
    name: "429 with nonsense",
    answer: (_, r) => void r.writeHead(429, { "Retry-After": "soon" }).end(),
    want: { kind: "later", waitMs: null },
  },
  { name: "404", answer: (_, r) => void r.writeHead(404).end(), want: { kind: "refused", why: "it answered 404" } },
  { name: "410", answer: (_, r) => void r.writeHead(410).end(), want: { kind: "refused" } },
])("$name", async ({ answer, want, timeoutMs }) => {
  const server = await webhookServer(answer);
  expect(await (await caller(null, timeoutMs)).send(message(`${server.url}/hook`))).toMatchObject(want);
  expect(server.calls).toMatchObject([{ method: "POST", path: "/hook", body }]);
});

test("redirects are not followed", async () => {
  const elsewhere = await webhookServer();
  const server = await webhookServer(
    (_, response) => void response.writeHead(307, { Location: `${elsewhere.url}/` }).end(),
  );
  expect(await (await caller()).send(message(server.url))).toMatchObject({
    kind: "refused",
    why: expect.stringContaining("redirects are not followed") as string,
  });
  expect(elsewhere.calls).toEqual([]);
});

test("nobody there: told without the address", async () => {
  const server = await webhookServer();
  await server.stop();
  const answer = await (await caller()).send(message(`${server.url}/hooks/T0P?key=S3KEY`));
  expect(answer).toMatchObject({ kind: "later", down: true, why: expect.stringContaining("ECONNREFUSED") as string });
  expect(JSON.stringify(answer)).not.toMatch(/T0P|S3KEY/);
  expect(JSON.stringify(await (await caller()).send(message("http://a%:b@no.such.host.invalid/T0P")))).not.toMatch(
    /T0P/,
  );
});

test("a name and a password in the address go as a header", async () => {
  const server = await webhookServer();
  await (await caller()).send(message(server.url.replace("//", "//us%40er:pa%3Ass@")));
  expect(server.calls[0]?.headers.authorization).toBe(`Basic ${Buffer.from("us@er:pa:ss").toString("base64")}`);
});

test("the signature is over the bytes of the body, with the secret as it is in the file now", async () => {
  const server = await webhookServer();
  const file = join(temporaryFolder(), "secret");
  await expect(caller(file)).rejects.toThrow("--webhook-secret-file");
  writeFileSync(file, "\n");
  await expect(caller(file)).rejects.toThrow("is empty");
  writeFileSync(file, "one\n");
  const { send } = await caller(file);
  await send(message(server.url));
  writeFileSync(file, "two");
  await send(message(server.url));
  rmSync(file);
  expect(await send(message(server.url))).toMatchObject({
    kind: "later",
    down: true,
    why: expect.stringContaining("the secret cannot be read") as string,
  });
  const signature = (secret: string) =>
    `sha256=${createHmac("sha256", secret).update(Buffer.from(body)).digest("hex")}`;
  expect(server.calls.map(({ headers }) => headers["x-batch-agent-signature"])).toEqual([
    signature("one"),
    signature("two"),
  ]);
  expect(server.calls[0]?.headers).toMatchObject({
    "content-type": "application/json",
    "x-batch-agent-delivery": "01J-failure-1",
    "user-agent": "batch-agent/test",
  });
});

test("a password is sent as it stands where it is not encoded", async () => {
  const server = await webhookServer();
  const call = (credentials: string) =>
    caller().then((webhooks) => webhooks.send(message(server.url.replace("://", `://${credentials}@`))));
  expect(await call("robot:100%")).toEqual({ kind: "accepted" });
  expect(await call("robot:a%40b")).toEqual({ kind: "accepted" });
  const sent = server.calls.map(({ headers }) =>
    Buffer.from(String(headers.authorization).slice(6), "base64").toString(),
  );
  expect(sent).toEqual(["robot:100%", "robot:a@b"]);
});

test("an answer with a head too large is tried again later", async () => {
  const server = await webhookServer((_, r) => void r.writeHead(200, { "X-Large": "x".repeat(100_000) }).end());
  expect(await (await caller()).send(message(`${server.url}/hook`))).toMatchObject({ kind: "later" });
});
