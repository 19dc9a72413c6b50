// A data folder on a disk that is full, read-only or damaged: the agent stays up, says so, starts nothing that it
// cannot record, and recovers by itself.
import { existsSync, mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Problem } from "../../agent/model/problem.ts";
import { startAgent, workplace, type RunningAgent } from "../helpers/agent.ts";
import { canMount, smallDisk } from "../helpers/disk.ts";
import { doubled, ownDueTimes, recordedRows, uncovered } from "../helpers/ledger.ts";
import { eventually } from "../helpers/tmp.ts";

const everySecond = 'cron: "* * * * * *"\nkeep: {executions: 1000}\n';
const problems = async (agent: RunningAgent) => (await agent.json<{ items: Problem[] }>("/api/problems")).items;
const succeeded = async (agent: RunningAgent, least: number) =>
  (await agent.executions("?status=succeeded&limit=500")).length >= least;

describe.skipIf(!canMount)("a small disk", () => {
  test.each(["full", "read-only"])(
    "%s while recording: nothing starts without its record, and none is lost or doubled",
    async (how) => {
      const place = { ...workplace(), data: "" };
      const disk = smallDisk();
      place.data = join(disk.path, "data");
      const evidence = join(place.home, "evidence");
      mkdirSync(evidence);
      place.put("beat", everySecond, `: >${evidence}/$BATCH_EXECUTION_ID\n`);
      const agent = await startAgent(place);
      await eventually(() => succeeded(agent, 2));
      if (how === "full") disk.fill();
      else disk.remount("ro");

      const told = await eventually(async () =>
        ((response) => response.status === 503 && response)(await agent.get("/readyz")),
      );
      expect(((await told.json()) as { reasons: string[] }).reasons[0]).toMatch(how === "full" ? /ENOSPC/ : /EROFS/);
      // At the edge of full a line may still find room between two questions.
      const [problem] = await eventually(async () => ((all) => all.length > 0 && all)(await problems(agent)));
      expect(problem).toMatchObject({
        code: "data-folder",
        batch: "",
        hint: expect.stringContaining("room") as string,
      });
      const began = readdirSync(evidence).length;
      await new Promise((done) => setTimeout(done, 3_000)); // three due times come and cannot be recorded
      expect(readdirSync(evidence).length).toBeLessThanOrEqual(began + 1);
      expect(agent.log()).toMatch(/cannot write .*journal/);

      if (how === "full") disk.empty();
      else disk.remount("rw");
      const before = (await agent.executions("?status=succeeded&limit=500")).length;
      await eventually(() => succeeded(agent, before + 3));
      await eventually(async () => (await agent.get("/readyz")).status === 200);
      await eventually(async () => (await problems(agent)).length === 0);
      expect(await agent.exit("SIGTERM")).toEqual({ code: 0, signal: null });
      const rows = recordedRows(place.data);
      const own = ownDueTimes(rows, "beat");
      expect(doubled(rows, "beat")).toEqual([]);
      expect(uncovered(rows, "beat", own[0] ?? 0, own.at(-1) ?? 0)).toEqual([]);
      const ids = new Set<string>(rows.map((row) => row.id));
      expect(readdirSync(evidence).filter((id) => !ids.has(id))).toEqual([]);
    },
  );

  test("the agent is killed while its disk is full: what was not recorded did not start", async () => {
    const place = { ...workplace(), data: "" };
    const disk = smallDisk();
    place.data = join(disk.path, "data");
    const evidence = join(place.home, "evidence");
    mkdirSync(evidence);
    place.put("beat", everySecond, `: >${evidence}/$BATCH_EXECUTION_ID\n`);
    let agent = await startAgent(place);
    await eventually(() => succeeded(agent, 2));
    disk.fill();
    await eventually(async () => (await agent.get("/readyz")).status === 503);
    await agent.exit("SIGKILL");
    disk.empty();
    agent = await startAgent(place);
    const before = (await agent.executions("?status=succeeded&limit=500")).length;
    await eventually(() => succeeded(agent, before + 2));
    await agent.exit("SIGTERM");
    const rows = recordedRows(place.data);
    const own = ownDueTimes(rows, "beat");
    expect(doubled(rows, "beat")).toEqual([]);
    expect(uncovered(rows, "beat", own[0] ?? 0, own.at(-1) ?? 0)).toEqual([]);
    const ids = new Set<string>(rows.map((row) => row.id));
    expect(readdirSync(evidence).filter((id) => !ids.has(id))).toEqual([]);
  });

  test("full while a script writes its log: the script is told, its end is recorded, the agent lives", async () => {
    const place = { ...workplace(), data: "" };
    const disk = smallDisk();
    place.data = join(disk.path, "data");
    place.put(
      "loud",
      `cron: "${new Date(Date.now() + 5_000).toISOString()}"\n`,
      "head -c 50000000 /dev/zero; code=$?; rm -f filler; exit $code\n",
    );
    const agent = await startAgent(place);
    const failed = await eventually(async () => (await agent.executions("?status=failed"))[0], 20_000);
    expect(failed).toMatchObject({ reason: "exit", exitCode: 1 });
    expect(failed.stdoutBytes).toBeGreaterThan(1_000_000);
    const stderr = await (await agent.get(`/api/executions/${failed.id}/stderr`)).text();
    expect(stderr === "" || /No space left/.test(stderr)).toBe(true); // even that word may not fit
    expect((await agent.get("/healthz")).status).toBe(200);
  });

  test("full while a revision is made: the last one stays in force until there is room", async () => {
    const place = { ...workplace(), data: "" };
    const disk = smallDisk();
    place.data = join(disk.path, "data");
    place.put("beat", everySecond, "echo one\n");
    const agent = await startAgent(place);
    await eventually(() => succeeded(agent, 1));
    writeFileSync(join(place.batches, "beat/big.bin"), Buffer.alloc(12 * 1024 * 1024)); // larger than the disk
    place.put("beat", null, "echo two\n");
    const [problem] = await eventually(async () =>
      ((items) => items.some(({ code }) => code === "not-stored") && items)(await problems(agent)),
    );
    expect(problem).toMatchObject({ message: expect.stringContaining("ENOSPC") as string });
    const count = (await agent.executions("?status=succeeded&limit=500")).length;
    await eventually(() => succeeded(agent, count + 2));
    const latest = (await agent.executions("?status=succeeded"))[0];
    expect(await (await agent.get(`/api/executions/${latest?.id}/stdout`)).text()).toBe("one\n");
    truncateSync(join(place.batches, "beat/big.bin"), 1);
    await eventually(async () => {
      const [newest] = await agent.executions("?status=succeeded");
      return (await (await agent.get(`/api/executions/${newest?.id}/stdout`)).text()) === "two\n";
    });
    await eventually(async () => (await problems(agent)).length === 0);
    expect(readdirSync(join(place.data, "revisions")).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("read-only at start: it ends with code 1 and says what to do", async () => {
    const place = { ...workplace(), data: "" };
    const disk = smallDisk();
    place.data = join(disk.path, "data");
    disk.remount("ro");
    await expect(startAgent(place)).rejects.toThrow(/EROFS[^]*must be writable; choose another with --data/);
  });
});

test("a history that is torn is set aside and shown; the batch and all others go on", async () => {
  const place = workplace();
  place.put("beat", everySecond, "true\n");
  place.put("other", everySecond, "true\n");
  let agent = await startAgent(place);
  await eventually(() => succeeded(agent, 4));
  await agent.exit("SIGTERM");
  truncateSync(join(place.data, "batches/beat/history.json"), 200);
  mkdirSync(join(place.data, "batches/lost+found")); // no batch's
  agent = await startAgent(place);
  const [problem] = await problems(agent);
  expect(problem).toMatchObject({
    batch: "beat",
    code: "history-corrupt",
    file: expect.stringContaining("history.json.corrupt-") as string,
  });
  expect(existsSync(problem?.file ?? "")).toBe(true);
  expect(agent.log()).toContain("set aside");
  for (const name of ["beat", "other"])
    await eventually(async () => (await agent.executions(`?batch=${name}&status=succeeded`))[0]);
  expect((await agent.executions("?batch=other&limit=500")).length).toBeGreaterThan(2);
});

test("executions folders that are gone cost their logs and nothing else", async () => {
  const place = workplace();
  place.put("beat", everySecond, "echo here\n");
  const agent = await startAgent(place);
  const [row] = await eventually(async () =>
    ((items) => items.length > 0 && items)(await agent.executions("?status=succeeded")),
  );
  rmSync(join(place.data, "batches/beat/executions"), { recursive: true });
  rmSync(join(place.data, "batches/beat/state"), { recursive: true });
  expect((await agent.get(`/api/executions/${row?.id}/stdout`)).status).toBeLessThan(500);
  expect((await agent.get(`/api/executions/${row?.id}/logs`)).status).toBeLessThan(500);
  const count = (await agent.executions("?status=succeeded")).length;
  await eventually(() => succeeded(agent, count + 2));
});
