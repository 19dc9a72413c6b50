// What a restarted agent does with the executions that its predecessor left running.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Execution } from "../../agent/model/execution.ts";
import { isAlive, killUnrecorded, startAgent, workplace, type RunningAgent } from "../helpers/agent.ts";
import { editRecord } from "../helpers/history.ts";
import { recordedRows } from "../helpers/ledger.ts";
import { eventually } from "../helpers/tmp.ts";

const everySecond = 'cron: "* * * * * *"\n';

async function running(agent: RunningAgent, batch: string): Promise<Execution> {
  return eventually(async () =>
    (await agent.executions(`?batch=${batch}&status=running`)).find((row) => row.pid !== null),
  );
}
const one = (agent: RunningAgent, id: string) => agent.json<Execution>(`/api/executions/${id}`);

test("timeout and replace work on what was taken over, and its signal is told", async () => {
  const place = workplace();
  place.put("slow", `${everySecond}timeout: 4s\n`, "sleep 300\n");
  place.put("newest", 'cron: "*/5 * * * * *"\nconcurrency: replace\n', "sleep 300\n");
  let agent = await startAgent(place);
  const newest = await running(agent, "newest");
  // Young enough that it is not its own agent that ends it.
  const slow = await eventually(async () =>
    (await agent.executions("?batch=slow&status=running")).find(
      ({ pid, startedAt }) => pid !== null && Date.now() - Date.parse(startedAt ?? "") < 1_500,
    ),
  );
  await agent.exit("SIGKILL");
  agent = await startAgent(place);
  await eventually(async () => (await one(agent, slow.id)).status === "failed");
  expect(await one(agent, slow.id)).toMatchObject({ reason: "timeout", signal: "SIGTERM", pid: slow.pid });
  expect((await one(agent, slow.id)).durationMs).toBeLessThan(8_000);
  await eventually(async () => (await one(agent, newest.id)).status === "aborted");
  expect(await one(agent, newest.id)).toMatchObject({ reason: "replaced" });
  for (const { pid } of [slow, newest]) expect(isAlive(pid ?? 0)).toBe(false);
});

test("what was taken over keeps the timeout that it was started with, whatever its batch is by now", async () => {
  const place = workplace();
  place.put("gone", `${everySecond}timeout: 5s\n`, "sleep 300\n");
  place.put("shorter", `${everySecond}timeout: 1h\n`, "sleep 300\n");
  let agent = await startAgent(place);
  const [gone, shorter] = [await running(agent, "gone"), await running(agent, "shorter")];
  await agent.exit("SIGKILL");
  place.drop("gone");
  place.put("shorter", 'cron: "@yearly"\ntimeout: 1s\n', null);
  agent = await startAgent(place);
  await eventually(async () => (await one(agent, gone.id)).status === "failed");
  expect(await one(agent, gone.id)).toMatchObject({ reason: "timeout" });
  expect(await one(agent, shorter.id)).toMatchObject({ status: "running" });
});

test("shutdown ends what was taken over, as it ends its own", async () => {
  const place = workplace();
  place.put("long", everySecond, "sleep 300\n");
  let agent = await startAgent(place);
  const { id, pid } = await running(agent, "long");
  await agent.exit("SIGKILL");
  agent = await startAgent(place, ["--grace", "0s"]);
  expect(await agent.exit("SIGTERM")).toEqual({ code: 0, signal: null });
  expect(isAlive(pid ?? 0)).toBe(false);
  expect(recordedRows(place.data).find((row) => row.id === id)).toMatchObject({
    status: "aborted",
    reason: "shutdown",
  });
});

test("a pid that is another process by now is neither taken over nor signalled; the run goes on", async () => {
  const place = workplace();
  place.put("gone", `${everySecond}timeout: 2s\nonFailure: alarm\n`, "sleep 300\n");
  place.put("then", "after: gone\nindependent: true\n", "true\n");
  place.put("alarm", "tags: [answer]\n", "true\n");
  let agent = await startAgent(place);
  const { id, pid, run } = await running(agent, "gone");
  await agent.exit("SIGKILL");
  killUnrecorded(pid ?? 0);
  const stranger = spawn("sleep", ["300"], { detached: true });
  // As if the number had been given to another process meanwhile, whatever had been written where.
  await editRecord(place.data, (row) => (row.id === id ? { ...row, pid: stranger.pid ?? null } : row));
  writeFileSync(join(place.data, "batches/gone/executions", id, "pid"), `${stranger.pid}\n`);
  place.drop("gone");
  place.put("gone", `cron: "0 0 1 1 *"\nonFailure: alarm\n`, "sleep 300\n");

  agent = await startAgent(place);
  await eventually(async () => (await one(agent, id)).status === "failed");
  expect(await one(agent, id)).toMatchObject({ reason: "lost", exitCode: null, signal: null });
  const chain = await eventually(async () => {
    const { state, items } = await agent.json<{ state: string; items: Execution[] }>(`/api/runs/${run}`);
    return state !== "running" && items.length === 3 && items;
  });
  expect(chain.map(({ batch, status }) => [batch, status]).sort()).toEqual([
    ["alarm", "succeeded"],
    ["gone", "failed"],
    ["then", "succeeded"],
  ]);
  expect(await agent.exit("SIGTERM")).toEqual({ code: 0, signal: null });
  expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
  expect(isAlive(stranger.pid ?? 0)).toBe(true);
  stranger.kill("SIGKILL");
});

test("after a reboot nothing is taken over, and the retry of what was lost goes on", async () => {
  const place = workplace();
  place.put("report", `${everySecond}retry: {limit: 1, delay: 1s}\n`, "[ $BATCH_ATTEMPT = 2 ] || sleep 300\n");
  let agent = await startAgent(place);
  const { id, pid } = await running(agent, "report");
  await agent.exit("SIGKILL");
  await editRecord(place.data, (row) => ({ ...row, boot: "another" }));
  agent = await startAgent(place);
  await eventually(async () => (await one(agent, id)).reason === "lost");
  const retry = await eventually(async () =>
    (await agent.executions("?status=succeeded")).find((row) => row.trigger.by === id),
  );
  expect(retry).toMatchObject({ attempt: 2, trigger: { kind: "retry" } });
  expect(isAlive(pid ?? 0)).toBe(true); // not known to be ours: not signalled
  process.kill(-(pid ?? 0), "SIGKILL");
});
