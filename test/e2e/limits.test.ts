// Timeout, retry and concurrency with the built program and real processes.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isAlive, startAgent, workplace } from "../helpers/agent.ts";
import { eventually } from "../helpers/tmp.ts";

const soon = (ms = 4_000) => `cron: "${new Date(Date.now() + ms).toISOString()}"\n`;

test("past its timeout a script and its grandchildren are gone, those that shrug off SIGTERM too", async () => {
  const place = workplace();
  const agent = await startAgent(place);
  // One child ignores SIGTERM and outlives the script; it stays in the group.
  place.put("slow", `${soon()}timeout: 1s\n`, `(trap "" TERM; exec sleep 300) & echo $!; sleep 300 & echo $!; wait`);
  place.put("deaf", `${soon()}timeout: 1s\n`, `trap "" TERM\nwhile :; do sleep 0.2; done`);
  const [slow, deaf] = await eventually(async () => {
    const failed = await agent.executions("?status=failed");
    const of = (name: string) => failed.find((row) => row.batch === name);
    return of("slow") && of("deaf") ? [of("slow"), of("deaf")] : null;
  }, 25_000);
  expect(slow).toMatchObject({ reason: "timeout" });
  expect(deaf).toMatchObject({ reason: "timeout", signal: "SIGKILL" });
  expect(deaf?.durationMs).toBeGreaterThan(10_500);
  const log = readFileSync(join(place.data, "batches/slow/executions", slow?.id ?? "", "stdout.log"), "utf8");
  const pids = log.trim().split("\n");
  expect(pids).toHaveLength(2);
  for (const pid of [...pids, String(deaf?.pid)]) expect(isAlive(pid), pid).toBe(false);
}, 40_000);

test("a pending retry survives kill -9 of the agent, and a batch that mends itself succeeds", async () => {
  const place = workplace();
  let agent = await startAgent(place);
  place.put(
    "flaky",
    `${soon()}retry: {limit: 3, delay: 2s, factor: 1}\n`,
    `n=$(($(cat $BATCH_STATE_DIR/n 2>/dev/null || echo 0) + 1)); echo $n >$BATCH_STATE_DIR/n; echo "attempt $BATCH_ATTEMPT"; [ $n -ge 3 ]`,
  );
  await eventually(async () => (await agent.executions("?status=queued"))[0]?.attempt === 2);
  await agent.exit("SIGKILL");
  agent = await startAgent(place);
  await eventually(async () => (await agent.executions("?status=succeeded"))[0]);
  const rows = (await agent.executions()).reverse();
  expect(rows.map(({ attempt, status, trigger }) => [attempt, status, trigger.kind])).toEqual([
    [1, "failed", "cron"],
    [2, "failed", "retry"],
    [3, "succeeded", "retry"],
  ]);
  expect(new Set(rows.map((row) => row.run)).size).toBe(1);
  expect(rows[2]?.trigger.by).toBe(rows[1]?.id);
  expect(await (await agent.get(`/api/executions/${rows[2]?.id}/stdout`)).text()).toBe("attempt 3\n");
}, 40_000);

test("replace ends the earlier execution and runs the newer", async () => {
  const place = workplace();
  const agent = await startAgent(place);
  place.put("newest", 'cron: "*/2 * * * * *"\nconcurrency: replace\n', "sleep 300");
  const replaced = await eventually(async () =>
    (await agent.executions("?status=aborted")).find((row) => row.reason === "replaced"),
  );
  expect(replaced.startedAt).not.toBeNull();
  await eventually(async () => (await agent.executions("?status=running"))[0]);
  expect(isAlive(replaced.pid ?? 0)).toBe(false);
});
