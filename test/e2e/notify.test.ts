// The built agent tells people: real scripts, a real mail server, a real webhook's server, a real kill -9.
import { createHmac } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { askAgent } from "../../agent/executions/command-box.ts";
import type { Execution } from "../../agent/model/execution.ts";
import { startAgent, workplace } from "../helpers/agent.ts";
import { recordedRows } from "../helpers/ledger.ts";
import { mailServer, partsOf, webhookServer } from "../helpers/receivers.ts";
import { eventually } from "../helpers/tmp.ts";

const askToStart = (data: string, batch: string) =>
  askAgent(
    data,
    { actor: "test@here", note: null, request: { kind: "trigger", batch, params: {}, dueAt: null } },
    { waitMs: 5_000 },
  );
const subjects = (mails: { headers: Record<string, string> }[]) => mails.map(({ headers }) => headers.subject);
const waiting = (data: string) => readdirSync(join(data, "outbox"));

test("a batch that fails every second: one mail at once, and one when it recovers", async () => {
  const place = workplace();
  const smtp = await mailServer();
  const fixed = join(place.home, "fixed");
  place.put(
    "report",
    `cron: "* * * * * *"\ndescription: Nightly <report>\nenv: { PASSWORD: hunter2 }\nnotify: { mail: [ops@example.org, dev@example.org] }\n`,
    `[ -e ${fixed} ] && exit 0\nfor i in $(seq 60); do echo "row $i"; done\nprintf '\\033[31mno such table\\033[0m\\n' >&2\nexit 3\n`,
  );
  const agent = await startAgent(place, [
    "--smtp-url",
    `smtp://127.0.0.1:${smtp.port}`,
    "--mail-from",
    "Batches <batch@example.org>",
    "--base-url",
    "https://batches.example.org/",
  ]);
  await eventually(async () => (await agent.executions("?status=failed")).length >= 4);
  writeFileSync(fixed, "");
  await eventually(() => smtp.mails.length >= 4);
  await eventually(async () => (await agent.executions("?status=succeeded")).length >= 2);
  expect(subjects(smtp.mails).sort()).toEqual(
    ["failed", "failed", "recovered", "recovered"].map((word) => `[batch-agent] report ${word}`),
  );
  expect(smtp.mails.map(({ to }) => to.join()).sort()).toEqual([
    "dev@example.org",
    "dev@example.org",
    "ops@example.org",
    "ops@example.org",
  ]);
  expect(new Set(smtp.mails.map(({ headers }) => headers["message-id"])).size).toBe(4);
  expect(await eventually(() => waiting(place.data).length === 0)).toBe(true);

  const first = (await agent.executions("?status=failed")).at(-1) as Execution;
  const failed = smtp.mails.find(
    ({ headers, to }) => headers.subject?.endsWith("failed") && to[0] === "ops@example.org",
  );
  const { plain, html } = partsOf(failed as NonNullable<typeof failed>);
  for (const fact of [
    first.id,
    first.run,
    "exit code 3",
    "Nightly <report>",
    "cron, due",
    first.revision,
    "  no such table\n",
    "row 60",
    "row 11",
    `https://batches.example.org/executions/${first.id}`,
  ])
    expect(plain).toContain(fact);
  expect(plain).not.toContain("row 10\n");
  expect(html).toContain("Nightly &lt;report&gt;");
  expect(failed?.from).toBe("batch@example.org");
  expect(smtp.mails.map(({ raw }) => raw).join()).not.toContain("hunter2");
  const recovered = smtp.mails.find(({ headers }) => headers.subject?.endsWith("recovered"));
  expect(partsOf(recovered as NonNullable<typeof recovered>).plain).toMatch(/having failed ([4-9]|\d\d) times/);
});

