// Someone on call at night, by the command line alone, and what may come between: a kill, a second hand, a due time.
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Execution } from "../../agent/model/execution.ts";
import { startAgent, workplace } from "../helpers/agent.ts";
import { type } from "../helpers/cli.ts";
import { repository } from "../helpers/git.ts";
import { webhookServer } from "../helpers/receivers.ts";
import { eventually, temporaryFolder } from "../helpers/tmp.ts";

const yearly = 'cron: "@yearly"\n';
const names = ["extract", "clean", "match", "price", "report", "publish"];

test("a chain of six whose fourth fails: fix it by a commit, rerun, watch, hear of the recovery", async () => {
  const home = temporaryFolder();
  const hook = await webhookServer();
  const git = repository(join(home, "ops"));
  const files = names.flatMap((name, i) => [
    [
      `batches.d/${name}/batch.yaml`,
      `${i === 0 ? yearly : `after: ${names[i - 1]}\ninput: previous\n`}notify: { webhook: ["${hook.url}"] }\n`,
    ],
    [`batches.d/${name}/script.sh`, `cat; echo ${name}\n`],
  ]);
  git.commit({
    ...(Object.fromEntries(files) as Record<string, string>),
    "batches.d/price/script.sh": 'echo "rates.csv: no such file" >&2; exit 3\n',
  });
  const place = { home: git.path, batches: join(git.path, "batches.d"), data: join(home, "data") };
  const agent = await startAgent(place);
  const say = async (...args: string[]) =>
    type(git.path, args, { env: { BATCH_AGENT_URL: agent.url, BATCH_AGENT_DATA: place.data } });
  const history = async (...args: string[]) =>
    (JSON.parse((await say("history", "--json", ...args)).stdout) as { items: Execution[] }).items;
  await say("trigger", "extract", "--follow");
  await eventually(async () => (await history("publish")).length === 1);

  // What is wrong, where, and why.
  const status = await say("status", "--failed", "--check");
  expect([status.code, status.stdout]).toEqual([1, expect.stringMatching(/^price +chained +failed: exit 3/m)]);
  const [failed] = await history("--status", "failed", "--since", "1h");
  expect(failed?.batch).toBe("price");
  const { run = "", id = "" } = failed ?? {};
  expect((await say("logs", id, "--tail", "1")).stderr).toBe("rates.csv: no such file\n");
  expect((await say("history", "--run", run)).stdout).toMatch(/publish +aborted: previous-aborted/);

  // The fix is a commit; the new revision is in force a moment later, which the same command tells.
  const commit = git.commit({ "batches.d/price/script.sh": "cat; echo price\n" });
  await eventually(async () => {
    const { batches } = JSON.parse((await say("status", "price", "--json")).stdout) as {
      batches: { commit: string }[];
    };
    return batches[0]?.commit === commit;
  });
  const rerun = await say("rerun", run, "--note", "rates.csv is optional", "--follow");
  expect([rerun.code, rerun.stdout.split("\n").slice(1)]).toEqual([0, [...names.slice(0, 4), ""]]);
  await eventually(async () => (await history("publish", "--status", "succeeded")).length === 1);
  const rows = await history("--run", run, "-n", "100");
  expect(rows.map(({ batch, attempt, status: ended }) => `${batch} ${attempt} ${ended}`).toReversed()).toEqual([
    ...names.slice(0, 3).map((name) => `${name} 1 succeeded`),
    "price 1 failed",
    ...names.slice(4).map((name) => `${name} 1 aborted`),
    ...names.slice(3).map((name) => `${name} 2 succeeded`),
  ]);
  expect(rows.find(({ batch }) => batch === "price")).toMatchObject({
    commit,
    trigger: { kind: "rerun", by: id, note: "rates.csv is optional" },
  });
  expect((await say("logs", "publish")).stdout).toBe(`${names.join("\n")}\n`);
  expect((await say("status", "--check")).code).toBe(0);
  const told = await eventually(() => hook.calls.length === 2 && hook.calls);
  const bodies = told.map(({ body }) => JSON.parse(body) as { event: string; execution: Execution });
  expect(bodies.map(({ event, execution }) => `${execution.batch} ${event}`)).toEqual([
    "price failure",
    "price recovery",
  ]);
}, 120_000);

