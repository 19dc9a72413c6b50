// What a new user meets first, with the built program: addresses, counts, words, and an update under a running agent.
import { cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startAgent, workplace } from "../helpers/agent.ts";
import { plainEntries, tar, zip } from "../helpers/archives.ts";
import { type } from "../helpers/cli.ts";
import { repository } from "../helpers/git.ts";
import { eventually } from "../helpers/tmp.ts";

const repo = join(import.meta.dirname, "../..");
const yearly = 'cron: "0 0 1 1 *"\n';

test("the program's folder may be updated, or taken away, under a running agent", async () => {
  const place = workplace();
  place.put("a", yearly, "echo hello\n");
  const program = join(place.home, "program");
  mkdirSync(program);
  for (const part of ["dist", "schemas", "package.json"])
    cpSync(join(repo, part), join(program, part), { recursive: true });
  symlinkSync(join(repo, "node_modules"), join(program, "node_modules"));
  const agent = await startAgent(place, [], { program: join(program, "dist/main.js") });
  rmSync(program, { recursive: true });

  for (const path of [
    "/",
    "/batches/a",
    "/style.css",
    "/assets/icon.svg",
    "/assets/http/dashboard/client/main.js",
    "/openapi.json",
    "/metrics",
  ])
    expect([path, (await agent.get(path)).status]).toEqual([path, 200]);
  const { stdout } = await type(place.home, ["trigger", "a", "--data", place.data]);
  const id = stdout.trim();
  await eventually(async () => (await agent.executions("?status=succeeded")).length === 1);
  expect((await agent.get(`/executions/${id}`)).status).toBe(200);
  const download = await agent.get(`/api/executions/${id}/logs`);
  expect(download.status).toBe(200);
  expect((await download.arrayBuffer()).byteLength).toBeGreaterThan(100);
  writeFileSync(join(place.batches, "packed.zip"), zip(plainEntries));
  writeFileSync(join(place.batches, "other.tar"), tar(plainEntries));
  for (const name of ["packed", "other"])
    await eventually(async () => (await agent.batch(name)).revision !== undefined);
  expect((await agent.json<{ items: unknown[] }>("/api/problems")).items).toEqual([]);
}, 60_000);

test("the first start with --git-url logs no error", async () => {
  const place = workplace();
  const work = repository(join(place.home, "work"));
  work.commit({ "a/batch.yaml": yearly, "a/script.sh": "true\n" });
  const agent = await startAgent(place, ["--git-url", `file://${join(place.home, "work")}`], { folder: false });
  await eventually(async () => (await agent.batch("a")).state === "scheduled");
  const levels = agent
    .log()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { level: string; msg: string });
  expect(levels.filter(({ level }) => level === "error")).toEqual([]);
}, 60_000);

test("an agent on all addresses announces one that can be opened", async () => {
  for (const host of ["0.0.0.0", "::"]) {
    const agent = await startAgent(workplace(), ["--host", host]);
    expect(agent.url).toMatch(/^http:\/\/(127\.0\.0\.1|\[::1\]):\d+$/);
    expect((await agent.get("/healthz")).status).toBe(200);
  }
});

test("the header counts what is there, and the log at start every problem", async () => {
  const place = workplace();
  place.put("a", yearly, "true\n");
  place.put("gone", yearly, "true\n");
  place.put("broken", "cron: 1\nnonsense: 2\n", "true\n");
  const agent = await startAgent(place);
  const problems = (await agent.json<{ items: unknown[] }>("/api/problems")).items.length;
  expect(problems).toBeGreaterThan(1);
  expect(agent.log()).toContain(`"problems":${problems},"msg":"folder read"`);
  await type(place.home, ["trigger", "gone", "--data", place.data]); // so that its history stays
  await eventually(async () => (await agent.executions("?status=succeeded")).length === 1);
  place.drop("gone");
  await eventually(async () => (await agent.batch("gone")).state === "removed");
  const { details } = await agent.json<{ details: { batches: number } }>("/readyz");
  expect(details.batches).toBe(2);
  const { stdout } = await type(place.home, ["status", "--url", agent.url]);
  expect(stdout).toContain("2 batches, ");
});

test("trigger of a batch that follows another says what is missing", async () => {
  const place = workplace();
  place.put("a", yearly, "true\n");
  place.put("b", "after: a\ninput: previous\n", "cat\n");
  await startAgent(place);
  await eventually(async () => (await type(place.home, ["trigger", "a", "--data", place.data])).stderr === "");
  const { code, stdout, stderr } = await type(place.home, ["trigger", "b", "--data", place.data]);
  expect([code, stdout.trim().length]).toEqual([0, 26]);
  expect(stderr).toBe("note: b runs after a: started by itself, its stdin is empty and no BATCH_PREVIOUS_* is set\n");
});

test("a problem of the agent's own is not told of an empty file name", async () => {
  const place = workplace();
  place.put("a", `${yearly}notify: { mail: [ops@example.org] }\n`, "true\n");
  const agent = await startAgent(place);
  const { stdout } = await type(place.home, ["status", "--url", agent.url]);
  expect(stdout).toMatch(/^agent: no-mail: /m);
  expect(stdout).not.toMatch(/^: /m);
});