test("a webhook is called with event, text and the execution, and signed", async () => {
  const place = workplace();
  const hook = await webhookServer();
  const secretFile = join(place.home, "secret");
  writeFileSync(secretFile, "s3cret\n");
  const yaml = (on: string) =>
    `cron: "* * * * * *"\nnotify: { on: [${on}], webhook: ["${hook.url}/hooks/T0P?key=S3KEY"] }\n`;
  place.put("load", yaml("failure, recovery"), "exit 1\n");
  const agent = await startAgent(place, ["--webhook-secret-file", secretFile]);
  const failure = await eventually(() => hook.calls[0]);
  const id = (JSON.parse(failure.body) as { execution: Execution }).execution.id;
  const shown = await agent.json(`/api/executions/${id}`);
  expect(JSON.parse(failure.body)).toEqual({
    event: "failure",
    text: expect.stringMatching(/^load failed after .*: exit code 1\n/) as string,
    execution: shown,
  });
  expect(failure).toMatchObject({
    method: "POST",
    path: "/hooks/T0P?key=S3KEY",
    headers: { "content-type": "application/json" },
  });
  const signed = (body: string, secret: string) => `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;
  expect(failure.headers["x-batch-agent-signature"]).toBe(signed(failure.body, "s3cret"));

  writeFileSync(secretFile, "another");
  place.put("load", null, "exit 0\n");
  const recovery = await eventually(() => hook.calls[1]);
  expect(JSON.parse(recovery.body)).toMatchObject({ event: "recovery", execution: { status: "succeeded" } });
  expect(recovery.headers["x-batch-agent-signature"]).toBe(signed(recovery.body, "another"));
  expect(recovery.headers["x-batch-agent-delivery"]).not.toBe(failure.headers["x-batch-agent-delivery"]);

  place.put("load", yaml("success"), null);
  expect(JSON.parse((await eventually(() => hook.calls[2])).body)).toMatchObject({ event: "success" });
  expect(agent.log()).not.toMatch(/T0P|S3KEY|s3cret/);
  expect(JSON.stringify(await agent.json("/api/batches"))).not.toMatch(/T0P|S3KEY/);
});

test("a batch whose chain breaks while it runs is told of; what is no message keeps nobody from starting", async () => {
  const place = workplace();
  const hook = await webhookServer();
  mkdirSync(join(place.data, "outbox/odd.json"), { recursive: true });
  place.put("transform", 'cron: "@yearly"\n', "true\n");
  place.put(
    "publish",
    `after: transform\nnotify: { webhook: ["${hook.url}/"] }\n`,
    'until [ -e "$BATCH_STATE_DIR/go" ]; do sleep 0.1; done; exit 1\n',
  );
  const agent = await startAgent(place);
  await eventually(() => waiting(place.data).every((name) => name.startsWith("odd.json.corrupt-")));
  expect(waiting(place.data)).toHaveLength(1);
  await askToStart(place.data, "transform");
  await eventually(async () => (await agent.executions("?batch=publish&status=running"))[0]);
  place.drop("transform");
  await eventually(async () => (await agent.batch("publish")).state === "invalid");
  writeFileSync(join(place.data, "batches/publish/state/go"), "");
  expect(JSON.parse((await eventually(() => hook.calls[0])).body)).toMatchObject({
    event: "failure",
    execution: { batch: "publish" },
  });
});

test("what failed before nobody wanted to hear of it has not recovered once somebody does again", async () => {
  const place = workplace();
  const hook = await webhookServer();
  const everySecond = 'cron: "* * * * * *"\n';
  const heard = `${everySecond}notify: { webhook: ["${hook.url}/"] }\n`;
  place.put("load", heard, "exit 1\n");
  const agent = await startAgent(place);
  await eventually(() => hook.calls[0]);
  const succeeded = async (yaml: string) => {
    place.put("load", yaml, "true\n");
    const revision = await eventually(async () => (await agent.executions("?status=succeeded"))[0]?.revision);
    await eventually(
      async () =>
        (await agent.executions("?status=succeeded")).filter((row) => row.revision !== revision).length >= 2 ||
        yaml === everySecond,
    );
  };
  await succeeded(everySecond);
  await succeeded(heard);
  expect(hook.calls.map(({ body }) => (JSON.parse(body) as { event: string }).event)).toEqual(["failure"]);
});

test("a batch whose every retry is replaced by its next start is told of all the same", async () => {
  const place = workplace();
  const hook = await webhookServer();
  place.put(
    "load",
    `cron: "* * * * * *"\nconcurrency: replace\nretry: { limit: 1, delay: 1h }\nnotify: { webhook: ["${hook.url}/"] }\n`,
    "exit 1\n",
  );
  await startAgent(place);
  const { event, text } = JSON.parse((await eventually(() => hook.calls[0])).body) as { event: string; text: string };
  expect(event).toBe("failure");
  expect(text).toMatch(/^load failed: a newer start took its place\n/);
});

test("only the last attempt's failure is told", async () => {
  const place = workplace();
  const hook = await webhookServer();
  place.put(
    "flaky",
    `cron: "@yearly"\nretry: { limit: 1, delay: 1s }\nnotify: { on: [failure, success], webhook: ["${hook.url}/"] }\n`,
    "exit 1\n",
  );
  const agent = await startAgent(place);
  await askToStart(place.data, "flaky");
  const call = await eventually(() => hook.calls[0]);
  expect(JSON.parse(call.body)).toMatchObject({ event: "failure", execution: { attempt: 2 } });
  expect(await agent.executions()).toHaveLength(2);
  expect(hook.calls).toHaveLength(1);
});

test("kill -9 between the end and the mail, twice: one mail, and what was told is remembered", async () => {
  const place = workplace();
  const down = await mailServer();
  const { port } = down;
  await down.stop();
  place.put(
    "nightly",
    `cron: "* * * * * *"\nnotify: { on: [failure], mail: [ops@example.org] }\n`,
    "echo broken >&2\nexit 1\n",
  );
  const args = ["--smtp-url", `smtp://127.0.0.1:${port}`];
  let agent = await startAgent(place, args);
  await eventually(() => waiting(place.data).some((name) => name.endsWith(".json")));
  await eventually(async () => (await agent.executions("?status=failed")).length >= 2);
  const problems = await eventually(async () =>
    ((items) => items.length > 0 && items)(
      (await agent.json<{ items: { code: string; message: string }[] }>("/api/problems")).items,
    ),
  );
  expect(problems).toMatchObject([
    { code: "not-delivered", message: expect.stringMatching(/^mail: 1 waiting, .*ECONNREFUSED/) as string },
  ]);
  await agent.exit("SIGKILL");
  agent = await startAgent(place, args);
  await eventually(async () => (await agent.executions("?status=failed")).length >= 4);
  await agent.exit("SIGKILL");
  expect(waiting(place.data)).toHaveLength(1);

  const smtp = await mailServer({}, port);
  agent = await startAgent(place, args);
  await eventually(() => smtp.mails.length > 0);
  await eventually(async () => (await agent.executions("?status=failed")).length >= 7);
  expect(subjects(smtp.mails)).toEqual(["[batch-agent] nightly failed"]);
  await eventually(() => waiting(place.data).length === 0);
  expect(await agent.exit("SIGTERM")).toEqual({ code: 0, signal: null });
  expect(subjects(smtp.mails)).toHaveLength(1);
});