test("two hands at once: a failed execution is done again once, the other hand is told why not", async () => {
  const place = workplace();
  place.put(
    "load",
    yearly,
    'until [ -e "$BATCH_STATE_DIR/go" ]; do [ "$BATCH_TRIGGER" = rerun ] || exit 3; sleep 0.1; done',
  );
  place.put("after", "after: load\n", "true");
  const agent = await startAgent(place);
  await type(place.home, ["trigger", "load", "--follow"]);
  const { id = "", run = "" } = (await agent.executions("?batch=load"))[0] ?? {};
  const answers = await Promise.all([run, id, run].map((target) => type(place.home, ["rerun", target])));
  expect(answers.map(({ code }) => code).sort()).toEqual([0, 1, 1]);
  for (const { code, stderr } of answers)
    expect([code, /the run goes on|still (queued|running)/.test(stderr)]).toEqual([code, code === 1]);
  mkdirSync(join(place.data, "batches/load/state"), { recursive: true });
  writeFileSync(join(place.data, "batches/load/state/go"), "");
  await eventually(async () => (await agent.executions("?batch=after&status=succeeded")).length === 1);
  expect((await agent.executions("?batch=load")).map(({ attempt, status }) => `${attempt} ${status}`)).toEqual([
    "2 succeeded",
    "1 failed",
  ]);
}, 60_000);

test("a rerun beside due times of the same batch: never two at once, and every due time has its row", async () => {
  const place = workplace();
  const script =
    'mkdir "$BATCH_STATE_DIR/lock" || exit 9; sleep 0.3; rmdir "$BATCH_STATE_DIR/lock"; [ "$BATCH_TRIGGER" = rerun ]';
  place.put("tick", 'cron: "* * * * * *"\n', script);
  const agent = await startAgent(place);
  const failed = await eventually(async () => (await agent.executions("?batch=tick&status=failed"))[0]);
  const codes: number[] = [];
  for (let i = 0; i < 12; i++) codes.push((await type(place.home, ["rerun", failed.id])).code ?? -1);
  expect(codes).toContain(0); // others found one that ran, and were told
  place.put("tick", 'cron: "@yearly"\n', script);
  await eventually(
    async () =>
      (await agent.executions("?status=running,queued")).length === 0 &&
      (await agent.batch("tick")).next[0]?.includes("-01-01"),
  );
  const rows = (await agent.executions("?batch=tick&limit=500")).toReversed();
  expect(rows.filter(({ exitCode }) => exitCode === 9)).toEqual([]);
  const due = rows.filter(({ trigger }) => trigger.kind === "cron").map(({ trigger }) => Date.parse(trigger.dueAt));
  expect(due.map((at, i) => at - (due[i - 1] ?? at - 1_000))).toEqual(due.map(() => 1_000));
  const reruns = rows.filter(({ trigger }) => trigger.kind === "rerun");
  expect(reruns.map(({ status }) => status)).toEqual(codes.filter((code) => code === 0).map(() => "succeeded"));
}, 90_000);

test("a cancel, and kill -9 at each moment of it: it ends cancelled, once, and nothing follows it", async () => {
  const place = workplace();
  place.put(
    "slow",
    `${yearly}retry: { limit: 3, delay: 1s }\nonFailure: alarm\n`,
    'trap "" TERM; echo up; while :; do sleep 0.1; done',
  );
  place.put("alarm", null, "true");
  place.put("alarm", "description: never\n", null);
  let agent = await startAgent(place);
  for (const moment of ["before", "asked", "signalled", "adopting"] as const) {
    const id = (await type(place.home, ["trigger", "slow"])).stdout.trim();
    await eventually(async () => (await agent.executions(`?batch=slow&status=running`))[0]?.pid != null);
    if (moment === "before" || moment === "adopting") {
      await agent.exit("SIGKILL");
      const starting = startAgent(place);
      const asked = moment === "adopting" ? type(place.home, ["cancel", id]) : null;
      agent = await starting;
      expect((await (asked ?? type(place.home, ["cancel", id]))).code).toBe(0);
    } else {
      const asked = type(place.home, ["cancel", id, "--note", moment]);
      if (moment === "signalled") await asked;
      else
        await eventually(
          () => readdirSync(join(place.data, "commands")).some((name) => name.endsWith(".taken")),
          2_000,
        ).catch(
          () => undefined, // it was answered between two looks
        );
      await agent.exit("SIGKILL");
      agent = await startAgent(place);
      expect((await asked).code).toBe(0);
    }
    const row = await eventually(async () => (await agent.executions("?batch=slow"))[0], 20_000);
    const ended = await eventually(async () => {
      const found = await agent.json<Execution>(`/api/executions/${id}`);
      return found.finishedAt !== null && found;
    }, 20_000);
    expect([moment, row.id, ended.status, ended.reason]).toEqual([moment, id, "aborted", "cancelled"]);
    expect((await type(place.home, ["cancel", id])).stderr).toContain("has ended already");
  }
  expect(await agent.executions("?batch=alarm")).toEqual([]);
  expect(await agent.executions("?batch=slow")).toHaveLength(4);
}, 180_000);
