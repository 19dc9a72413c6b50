// 10,000 batches in one chain whose names run against its order, as the built program sees them.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startAgent, workplace } from "../helpers/agent.ts";
import { type } from "../helpers/cli.ts";
import { eventually } from "../helpers/tmp.ts";

const count = 10_000;

test("10,000 batches in one chain are valid, planned, followed, drawn and scheduled", async () => {
  const place = workplace();
  for (let i = 0; i < count; i++) {
    const folder = join(place.batches, `z${i}`);
    mkdirSync(folder);
    writeFileSync(join(folder, "script.sh"), "true\n");
    writeFileSync(join(folder, "batch.yaml"), i === count - 1 ? 'cron: "0 0 1 1 *"\n' : `after: z${i + 1}\n`);
  }
  const validated = await type(place.home, ["validate", place.batches]);
  expect(validated).toMatchObject({ code: 0, stdout: expect.stringContaining("10000 batches, no problems") as string });
  mkdirSync(join(place.home, "empty"));
  const planned = await type(place.home, ["plan", place.batches, "--against", join(place.home, "empty")]);
  expect(planned.stdout).toContain(`${count} added, 0 removed, 0 changed`);

  const agent = await startAgent(place, [], { patienceMs: 60_000 });
  await eventually(async () => (await agent.get("/readyz")).status === 200, 60_000);
  const graph = await agent.json<{ nodes: { state: string }[]; edges: unknown[] }>("/api/graph");
  expect([graph.nodes.length, graph.edges.length]).toEqual([count, count - 1]);
  expect((await agent.batch(`z${count - 1}`)).next).toHaveLength(5);
  expect((await agent.batch("z0")).state).toBe("chained");
  expect((await agent.json<{ items: unknown[] }>("/api/problems")).items).toEqual([]);
  for (const page of ["/", "/batches/z5000"]) expect((await agent.get(page)).status).toBe(200);

  // What others add is scheduled beside it.
  place.put("clock", 'cron: "* * * * * *"', "echo tick\n");
  await eventually(async () => (await agent.executions("?batch=clock&status=succeeded")).length > 0, 30_000);
  expect(agent.log()).not.toContain("reconcile failed");
}, 180_000);
