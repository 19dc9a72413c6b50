// The agent's death, and what a script costs it.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Execution } from "../../agent/model/execution.ts";
import { killUnrecorded, startAgent, usage, workplace } from "../helpers/agent.ts";
import { type } from "../helpers/cli.ts";
import { recordedRows } from "../helpers/ledger.ts";
import { eventually } from "../helpers/tmp.ts";

test("kill -9 of the agent leaves a running script running; the next agent tells its true end", async () => {
  const place = workplace();
  const gate = join(place.home, "gate");
  place.put(
    "long",
    'cron: "* * * * * *"\n',
    `echo begun\nwhile [ ! -e ${gate} ]; do sleep 0.05; done\necho done\nexit 6\n`,
  );
  let agent = await startAgent(place);
  const running = await eventually(async () =>
    (await agent.executions("?status=running")).find((row) => row.pid !== null),
  );
  await agent.exit("SIGKILL");
  expect(existsSync(`/proc/${running.pid}`)).toBe(true);
  expect(recordedRows(place.data).map((row) => row.status)).toContain("running");

  agent = await startAgent(place);
  const adopted = await agent.json<Execution>(`/api/executions/${running.id}`);
  expect(adopted).toMatchObject({ status: "running", pid: running.pid });
  writeFileSync(gate, "");
  const ended = await eventually(async () =>
    ((row) => row.status !== "running" && row)(await agent.json<Execution>(`/api/executions/${running.id}`)),
  );
  expect(ended).toMatchObject({ status: "failed", reason: "exit", exitCode: 6, stdoutBytes: 11 });
  expect(await (await agent.get(`/api/executions/${running.id}/stdout`)).text()).toBe("begun\ndone\n");
});

test("what ended while no agent was there is told with its true end; what was killed with it is lost", async () => {
  const place = workplace();
  const gate = join(place.home, "gate");
  place.put("ends", 'cron: "* * * * * *"\n', `while [ ! -e ${gate} ]; do sleep 0.05; done\nexit 3\n`);
  place.put("dies", 'cron: "* * * * * *"\n', "sleep 300\n");
  let agent = await startAgent(place);
  const rows = await eventually(async () =>
    ((all) => all.length === 2 && all.every((row) => row.pid !== null) && all)(
      await agent.executions("?status=running"),
    ),
  );
  const [ends, dies] = ["ends", "dies"].map((name) => rows.find((row) => row.batch === name) as Execution) as [
    Execution,
    Execution,
  ];
  await agent.exit("SIGKILL");
  killUnrecorded(dies.pid as number);
  writeFileSync(gate, "");
  await eventually(() => !existsSync(`/proc/${ends.pid}`) && !existsSync(`/proc/${dies.pid}`));

  agent = await startAgent(place);
  for (const { id } of [ends, dies])
    await eventually(async () => (await agent.json<Execution>(`/api/executions/${id}`)).status === "failed");
  expect(await agent.json(`/api/executions/${ends.id}`)).toMatchObject({
    status: "failed",
    reason: "exit",
    exitCode: 3,
  });
  expect(await agent.json(`/api/executions/${dies.id}`)).toMatchObject({
    status: "failed",
    reason: "lost",
    exitCode: null,
  });
});

