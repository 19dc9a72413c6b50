// The built agent, watched while it works: progress, events, a followed log, what changed.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Changes } from "../../agent/http/views/changes.ts";
import type { Execution } from "../../agent/model/execution.ts";
import { startAgent, workplace } from "../helpers/agent.ts";
import { isShaped } from "../helpers/contract.ts";
import { readEvents, type ServerEvent } from "../helpers/sse.ts";
import { eventually } from "../helpers/tmp.ts";

test("a script's progress and output are seen while it runs, and SIGTERM ends those who watch", async () => {
  const place = workplace();
  const agent = await startAgent(place);
  const events: ServerEvent[] = [];
  const watching = readEvents(`${agent.url}/api/events`, (event) => void events.push(event));
  place.put(
    "slow",
    "cron: '* * * * * *'\nconcurrency: forbid\n",
    'for i in 1 2 3 4; do echo "line $i"; echo "$((i * 20)) step $i" >"$BATCH_PROGRESS"; sleep 1; done\n',
  );
  const running = await eventually(async () => (await agent.executions("?status=running"))[0]);
  const lines: ServerEvent[] = [];
  await readEvents(`${agent.url}/api/executions/${running.id}/stdout?follow=1`, (event) => void lines.push(event));
  expect(
    lines
      .slice(0, -1)
      .map(({ data }) => `${data}\n`)
      .join(""),
  ).toBe("line 1\nline 2\nline 3\nline 4\n");
  const end = JSON.parse(lines.at(-1)?.data ?? "") as Execution;
  expect(end).toMatchObject({
    id: running.id,
    status: "succeeded",
    progress: { percent: 80, message: "step 4" },
    estimatedEndAt: null,
  });
  expect(readFileSync(join(place.data, "batches/slow/executions", running.id, "stdout.log"), "utf8")).toBe(
    "line 1\nline 2\nline 3\nline 4\n",
  );

  const own = events
    .filter(({ event }) => event === "execution")
    .map(({ data }) => JSON.parse(data) as Execution)
    .filter(({ id }) => id === running.id);
  expect([...new Set(own.map(({ status }) => status))]).toEqual(["queued", "running", "succeeded"]);
  expect(new Set(own.map(({ progress }) => progress?.percent)).size).toBeGreaterThan(2);
  expect(
    events
      .filter(({ event }) => event === "batch")
      .map(({ data }) => (JSON.parse(data) as { name: string; state: string }).state),
  ).toContain("scheduled");
  for (const { event, data } of events)
    expect(isShaped(event === "batch" ? "Batch" : "Execution", JSON.parse(data))).toBe(true);

  // The next one: its end is foreseen from the one before, until it says more of itself.
  const next = await eventually(async () => (await agent.executions("?status=running"))[0]);
  await eventually(async () => (await agent.json<Execution>(`/api/executions/${next.id}`)).estimatedEndAt);
  place.put("slow", "enabled: false\ncron: '* * * * * *'\n", null);
  await eventually(() =>
    events.some(({ event, data }) => event === "batch" && (JSON.parse(data) as { state: string }).state === "disabled"),
  );
  place.put("slow", "enabled: false\ncron: 'nonsense'\n", null);
  await eventually(() =>
    events.some(
      ({ event, data }) => event === "batch" && (JSON.parse(data) as { problems: object[] }).problems.length > 0,
    ),
  );
  place.drop("slow");
  await eventually(() =>
    events.some(({ event, data }) => event === "batch" && (JSON.parse(data) as { state: string }).state === "removed"),
  );
  expect((await agent.exit("SIGTERM")).code).toBe(0);
  await watching; // ends, and does not break off
}, 90_000);

test("a failure tells what changed since the last success, to the line", async () => {
  const place = workplace();
  place.put("report", "cron: '* * * * * *'\nenv: { TOKEN: topsecret }\n", "echo fine\n");
  const agent = await startAgent(place);
  await eventually(async () => (await agent.executions("?status=succeeded"))[0]);
  place.put("report", null, "echo fine\nexit 3\n");
  const failed = await eventually(async () => (await agent.executions("?status=failed"))[0]);
  const changes = await agent.json<Changes>(`/api/executions/${failed.id}/changes`);
  expect(isShaped("Changes", changes)).toBe(true);
  expect(changes.from?.revision).not.toBe(failed.revision);
  expect(changes.files).toEqual([
    {
      path: "script.sh",
      kind: "changed",
      diff: "--- a/script.sh\n+++ b/script.sh\n@@ -1 +1,2 @@\n echo fine\n+exit 3\n",
    },
  ]);
  expect((await agent.json<{ openapi: string }>("/openapi.json")).openapi).toMatch(/^3\.1\./);
});