test("an end that was not told when the agent died is told by the next one, with messages made anew", async () => {
  const place = workplace();
  const smtp = await mailServer();
  place.put("once", `cron: "@yearly"\nnotify: { mail: [ops@example.org] }\n`, "exit 1\n");
  let agent = await startAgent(place);
  await askToStart(place.data, "once");
  await eventually(async () => (await agent.executions("?status=failed")).length === 1);
  expect((await agent.json<{ items: object[] }>("/api/problems")).items).toMatchObject([
    { code: "no-mail", message: expect.stringContaining("for once") as string },
  ]);
  expect(agent.log().match(/no --smtp-url/g)).toHaveLength(1);
  await agent.exit("SIGTERM");
  // As a death right after the end leaves it: the mark in the record, and one half of its messages in the outbox.
  const path = join(place.data, "batches/once/history.json");
  const document = JSON.parse(readFileSync(path, "utf8")) as {
    told: object;
    executions: (Execution & { notifyDue?: object })[];
  };
  const [row] = document.executions as [Execution & { notifyDue?: object }];
  row.notifyDue = { event: "failure", count: 1, since: null };
  writeFileSync(path, JSON.stringify(document));
  const stray = {
    id: `${row.id}-failure-x`,
    batch: "once",
    execution: row.id,
    event: "failure",
    createdAt: row.finishedAt,
    to: "old@example.org",
    content: { kind: "mail", subject: "s", text: "t", html: "h" },
  };
  writeFileSync(join(place.data, `outbox/${stray.id}.json`), JSON.stringify(stray));
  writeFileSync(join(place.data, "outbox/bad.json"), "{");

  agent = await startAgent(place, ["--smtp-url", `smtp://localhost:${smtp.port}`]);
  await eventually(() => smtp.mails.length > 0);
  await eventually(() => waiting(place.data).length === 1);
  expect(smtp.mails.map(({ to }) => to)).toEqual([["ops@example.org"]]);
  expect(waiting(place.data)[0]).toMatch(/^bad\.json\.corrupt-/);
  expect(agent.log()).toContain("a waiting message cannot be read");
  expect(recordedRows(place.data).map(({ notifyDue }) => notifyDue)).toEqual([undefined]);
});

