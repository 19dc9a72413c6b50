// Every due time leaves a row: over restarts, sleeps of the agent, disabling, edits, and a full queue.
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isAlive, startAgent, workplace } from "../helpers/agent.ts";
import { doubled, ownDueTimes, uncovered } from "../helpers/ledger.ts";
import { eventually } from "../helpers/tmp.ts";

const everySecond = 'cron: "* * * * * *"\nkeep: {executions: 1000}\n';
const pause = (ms: number) => new Promise((done) => setTimeout(done, ms)); // what passes here is due times

test("restarts, kills and a stopped agent leave no due time without a row and none with two", async () => {
  const place = workplace();
  place.put("beat", everySecond, "true\n");
  let agent = await startAgent(place);
  await eventually(async () => (await agent.executions("?status=succeeded")).length >= 2);
  agent.child.kill("SIGSTOP");
  await pause(7_500); // longer than what counts as on time
  agent.child.kill("SIGCONT");
  const slept = await eventually(async () => (await agent.executions("?status=aborted"))[0]);
  expect(slept).toMatchObject({ reason: "missed" });
  expect(slept.missed?.count).toBeGreaterThanOrEqual(7);
  await agent.exit("SIGKILL");
  await pause(2_500);
  agent = await startAgent(place);
  await pause(1_500);
  await agent.exit("SIGTERM");
  await pause(1_500);
  agent = await startAgent(place);
  await pause(2_000);
  const rows = await agent.executions("?limit=500");
  const own = ownDueTimes(rows, "beat");
  expect(doubled(rows, "beat")).toEqual([]);
  expect(uncovered(rows, "beat", own[0] ?? 0, own.at(-1) ?? 0)).toEqual([]);
  const gaps = rows.filter((row) => row.reason === "missed");
  // the latest of each ran
  expect(gaps.every((row) => ownDueTimes(rows, "beat").includes(Date.parse(row.missed?.to ?? "")))).toBe(true);
});

test("an agent that slept while another took its data folder over ends by itself and touches nothing", async () => {
  const place = workplace();
  place.put("long", everySecond, "sleep 300\n");
  const agent = await startAgent(place);
  const { pid } = await eventually(async () =>
    (await agent.executions("?status=running")).find((row) => row.pid !== null),
  );
  agent.child.kill("SIGSTOP");
  // As an agent on another host would, once the lock has not been touched for long.
  writeFileSync(
    join(place.data, "agent.lock"),
    JSON.stringify({ pid: 7, host: "elsewhere", boot: null, startTicks: null, since: new Date().toISOString() }),
  );
  agent.child.kill("SIGCONT");
  expect(await agent.exit()).toEqual({ code: 1, signal: null });
  expect(agent.log()).toMatch(/pid 7 on host elsewhere has taken over/);
  expect(isAlive(pid ?? 0)).toBe(true);
  expect(readFileSync(join(place.data, "agent.lock"), "utf8")).toContain("elsewhere");
  process.kill(-(pid ?? 0), "SIGKILL");
});

test("a lock that somebody deleted is made again", async () => {
  const place = workplace();
  const agent = await startAgent(place);
  rmSync(join(place.data, "agent.lock"));
  await eventually(() => existsSync(join(place.data, "agent.lock")));
  await expect(startAgent(place)).rejects.toThrow(new RegExp(`pid ${agent.child.pid} on host`));
});

test("nothing is owed for the time in which a batch rested, and an edit of the script costs no due time", async () => {
  const place = workplace();
  place.put("beat", everySecond, "echo one\n");
  let agent = await startAgent(place);
  await eventually(async () => (await agent.executions("?status=succeeded")).length >= 2);
  place.put("beat", null, "echo two\n");
  const first = await agent.batch("beat");
  await eventually(async () => (await agent.batch("beat")).revision !== first.revision);
  await eventually(async () => (await agent.executions("?status=succeeded")).length >= 4);
  place.put("beat", `${everySecond}enabled: false\n`, null);
  await eventually(async () => (await agent.batch("beat")).state === "disabled");
  const rested = Date.now();
  await pause(2_000);
  await agent.exit("SIGKILL");
  await pause(1_000);
  place.put("beat", everySecond, null);
  const enabled = Date.now();
  agent = await startAgent(place);
  const before = await agent.executions("?limit=500");
  await eventually(async () => (await agent.executions("?limit=500")).length >= before.length + 2);
  const rows = await agent.executions("?limit=500");
  const own = ownDueTimes(rows, "beat");
  expect(rows.filter((row) => row.reason === "missed")).toEqual([]);
  expect(own.filter((at) => at > rested + 1_000 && at < enabled)).toEqual([]);
  expect(doubled(rows, "beat")).toEqual([]);
  expect(uncovered(rows, "beat", own[0] ?? 0, own.filter((at) => at <= rested).at(-1) ?? 0)).toEqual([]);
});

test.each([false, true])(
  "a start that waits for long runs once, for the latest due time, with one row for the gap; killed: %s",
  async (killed) => {
    const place = workplace();
    let agent = await startAgent(place, ["--max-parallel", "1"]);
    const go = join(place.home, "go");
    place.put(
      "hog",
      `cron: "${new Date(Date.now() + 1_500).toISOString()}"\n`,
      `until [ -e ${go} ]; do sleep 0.1; done\n`,
    );
    await eventually(async () => (await agent.executions("?batch=hog&status=running"))[0]);
    place.put("beat", everySecond, "echo $BATCH_DUE_AT\n");
    const gapIs = (least: number) =>
      eventually(
        async () =>
          ((await agent.executions("?batch=beat")).find(({ missed }) => missed !== undefined)?.missed?.count ?? 0) >=
          least,
      );
    await gapIs(3);
    if (killed) {
      // What the one that waits has missed stands in memory only: the next agent counts the same.
      await agent.exit("SIGKILL");
      agent = await startAgent(place, ["--max-parallel", "1"]);
      await gapIs(5);
    }
    writeFileSync(go, "");
    const ran = await eventually(async () => (await agent.executions("?batch=beat&status=succeeded"))[0], 20_000);
    const rows = await agent.executions("?batch=beat&limit=500");
    const gaps = rows.filter((row) => row.reason === "missed");
    expect(gaps).toHaveLength(1);
    expect(gaps[0]?.missed).toMatchObject({
      to: rows.filter((row) => row.status === "succeeded").at(-1)?.trigger.dueAt,
    });
    expect(gaps[0]?.missed?.count).toBeGreaterThanOrEqual(3);
    expect(rows.filter((row) => row.reason === "overlap")).toEqual([]);
    expect(await (await agent.get(`/api/executions/${ran.id}/stdout`)).text()).toBe(`${ran.trigger.dueAt}\n`);
    const own = ownDueTimes(rows, "beat");
    expect(uncovered(rows, "beat", Date.parse(gaps[0]?.missed?.from ?? ""), own.at(-1) ?? 0)).toEqual([]);
    expect(doubled(rows, "beat")).toEqual([]);
  },
);
