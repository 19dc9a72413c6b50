// Files that the agent reads at its start, on a disk that does not give them just then: they count as unknown, not as
// empty.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { Problem } from "../../agent/model/problem.ts";
import { startAgent, workplace } from "../helpers/agent.ts";
import { type } from "../helpers/cli.ts";
import { canMount } from "../helpers/disk.ts";
import { webhookServer } from "../helpers/receivers.ts";
import { eventually } from "../helpers/tmp.ts";

const failing = new Set<string>();

/** To read it is an I/O error from now on: it is the memory of a process, at an address where there is none. */
function fail(path: string): void {
  execFileSync("mount", ["--bind", `/proc/${process.pid}/mem`, path]);
  failing.add(path);
}

function mend(path: string): void {
  execFileSync("umount", ["--lazy", path]);
  failing.delete(path);
}

afterEach(() => failing.forEach(mend));

function put(path: string, text: string): void {
  writeFileSync(`${path}.swp`, text);
  renameSync(`${path}.swp`, path);
}

test.skipIf(!canMount)("what groups passed on and what was told are waited for", async () => {
  const place = workplace();
  const { url, calls } = await webhookServer();
  const told = () => calls.map(({ body }) => (JSON.parse(body) as { problem: Problem }).problem.batch);
  mkdirSync(join(place.batches, "billing"));
  const group = join(place.batches, "billing/_group.yaml");
  const valid = `defaults: { timeout: 1h, notify: { webhook: ["${url}/"] } }\n`;
  put(group, valid);
  place.put("billing/load", 'cron: "@yearly"\n', "true\n");
  let agent = await startAgent(place);
  await eventually(async () => (await agent.batch("load")).definition?.["timeout"] === "1h");
  put(group, `${valid}nonsense: 1\n`);
  await eventually(() => told().length === 1);
  await agent.exit("SIGTERM");

  const files = ["groups.json", "problems-told.json"].map((name) => join(place.data, name));
  files.forEach(fail);
  agent = await startAgent(place);
  const reasons = async () => (await agent.json<{ reasons: string[] }>("/readyz")).reasons.join();
  await eventually(async () => /groups\.json.*EIO/.test(await reasons()), 30_000);
  await eventually(() => agent.log().includes("which problems were told"), 30_000);
  expect((await agent.get("/healthz")).status).toBe(200);
  files.forEach(mend);
  await eventually(async () => (await agent.get("/readyz")).status === 200);
  // The group's file is still broken: what it passed on when it was last valid is in force.
  expect(await agent.batch("load")).toMatchObject({ state: "scheduled", definition: { timeout: "1h" } });
  place.put("billing/load", "cron: nonsense\n", null);
  await eventually(() => told().includes("load"));
  expect(told()).toEqual(["billing/_group.yaml", "load"]);
  expect((await agent.exit("SIGTERM")).code).toBe(0);
});

test.skipIf(!canMount)("how a script ended is waited for, and not lost", async () => {
  const place = workplace();
  place.put("slow", 'cron: "@yearly"\n', `until [ -e ${place.home}/go ]; do sleep 0.1; done; exit 7\n`);
  let agent = await startAgent(place);
  await type(place.home, ["trigger", "slow", "--data", place.data]);
  const { id } = await eventually(async () =>
    (await agent.executions("?status=running")).find((row) => row.pid !== null),
  );
  await agent.exit("SIGKILL");
  writeFileSync(join(place.home, "go"), "");
  const exit = join(place.data, "batches/slow/executions", id, "exit");
  await eventually(() => readFileSync(exit, "utf8").endsWith("7\n"));
  fail(exit);
  agent = await startAgent(place);
  // The agent is there all the same, and does not know yet.
  expect(await agent.executions()).toMatchObject([{ id, status: "running" }]);
  mend(exit);
  const ended = await eventually(async () => (await agent.executions("?status=failed"))[0], 60_000);
  expect(ended).toMatchObject({ id, reason: "exit", exitCode: 7 });
});