test("a success that is far too quick is marked, and who asked for what is unusual hears of it once", async () => {
  const place = workplace();
  const hook = await webhookServer();
  const quick = join(place.home, "quick");
  place.put(
    "load",
    `cron: "@yearly"\nconcurrency: allow\nnotify: { on: [unusual], webhook: ["${hook.url}/"] }\n`,
    `if [ -e ${quick} ]; then exit 0; fi\nfor i in $(seq 40); do echo "row $i"; done\nsleep 2\n`,
  );
  const agent = await startAgent(place, ["--max-parallel", "4"]);
  for (let i = 0; i < 11; i++) await askToStart(place.data, "load");
  await eventually(async () => (await agent.executions("?status=succeeded")).length === 11, 60_000);
  expect((await agent.executions()).map(({ unusual }) => unusual)).toEqual(Array(11).fill(null));
  expect(hook.calls).toEqual([]);

  writeFileSync(quick, "");
  const answer = (await askToStart(place.data, "load")) as unknown as { ids: string[] };
  const call = await eventually(() => hook.calls[0]);
  const told = JSON.parse(call.body) as { event: string; text: string; execution: Execution };
  const [shown] = await agent.executions("?limit=1");
  expect(shown).toMatchObject({ id: answer.ids[0], status: "succeeded", unusual: "too-fast", stdoutBytes: 0 });
  expect(told).toEqual({ event: "unusual", text: expect.stringMatching(/^load /) as string, execution: shown });
  expect(await agent.json(`/api/executions/${answer.ids[0]}`)).toMatchObject({ unusual: "too-fast" });
  expect((await agent.batch("load")).lastExecution).toMatchObject({ unusual: "too-fast" });
  await eventually(() => waiting(place.data).length === 0);
  expect(hook.calls).toHaveLength(1);
}, 120_000);

test("the mail of a failure names the files that an edit changed since the last success", async () => {
  const place = workplace();
  const smtp = await mailServer();
  place.put("report", `cron: "@yearly"\nnotify: { mail: [ops@example.org] }\n`, "echo fine\n");
  writeFileSync(join(place.batches, "report/steady.csv"), "1\n");
  const agent = await startAgent(place, ["--smtp-url", `smtp://127.0.0.1:${smtp.port}`]);
  await askToStart(place.data, "report");
  const [fine] = await eventually(async () =>
    ((rows) => rows.length > 0 && rows)(await agent.executions("?status=succeeded")),
  );
  place.put("report", null, "echo fine\nexit 3\n");
  await eventually(async () =>
    ((revision) => revision !== null && revision !== fine?.revision)((await agent.batch("report")).revision),
  );
  await askToStart(place.data, "report");
  const mail = await eventually(() => smtp.mails[0]);
  const { plain, html } = partsOf(mail);
  for (const text of [plain, html]) {
    expect(text).toContain("script.sh");
    expect(text).not.toContain("steady.csv");
    expect(text).not.toContain("batch.yaml");
  }
  expect(subjects(smtp.mails)).toEqual(["[batch-agent] report failed"]);
});

test("thousands of waiting messages hold up neither the start nor what comes after them; each address in its order", async () => {
  const place = workplace();
  const hook = await webhookServer();
  const dead = await webhookServer();
  await dead.stop();
  mkdirSync(join(place.data, "outbox"), { recursive: true });
  const leave = (count: number, to: string) => {
    const execution = `01J${String(count).padStart(23, "0")}`;
    const id = `${execution}-failure-${"a".repeat(16)}`;
    const content = { kind: "webhook", body: JSON.stringify({ count }) };
    const message = { id, batch: "old", execution, event: "failure", createdAt: new Date().toISOString(), to, content };
    writeFileSync(join(place.data, "outbox", `${id}.json`), JSON.stringify(message));
  };
  for (let count = 0; count < 3_000; count++) leave(count, `${dead.url}/`);
  for (const count of [3_000, 3_001]) leave(count, `${hook.url}/`);
  place.put("report", `cron: "@yearly"\nnotify: { webhook: ["${hook.url}/"] }\n`, "exit 1\n");
  const agent = await startAgent(place);
  await askToStart(place.data, "report");
  await eventually(() => hook.calls.length === 3, 60_000);
  const bodies = hook.calls.map(({ body }) => JSON.parse(body) as { count?: number; event?: string });
  expect(bodies.map(({ count, event }) => count ?? event)).toEqual([3_000, 3_001, "failure"]);
  await eventually(() => waiting(place.data).length <= 1_000, 60_000);
  expect(waiting(place.data).length).toBeGreaterThan(900);
  await eventually(() => /more messages are given up/.test(agent.log()), 30_000);
  expect((await agent.exit("SIGTERM")).code).toBe(0);
});
