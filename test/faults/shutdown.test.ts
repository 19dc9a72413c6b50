// The end of the agent: with a thousand waiting, with scripts that shrug off signals, at once by a second signal.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { isAlive, startAgent, workplace } from "../helpers/agent.ts";
import { recordedRows } from "../helpers/ledger.ts";
import { eventually } from "../helpers/tmp.ts";

test("hundreds that wait are neither started nor lost, and one that ignores SIGTERM is killed", async () => {
  const place = workplace();
  const evidence = join(place.home, "evidence");
  place.put("deaf", 'cron: "* * * * * *"\n', `trap "" TERM; while :; do sleep 0.2; done\n`);
  let agent = await startAgent(place, ["--max-parallel", "1", "--grace", "1s"]);
  const deaf = await eventually(async () =>
    (await agent.executions("?batch=deaf&status=running")).find((row) => row.pid !== null),
  );
  const at = new Date(Date.now() + 6_000).toISOString();
  for (let i = 0; i < 300; i++)
    place.put(`b-${i}`, `cron: "${at}"\n`, `mkdir -p ${evidence}; : >${evidence}/$BATCH_NAME.$BATCH_EXECUTION_ID\n`);
  await eventually(
    async () => (await agent.json<{ details: { queued: number } }>("/readyz")).details.queued >= 300,
    60_000,
  );
  const began = performance.now();
  expect(await agent.exit("SIGTERM")).toEqual({ code: 0, signal: null });
  expect(performance.now() - began).toBeLessThan(12_000);
  expect(isAlive(deaf.pid ?? 0)).toBe(false);
  const rows = recordedRows(place.data);
  expect(rows.find((row) => row.id === deaf.id)).toMatchObject({ status: "aborted", reason: "shutdown", signal: null });
  expect(rows.filter((row) => row.status === "queued")).toHaveLength(300);
  expect(existsSync(evidence)).toBe(false);

  place.drop("deaf");
  agent = await startAgent(place, ["--max-parallel", "8"]);
  await eventually(async () => (await agent.executions("?status=queued,running")).length === 0, 90_000);
  const ran = readdirSync(evidence);
  expect(ran).toHaveLength(300);
  expect(new Set(ran.map((name) => name.split(".")[0])).size).toBe(300);
}, 200_000);

test("a second signal leaves at once, and what ran is taken over by the next agent", async () => {
  const place = workplace();
  place.put("long", 'cron: "* * * * * *"\n', "sleep 300\n");
  let agent = await startAgent(place, ["--grace", "1h"]);
  const { id, pid } = await eventually(async () =>
    (await agent.executions("?status=running")).find((row) => row.pid !== null),
  );
  agent.child.kill("SIGTERM");
  await eventually(
    async () =>
      (await agent.get("/healthz").then(
        (response) => response.ok,
        () => false,
      )) || agent.child.exitCode === null,
  );
  expect(await agent.exit("SIGTERM")).toEqual({ code: 143, signal: null });
  expect(isAlive(pid ?? 0)).toBe(true);
  agent = await startAgent(place, ["--grace", "0s"]);
  expect(await agent.json(`/api/executions/${id}`)).toMatchObject({ status: "running", pid });
  await agent.exit("SIGINT");
  expect(isAlive(pid ?? 0)).toBe(false);
});

test("what the agent was ending when it died has not succeeded, and what follows it does not run", async () => {
  const place = workplace();
  place.put(
    "load",
    'cron: "* * * * * *"\n',
    'trap "sleep 2; echo half; exit 0" TERM; touch "$BATCH_STATE_DIR/ready"; while :; do sleep 0.1; done\n',
  );
  place.put("report", "after: load\n", "cat\n");
  let agent = await startAgent(place, ["--grace", "0s"]);
  const { id } = await eventually(
    async () =>
      existsSync(join(place.data, "batches/load/state/ready")) &&
      (await agent.executions("?batch=load&status=running"))[0],
  );
  agent.child.kill("SIGINT");
  await eventually(() => existsSync(join(place.data, "batches/load/executions", id, "stop-reason")));
  await agent.exit("SIGKILL");
  place.drop("load");
  place.put("load", 'cron: "@yearly"\n', "true\n");
  agent = await startAgent(place);
  const ended = await eventually(async () =>
    (await agent.executions("?batch=load")).find((row) => row.id === id && row.status !== "running"),
  );
  expect(ended).toMatchObject({ status: "aborted", reason: "shutdown" });
  expect(await eventually(async () => (await agent.executions("?batch=report"))[0])).toMatchObject({
    status: "aborted",
    reason: "previous-aborted",
  });
});

test("from the signal on nothing is started, whatever the agent is waiting for", async () => {
  const place = workplace();
  place.put("tick", 'cron: "* * * * * *"\n', "true\n");
  execFileSync("git", ["init", "-q", place.batches]);
  const agent = await startAgent(place, ["--resync", "1s"]);
  await eventually(async () => (await agent.executions("?status=succeeded")).length > 0);
  writeFileSync(join(place.batches, ".git/index.lock"), ""); // git is at work: the look over everything waits for it
  await sleep(1_500);
  const at = Date.now();
  expect(await agent.exit("SIGTERM")).toEqual({ code: 0, signal: null });
  expect(Date.now() - at).toBeLessThan(5_000);
  expect(
    recordedRows(place.data).filter(({ startedAt }) => startedAt != null && Date.parse(startedAt) > at + 300),
  ).toEqual([]);
});

test("a signal that comes while the agent starts keeps what waits from starting", async () => {
  const place = workplace();
  for (let i = 0; i < 300; i++) place.put(`b-${i}`, "cron: '@yearly'\n", "true\n");
  place.put("waits", "cron: '@yearly'\nconcurrency: queue\n", "echo started; sleep 600\n");
  const main = join(import.meta.dirname, "../../dist/main.js");
  const agent = await startAgent(place);
  for (const count of [1, 2]) {
    execFileSync(process.execPath, [main, "trigger", "waits", "--data", place.data]);
    await eventually(async () => (await agent.executions("?batch=waits")).length === count);
  }
  const running = await eventually(async () => (await agent.executions("?batch=waits&status=running"))[0]);
  await agent.exit("SIGKILL");
  process.kill(-(running.pid as number), "SIGKILL");
  const child = spawn(process.execPath, [main, "run", place.batches, "--data", place.data, "--port", "0"], {
    cwd: place.home,
    stdio: "ignore",
  });
  const ended = once(child, "exit");
  await eventually(
    () =>
      existsSync(join(place.data, "agent.lock")) &&
      readFileSync(join(place.data, "agent.lock"), "utf8").includes(String(child.pid)),
  );
  child.kill("SIGTERM");
  expect(await ended).toEqual([0, null]);
  const rows = recordedRows(place.data).filter(({ batch }) => batch === "waits");
  expect(rows.map(({ status }) => status).sort()).toEqual(["failed", "queued"]);
});

test("a signal that comes while the agent starts ends it in order, its lock given back", async () => {
  const place = workplace();
  for (let i = 0; i < 300; i++) place.put(`b-${i}`, "cron: '@yearly'\n", "true\n");
  const main = join(import.meta.dirname, "../../dist/main.js");
  const child = spawn(process.execPath, [main, "run", place.batches, "--data", place.data, "--port", "0"], {
    cwd: place.home,
    stdio: "ignore",
  });
  const ended = once(child, "exit");
  await eventually(() => existsSync(join(place.data, "agent.lock")));
  child.kill("SIGTERM");
  expect(await ended).toEqual([0, null]);
  expect(existsSync(join(place.data, "agent.lock"))).toBe(false);
});
