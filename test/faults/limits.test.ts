// Logs without end are cut to their limit, and the execution that wrote them is ended.
import { statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isAlive, startAgent, workplace } from "../helpers/agent.ts";
import { eventually } from "../helpers/tmp.ts";

test("--log-limit: the log stays within it, the group is ended, the reason told; adopted ones too", async () => {
  const place = workplace();
  const limit = 2 * 1024 * 1024;
  place.put(
    "loud",
    'cron: "* * * * * *"\n',
    `trap "" TERM; echo begin; while :; do head -c 100000 /dev/zero | tr '\\0' e >&2; sleep 0.01; done\n`,
  );
  let agent = await startAgent(place, ["--log-limit", "2MiB"]);
  const { id } = await eventually(async () =>
    (await agent.executions("?status=running")).find((row) => row.pid !== null),
  );
  await agent.exit("SIGKILL");
  agent = await startAgent(place, ["--log-limit", "2MiB"]);
  const path = join(place.data, "batches/loud/executions", id, "stderr.log");
  await eventually(() => statSync(path).size > limit);
  const failed = await eventually(
    async () => (await agent.executions("?status=failed")).find((row) => row.id === id),
    25_000,
  );
  expect(failed).toMatchObject({ reason: "log-limit", signal: "SIGKILL", stderrBytes: limit, stdoutBytes: 6 });
  expect(statSync(path).size).toBe(limit);
  expect(isAlive(failed.pid ?? 0)).toBe(false);
  expect(await (await agent.get(`/api/executions/${id}/stdout`)).text()).toBe("begin\n");
}, 45_000);

test("a script that is over before anybody looks is bound as well", async () => {
  const place = workplace();
  place.put("burst", 'cron: "* * * * * *"\nkeep: {executions: 3}\n', "head -c 3000000 /dev/zero\n");
  const agent = await startAgent(place, ["--log-limit", "1000"]);
  const failed = await eventually(async () => (await agent.executions("?status=failed"))[0]);
  expect(failed).toMatchObject({ reason: "log-limit", exitCode: 0, stdoutBytes: 1_000 });
  await eventually(async () =>
    ((rows) => rows.length === 3 && rows[2]?.id !== failed.id)(await agent.executions("?limit=500")),
  );
});
