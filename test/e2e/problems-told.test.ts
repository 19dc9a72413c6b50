// Problems that people are told of, with the built program: an edit that breaks a batch or its group, and the agent's
// own troubles.
import { mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Problem } from "../../agent/model/problem.ts";
import { startAgent, workplace } from "../helpers/agent.ts";
import { type } from "../helpers/cli.ts";
import { mailServer, webhookServer } from "../helpers/receivers.ts";
import { eventually } from "../helpers/tmp.ts";

interface Told {
  event: string;
  text: string;
  problem: Problem;
}

function put(path: string, text: string): void {
  writeFileSync(`${path}.swp`, text);
  renameSync(`${path}.swp`, path);
}
const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

test("an edit that breaks a batch, or its group, is told once: not at a resync, nor after a restart", async () => {
  const place = workplace();
  const { url, calls } = await webhookServer();
  const smtp = await mailServer();
  const told = (path: string) => calls.filter((call) => call.path === path).map(({ body }) => JSON.parse(body) as Told);
  mkdirSync(join(place.batches, "billing"));
  const group = join(place.batches, "billing/_group.yaml");
  put(group, `defaults: { notify: { mail: [ops@example.org], webhook: ["${url}/ops"] } }\n`);
  place.put("billing/load", 'cron: "@yearly"\n', "true\n");
  place.put("billing/report", 'cron: "@yearly"\n', "true\n");
  place.put("quiet", `cron: "@yearly"\nnotify: { on: [failure], webhook: ["${url}/quiet"] }\n`, "true\n");
  const args = ["--smtp-url", `smtp://127.0.0.1:${smtp.port}`, "--resync", "1s"];
  let agent = await startAgent(place, args);
  place.put("billing/load", "cron: nonsense\n", null);
  place.put("quiet", `cron: nonsense\nnotify: { on: [failure], webhook: ["${url}/quiet"] }\n`, null);
  await eventually(() => told("/ops").length === 1 && smtp.mails.length === 1, 15_000);
  expect(Object.keys(told("/ops")[0] ?? {}).sort()).toEqual(["event", "problem", "text"]);
  expect(told("/ops")[0]).toMatchObject({ event: "problem", problem: { batch: "load", code: "bad-cron", line: 1 } });
  expect(smtp.mails[0]?.headers.subject).toBe("[batch-agent] load problem");
  put(group, `defaults: { notify: { mail: [ops@example.org], webhook: ["${url}/ops"] } }\nnonsense: 1\n`);
  await eventually(() => told("/ops").length === 2 && smtp.mails.length === 2, 15_000);
  expect(smtp.mails[1]?.headers.subject).toBe("[batch-agent] billing/_group.yaml problem");
  expect(told("/ops")[1]?.problem.batch).toBe("billing/_group.yaml");
  await eventually(() => readdirSync(join(place.data, "outbox")).length === 0);
  await agent.exit("SIGKILL");
  agent = await startAgent(place, args);
  await pause(6_000);
  expect([told("/ops").length, smtp.mails.length, told("/quiet").length]).toEqual([2, 2, 0]);
  // Mended, and broken again.
  place.put("billing/load", 'cron: "@yearly"\n', null);
  await eventually(async () => (await agent.batch("load")).problems.length === 0);
  await pause(2_500);
  place.put("billing/load", "cron: nonsense\n", null);
  await eventually(() => told("/ops").length === 3, 15_000);
}, 60_000);

test("the agent's own problems go to both addresses; a mail that nobody takes, to the webhook", async () => {
  const place = workplace();
  const { url, calls } = await webhookServer();
  const smtp = await mailServer({
    onRcptTo: ({ address }, _session, done) =>
      done(address.startsWith("nobody") ? new Error("no such user") : undefined),
  });
  const told = () => calls.map(({ body }) => JSON.parse(body) as Told);
  const args = ["--smtp-url", `smtp://127.0.0.1:${smtp.port}`, "--notify-mail", "admin@example.org,second@example.org"];
  const agent = await startAgent(place, [...args, "--notify-webhook", url]);
  const soon = new Date(Date.now() + 4_000).toISOString();
  place.put("load", `cron: "${soon}"\nnotify: { mail: [nobody@example.org] }\n`, "exit 1\n");
  await eventually(async () => (await agent.batch("load")).state === "scheduled", 15_000);
  put(join(place.batches, "_group.yaml"), "nonsense: 1\n");
  await eventually(() => told().length === 1 && smtp.mails.length === 2, 15_000);
  expect(told()[0]?.problem).toMatchObject({ batch: "_group.yaml", code: "unknown-key" });
  expect(smtp.mails.flatMap(({ to }) => to).sort()).toEqual(["admin@example.org", "second@example.org"]);
  await eventually(() => told().length === 2, 30_000);
  expect(told()[1]?.problem).toMatchObject({ batch: "", code: "not-delivered" });
  expect(told()[1]?.problem.message).toMatch(/^mail: /);
  await pause(3_000);
  expect([told().length, smtp.mails.length]).toEqual([2, 2]);
}, 90_000);

test.each([
  [["--notify-mail", "admin@example.org"], "needs --smtp-url"],
  [["--notify-mail", "admin", "--smtp-url", "smtp://127.0.0.1"], "is not a mail address"],
  [["--notify-webhook", "ftp://x.example.org/secret"], "this is not a URL"],
])("%j is refused", async (args, want) => {
  const place = workplace();
  const { code, stderr } = await type(place.home, ["run", place.batches, ...args]);
  expect(code).not.toBe(0);
  expect(stderr).toContain(want);
  expect(stderr).not.toContain("secret");
});
