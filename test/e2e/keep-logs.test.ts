// --keep-logs with the built program: the oldest logs go, the records stay, and nothing that is still needed goes.
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { ExecutionView } from "../../agent/views.ts";
import { startAgent, workplace } from "../helpers/agent.ts";
import { type } from "../helpers/cli.ts";
import { eventually } from "../helpers/tmp.ts";

test("above --keep-logs the oldest ended executions' logs go, running ones count, records stay", async () => {
  const place = workplace();
  const gate = join(place.home, "gate");
  const write = "head -c 100000 /dev/zero | tr '\\0' x";
  place.put("load", 'cron: "@yearly"\n', `${write}\n`);
  place.put("sums", "after: load\ninput: previous\n", `cat >/dev/null; ${write}\n`);
  place.put("long", 'cron: "@yearly"\n', `${write} >&2; while [ ! -e ${gate} ]; do sleep 0.1; done\n`);
  const args = ["--keep-logs", "350000"];
  let agent = await startAgent(place, args);
  const all = async () => (await agent.json<{ items: ExecutionView[] }>("/api/executions")).items.reverse();
  const deleted = async () =>
    (await all()).map(({ batch, logsDeleted }) => (logsDeleted === true ? String(batch) : "-"));
  expect((await type(place.home, ["trigger", "load", "--follow"])).code).toBe(0);
  await eventually(async () => (await agent.executions("?status=succeeded")).length === 2);
  await type(place.home, ["trigger", "long"]);
  await eventually(async () => (await agent.executions("?status=running"))[0]?.stderrBytes === 100_000);
  await new Promise((done) => setTimeout(done, 21_000));
  expect(await deleted()).toEqual(["-", "-", "-"]); // 300,000
  await type(place.home, ["trigger", "load", "--follow"]);
  await eventually(async () => (await deleted()).includes("sums"), 60_000);
  expect(await deleted()).toEqual(["load", "sums", "-", "-", "-"]);
  const [load, sums, , again] = await all();
  expect(load).toMatchObject({ status: "succeeded", stdoutBytes: 100_000, logsDeleted: true });
  expect(again && Object.keys(again)).not.toContain("logsDeleted");
  for (const path of ["stdout", "stderr", "log", "search?q=x", "logs", "stdout?follow=1", "stdout?tail=5"]) {
    const answer = await agent.get(`/api/executions/${load?.id}/${path}`);
    expect([path, answer.status]).toEqual([path, 410]);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
  }
  expect((await agent.get(`/api/executions/${again?.id}/stdout`)).status).toBe(200);
  expect(await (await agent.get(`/executions/${load?.id}`)).text()).toContain("no longer kept");
  expect(existsSync(join(place.data, "batches/load/executions", load?.id ?? ""))).toBe(false);
  const { code, stderr } = await type(place.home, ["logs", load?.id ?? "", "--url", agent.url]);
  expect([code === 0, stderr]).toEqual([false, expect.stringContaining("no longer kept")]);
  const refused = await type(place.home, ["rerun", sums?.id ?? ""]);
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("logs")]);

  await agent.exit("SIGKILL");
  agent = await startAgent(place, args);
  expect(await deleted()).toEqual(["load", "sums", "-", "-", "-"]);
  // Without its input it can be done again; its own old logs are not needed.
  expect((await type(place.home, ["rerun", load?.id ?? ""])).code).toBe(0);
  writeFileSync(gate, "");
  await eventually(async () => (await agent.executions("?status=queued,running")).length === 0, 20_000);
}, 120_000);