test("due times lost while the agent was down are one row, and the latest is caught up", async () => {
  const place = workplace();
  place.put("beat", 'cron: "* * * * * *"\n', "true\n");
  let agent = await startAgent(place);
  await eventually(async () => (await agent.executions("?status=succeeded")).length >= 2);
  await agent.exit("SIGKILL");
  await new Promise((done) => setTimeout(done, 3_500));
  agent = await startAgent(place);
  const missed = await eventually(async () =>
    (await agent.executions("?status=aborted")).find((row) => row.reason === "missed"),
  );
  expect(missed.missed?.count).toBeGreaterThanOrEqual(3);
  await eventually(async () =>
    (await agent.executions("?status=succeeded")).find((row) => row.trigger.dueAt === missed.missed?.to),
  );
  // Every due time has one row, started or told as missed, and none has two.
  await eventually(async () => (await agent.executions("?status=succeeded")).length >= 6);
  const rows = await agent.executions("?limit=500");
  const own = rows.filter((row) => row.reason !== "missed").map((row) => Date.parse(row.trigger.dueAt));
  expect(new Set(own).size).toBe(own.length);
  const [first, last] = [Math.min(...own), Math.max(...own)];
  for (let at = first; at <= last; at += 1_000) {
    const told = rows.some(
      (row) => row.missed !== undefined && Date.parse(row.missed.from) <= at && at <= Date.parse(row.missed.to),
    );
    expect(own.includes(at) || told, new Date(at).toISOString()).toBe(true);
  }
});

test("SIGTERM: the grace, then the group is ended and recorded; a second agent is refused meanwhile", async () => {
  const place = workplace();
  place.put("stubborn", 'cron: "* * * * * *"\n', "sleep 300 & echo $!; wait\n");
  place.put("quick", 'cron: "* * * * * *"\n', "sleep 0.3\n");
  const agent = await startAgent(place, ["--grace", "1s"]);
  const running = await eventually(async () =>
    (await agent.executions("?batch=stubborn&status=running")).find((row) => row.pid !== null),
  );
  await expect(startAgent(place)).rejects.toThrow(new RegExp(`pid ${agent.child.pid} on host`));
  const log = join(place.data, "batches/stubborn/executions", running.id, "stdout.log");
  const grandchild = await eventually(() => Number(readFileSync(log, "utf8").trim()));
  expect(await agent.exit("SIGTERM")).toEqual({ code: 0, signal: null });
  expect(existsSync(`/proc/${running.pid}`)).toBe(false);
  await eventually(() => !existsSync(`/proc/${grandchild}`));
  expect(readdirSync(join(place.data, "journal"))).toEqual([]);
  const read = (name: string) =>
    (JSON.parse(readFileSync(join(place.data, `batches/${name}/history.json`), "utf8")) as { executions: Execution[] })
      .executions;
  expect(read("stubborn").find((row) => row.id === running.id)).toMatchObject({
    status: "aborted",
    reason: "shutdown",
  });
  expect(read("quick").every((row) => row.status === "succeeded")).toBe(true);
  expect(existsSync(join(place.data, "agent.lock"))).toBe(false);
});

test("a script that prints 1 GiB costs the agent next to no CPU and no memory", { timeout: 120_000 }, async () => {
  const place = workplace();
  const agent = await startAgent(place, ["--resync", "1h"]);
  const pid = agent.child.pid as number;
  place.put(
    "loud",
    'cron: "@yearly"\n',
    `until [ -e "$BATCH_STATE_DIR/go" ]; do sleep 0.1; done; head -c 1073741824 /dev/zero | tr '\\0' x\n`,
  );
  await eventually(async () => (await agent.batch("loud")).state === "scheduled");
  const id = (await type(place.home, ["trigger", "loud"])).stdout.trim();
  const folder = join(place.data, "batches/loud");
  await eventually(() => existsSync(join(folder, "executions", id, "pid")));
  const idle = usage(pid);
  writeFileSync(join(folder, "state/go"), "");
  // Looked for on disk: questions to the agent would cost it more than the script does.
  await eventually(() => readFileSync(join(folder, "executions", id, "exit"), "utf8") === "0\n", 90_000);
  const busy = usage(pid);
  expect(busy.rssBytes - idle.rssBytes).toBeLessThan(40 * 1024 * 1024);
  expect(busy.cpuSeconds - idle.cpuSeconds).toBeLessThan(0.5);
  const done = await eventually(async () => (await agent.executions("?status=succeeded"))[0]);
  expect(done.stdoutBytes).toBe(1_073_741_824);
  const part = await agent.get(`/api/executions/${done.id}/stdout?tail=1`);
  await part.body?.cancel();
  expect(part.status).toBe(200);
});
