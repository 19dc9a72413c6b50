// Heartbeats against a small server that behaves as healthchecks does: what is called, and what is called behind it.
import { expect, test } from "vitest";
import { createPinger, endSuffix, pingUrl } from "../../agent/notify/ping.ts";
import type { Message } from "../../agent/notify/port.ts";
import { fakeClock } from "../helpers/fakes.ts";
import { execution, t0 } from "../helpers/make.ts";
import { webhookServer } from "../helpers/receivers.ts";

const startedAt = new Date(t0).toISOString();

test.each<{ name: string; fields: Parameters<typeof execution>[0]; exitCode: number | null; want: string | null }>([
  { name: "a success", fields: { status: "succeeded", startedAt }, exitCode: 0, want: "" },
  { name: "a success with another code", fields: { status: "succeeded", startedAt }, exitCode: 24, want: "" },
  { name: "a failure with a code", fields: { status: "failed", startedAt }, exitCode: 3, want: "/3" },
  { name: "a failure by a signal", fields: { status: "failed", startedAt }, exitCode: null, want: "/fail" },
  {
    name: "a timeout that the script took for its end",
    fields: { status: "failed", startedAt },
    exitCode: 0,
    want: "/fail",
  },
  {
    name: "what was started and then aborted",
    fields: { status: "aborted", startedAt },
    exitCode: null,
    want: "/fail",
  },
  { name: "what never started", fields: { status: "aborted", startedAt: null }, exitCode: null, want: null },
  { name: "what could not be started", fields: { status: "failed", startedAt: null }, exitCode: null, want: null },
])("$name: $want", ({ fields, exitCode, want }) => {
  expect(endSuffix({ ...execution(fields), ...fields, exitCode })).toBe(want);
});

test.each([
  ["https://hc.example.org/ping/0a", "/start", "https://hc.example.org/ping/0a/start"],
  ["https://hc.example.org/ping/0a/", "/3", "https://hc.example.org/ping/0a/3"],
  ["https://hc.example.org/ping/0a?rid=1&create=1", "/fail", "https://hc.example.org/ping/0a/fail?rid=1&create=1"],
  ["https://hc.example.org/ping/0a?rid=1", "", "https://hc.example.org/ping/0a?rid=1"],
  ["https://u:p@hc.example.org", "/start", "https://u:p@hc.example.org/start"],
])("%s with %s is %s", (url, suffix, want) => {
  expect(pingUrl(url, suffix)).toBe(want);
});

test("posts the bytes of the body, and holds back what comes after one that is not taken", async () => {
  let status = 200;
  const { url, calls } = await webhookServer((_, response) => void response.writeHead(status).end());
  const pinger = createPinger({ clock: fakeClock(t0), userAgent: "batch-agent/test" });
  const message = (suffix: string, body: string): Message => ({
    id: "01J-stop-1",
    to: `${url}/ping/0a?x=1`,
    batch: "report",
    execution: "01J" as Message["execution"],
    event: "stop",
    createdAt: startedAt,
    content: { kind: "ping", url: `${url}/ping/0a${suffix}?x=1`, body: Buffer.from(body).toString("base64") },
  });
  expect(await pinger.send(message("/3", "é\n"))).toEqual({ kind: "accepted" });
  expect(calls).toMatchObject([{ method: "POST", path: "/ping/0a/3?x=1", body: "é\n" }]);
  status = 503;
  expect(await pinger.send(message("", ""))).toMatchObject({ kind: "later", down: true });
  status = 404;
  expect(await pinger.send(message("", ""))).toMatchObject({ kind: "refused" });
});
