// Operating with the built program: cancel, rerun, trigger with parameters, backfill, and deaths in between.
import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Execution } from "../../agent/model/execution.ts";
import { startAgent, workplace, type RunningAgent } from "../helpers/agent.ts";
import { eventually } from "../helpers/tmp.ts";

const main = join(import.meta.dirname, "../../dist/main.js");
const yearly = 'cron: "@yearly"\n';

function type(cwd: string, ...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((done) => {
    const child = execFile(process.execPath, [main, ...args], { cwd }, (_error, stdout, stderr) =>
      done({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}
const ended = (agent: RunningAgent, run: string) =>
  eventually(async () => {
    const found = await agent.json<{ state: string; items: Execution[] }>(`/api/runs/${run}`);
    return found.state !== "running" && found;
  }, 20_000);
const first = (agent: RunningAgent, query: string) =>
  eventually(async () => (await agent.executions(query))[0], 20_000);

test("a chain of six whose fourth fails is fixed by an edit, done again from there and runs to its end", async () => {
  const place = workplace();
  const names = ["one", "two", "three", "four", "five", "six"];
  for (const [i, name] of names.entries())
    place.put(name, i === 0 ? yearly : `after: ${names[i - 1]}\ninput: previous\n`, `cat; echo ${name}`);
  place.put("four", null, "cat; exit 3");
  const agent = await startAgent(place);
  expect((await type(place.home, "trigger", "one", "--follow")).stdout).toMatch(/^[0-9A-Z]{26}\none\n$/);
  const { run } = await first(agent, "?batch=six");
  expect((await ended(agent, run)).state).toBe("failed");
  const before = (await agent.batch("four")).revision;
  place.put("four", null, "cat; echo four");
  await eventually(async () => (await agent.batch("four")).revision !== before);
  const { code, stdout } = await type(place.home, "rerun", run, "--note", "rates were missing", "--follow");
  expect([code, stdout.split("\n").slice(1)]).toEqual([0, ["one", "two", "three", "four", ""]]);
  const { state, items } = await ended(agent, run);
  expect(state).toBe("succeeded");
  expect(items.map(({ batch, attempt, status }) => `${batch} ${attempt} ${status}`)).toEqual([
    "one 1 succeeded",
    "two 1 succeeded",
    "three 1 succeeded",
    "four 1 failed",
    "five 1 aborted",
    "six 1 aborted",
    "four 2 succeeded",
    "five 2 succeeded",
    "six 2 succeeded",
  ]);
  expect(items[6]?.trigger).toMatchObject({
    kind: "rerun",
    by: items[3]?.id,
    dueAt: items[0]?.trigger.dueAt,
    actor: expect.stringMatching(/^.+@.+$/) as string,
    note: "rates were missing",
  });
  expect(await (await agent.get(`/api/executions/${items[8]?.id}/stdout`)).text()).toBe(`${names.join("\n")}\n`);
  expect(agent.log()).toMatch(/"msg":"command rerun"/);
  expect(await type(place.home, "rerun", run)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("nothing of the run has failed") as string,
  });
  expect(readdirSync(join(place.data, "commands"))).toEqual([]);
}, 60_000);

test("cancel ends all that a script has started; parameters reach it; --follow gives its exit code", async () => {
  const place = workplace();
  place.put("slow", `${yearly}params: { DAY: today }\n`, 'trap "" TERM\necho "$DAY"; (sleep 300); sleep 300');
  place.put("code", `${yearly}params: { CODE: "0" }\n`, 'exit "$CODE"');
  const agent = await startAgent(place);
  const following = type(place.home, "trigger", "slow", "--param", "DAY=monday", "--follow");
  const { id, run } = await eventually(async () =>
    (await agent.executions("?batch=slow&status=running")).find(({ pid }) => pid !== null),
  );
  const { code, stdout } = await type(place.home, "cancel", run, "--note", "wrong day");
  expect([code, stdout]).toEqual([0, `${id}\n`]);
  const row = await first(agent, "?batch=slow&status=aborted");
  expect(row).toMatchObject({ id, reason: "cancelled" });
  expect(row.message).toMatch(/^cancelled by .+@.+: wrong day$/);
  const followed = await following;
  expect([followed.code, followed.stdout]).toEqual([1, `${id}\nmonday\n`]);
  expect((await type(place.home, "cancel", "slow")).code).toBe(1);
  expect((await type(place.home, "trigger", "code", "--param", "CODE=7", "--follow")).code).toBe(7);
  expect(await type(place.home, "trigger", "code", "--param", "COED=7")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("did you mean CODE?") as string,
  });
  const longest = "é".repeat(1_000);
  expect((await type(place.home, "trigger", "code", "--note", longest)).code).toBe(0);
  for (const command of ["trigger", "cancel", "rerun"]) {
    const long = await type(place.home, command, "code", "--note", `${longest}x`);
    expect([long.code === 0, long.stderr]).toEqual([false, expect.stringContaining("1001 characters")]);
    const empty = await type(place.home, command, "");
    expect([empty.code === 0, empty.stderr]).toEqual([false, expect.stringContaining("it is empty")]);
    expect(empty.stderr).not.toContain("did you mean");
  }
}, 60_000);

test("backfill goes through a range, goes on after a failure, and passes over what succeeded", async () => {
  const place = workplace();
  place.put(
    "daily",
    'cron: "0 2 * * *"\ntimeZone: UTC\n',
    'case $BATCH_DUE_AT in 2026-01-02*) [ -e "$BATCH_STATE_DIR/ok" ];; esac',
  );
  const agent = await startAgent(place);
  const range = ["backfill", "daily", "--from", "2026-01-01T02:00:00Z", "--to", "2026-01-04T02:00:00Z"];
  expect((await type(place.home, ...range, "--dry-run")).stdout.trim().split("\n")).toEqual([
    "2026-01-01T02:00:00.000Z",
    "2026-01-02T02:00:00.000Z",
    "2026-01-03T02:00:00.000Z",
  ]);
  expect((await type(place.home, ...range)).code).toBe(1);
  const due = async () =>
    (await agent.executions("?batch=daily")).map(({ status, trigger }) => `${trigger.dueAt.slice(0, 10)} ${status}`);
  expect(await due()).toEqual(["2026-01-03 succeeded", "2026-01-02 failed", "2026-01-01 succeeded"]);
  mkdirSync(join(place.data, "batches/daily/state"), { recursive: true });
  writeFileSync(join(place.data, "batches/daily/state/ok"), "");
  expect((await type(place.home, ...range)).code).toBe(0);
  expect((await due())[0]).toBe("2026-01-02 succeeded");
  expect(await due()).toHaveLength(4);
  const turned = await type(place.home, "backfill", "daily", "--from", "2026-01-04", "--to", "2026-01-01");
  place.put("after-daily", "after: daily\n", "true");
  place.put("last", "after: after-daily\n", "true");
  await eventually(async () => (await agent.get("/api/batches/last")).ok);
  expect(await type(place.home, "backfill", "last", "--from", "2026-01-01", "--to", "2026-01-04")).toMatchObject({
    code: 1,
    stderr: "batch-agent: last has no cron, and so no due times: its runs begin with daily, backfill that\n",
  });
  expect([turned.code, turned.stderr]).toEqual([2, expect.stringContaining("--from must be before --to")]);
  const empty = await type(
    place.home,
    "backfill",
    "daily",
    "--from",
    "2026-01-04T03:00:00Z",
    "--to",
    "2026-01-05T01:00:00Z",
  );
  expect([empty.code, empty.stderr]).toEqual([0, "batch-agent: daily has no due time in this range\n"]);
}, 60_000);

test("kill -9 between a command's file and its answer: it is carried out once, and answered", async () => {
  const place = workplace();
  place.put("job", `${yearly}concurrency: allow\n`, "true");
  let agent = await startAgent(place);
  for (let round = 1; round <= 6; round++) {
    const asked = type(place.home, "trigger", "job", "--note", `round ${round}`);
    const commands = join(place.data, "commands");
    // Round by round at another point: asked, taken, carried out.
    if (round % 3 !== 0)
      await eventually(
        () => readdirSync(commands).some((name) => name.endsWith(round % 3 === 1 ? ".json" : ".taken")) || null,
        5_000,
      ).catch(() => undefined);
    else await eventually(async () => (await agent.executions()).length >= round, 5_000);
    await agent.exit("SIGKILL");
    agent = await startAgent(place);
    const { code, stdout } = await asked;
    expect(code).toBe(0);
    const rows = (await agent.executions()).filter(({ trigger }) => trigger.note === `round ${round}`);
    expect(rows.map(({ id }) => `${id}\n`)).toEqual([stdout]);
  }
}, 90_000);
