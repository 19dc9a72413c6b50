// Chains with the built program: permission, input, failure's answer, and a crash in the middle.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Execution } from "../../agent/model/execution.ts";
import { startAgent, workplace, type RunningAgent } from "../helpers/agent.ts";
import { eventually } from "../helpers/tmp.ts";

interface RunJson {
  run: string;
  state: string;
  items: Execution[];
}
const soon = (ms = 4_000) => `cron: "${new Date(Date.now() + ms).toISOString()}"\n`;

async function finishedRun(agent: RunningAgent, root: string): Promise<RunJson> {
  const first = await eventually(async () =>
    (await agent.executions(`?batch=${root}`)).find((row) => row.status !== "queued"),
  );
  return eventually(
    async () => ((run) => run.state !== "running" && run)(await agent.json<RunJson>(`/api/runs/${first.run}`)),
    20_000,
  );
}
const told = ({ items }: RunJson) =>
  Object.fromEntries(items.map((row) => [row.batch, row.reason === null ? row.status : `${row.status}/${row.reason}`]));

describe("a chain of five that fails in the middle", () => {
  test.each([
    { independent: false, onFailure: false, want: { d: "aborted/previous-failed", e: "aborted/previous-aborted" } },
    { independent: true, onFailure: false, want: { d: "succeeded", e: "succeeded" } },
    {
      independent: false,
      onFailure: true,
      want: { d: "aborted/previous-failed", e: "aborted/previous-aborted", alert: "succeeded", told: "succeeded" },
    },
    {
      independent: true,
      onFailure: true,
      want: { d: "succeeded", e: "succeeded", alert: "succeeded", told: "succeeded" },
    },
  ])("independent $independent, onFailure $onFailure", async ({ independent, onFailure, want }) => {
    const place = workplace();
    place.put("b", "after: a\n", "true");
    place.put("c", `after: b\n${onFailure ? "onFailure: alert\n" : ""}`, "echo broken >&2; exit 3");
    place.put(
      "d",
      `after: c\nindependent: ${independent}\n`,
      'echo "$BATCH_PREVIOUS $BATCH_PREVIOUS_STATUS $BATCH_PREVIOUS_EXIT_CODE"',
    );
    place.put("e", "after: d\n", "true");
    if (onFailure) {
      place.put("alert", "description: tells\n", 'echo "$BATCH_TRIGGER $BATCH_PREVIOUS"; cat "$BATCH_PREVIOUS_STDERR"');
      place.put("told", "after: alert\n", "true");
    }
    place.put("a", soon(), "true");
    const agent = await startAgent(place);
    const run = await finishedRun(agent, "a");
    expect(told(run)).toEqual({ a: "succeeded", b: "succeeded", c: "failed/exit", ...want });
    expect(run).toMatchObject({ state: "failed", run: run.items[0]?.run });
    expect(run.items).toHaveLength(Object.keys(told(run)).length);
    const of = (name: string) => run.items.find((row) => row.batch === name);
    const { dueAt } = of("a")?.trigger ?? {};
    expect(of("b")?.trigger).toEqual({ kind: "after", by: of("a")?.id, dueAt, actor: null, note: null });
    const stdout = async (name: string) => (await agent.get(`/api/executions/${of(name)?.id}/stdout`)).text();
    if (independent) expect(await stdout("d")).toBe("c failed 3\n");
    if (onFailure) expect(await stdout("alert")).toBe("onFailure c\nbroken\n");
    const graph = await agent.json<{ nodes: object[]; edges: object[] }>("/api/graph");
    expect(graph.nodes).toContainEqual({ name: "b", state: "chained" });
    expect(graph.edges).toContainEqual({ from: "c", to: "d", kind: "after" });
  });
});

test("input: the previous stdout is stdin, several in the order of after", async () => {
  const place = workplace();
  place.put("left", "after: root\ninput: previous\n", "sed s/^/left-/");
  place.put("right", "after: root\ninput: previous\n", "sleep 0.3; sed s/^/right-/");
  place.put(
    "join",
    "after: [right, left]\ninput: previous\n",
    'cat; cat "$BATCH_PREVIOUS_STDOUT_LEFT" "$BATCH_PREVIOUS_STDOUT"; [ -n "$BATCH_PREVIOUS_STDERR" ]; exit 7',
  );
  place.put("silent", "after: root\n", "wc -c");
  place.put("root", soon(), "echo one; echo two");
  const agent = await startAgent(place);
  const run = await finishedRun(agent, "root");
  expect(told(run)).toEqual({
    root: "succeeded",
    left: "succeeded",
    right: "succeeded",
    silent: "succeeded",
    join: "failed/exit",
  });
  const stdout = async (name: string) =>
    (await agent.get(`/api/executions/${run.items.find((row) => row.batch === name)?.id}/stdout`)).text();
  expect(run.items.find((row) => row.batch === "join")).toMatchObject({ exitCode: 7, attempt: 1 });
  expect(await stdout("join")).toBe(
    "right-one\nright-two\nleft-one\nleft-two\nleft-one\nleft-two\nright-one\nright-two\n",
  );
  expect(await stdout("silent")).toBe("0\n");
});

test("1 GiB of input passes at file speed, not through the agent", async () => {
  const place = workplace();
  place.put("count", "after: big\ninput: previous\n", "wc -c");
  place.put("big", soon(), "head -c 1073741824 /dev/zero");
  const agent = await startAgent(place);
  const run = await finishedRun(agent, "big");
  const count = run.items.find((row) => row.batch === "count");
  expect(await (await agent.get(`/api/executions/${count?.id}/stdout`)).text()).toBe("1073741824\n");
}, 40_000);

test("a retry holds the chain back until its last attempt, and a failure that mended itself is none", async () => {
  const place = workplace();
  place.put("next", "after: flaky\n", "true");
  place.put("alert", "tags: []\n", "true");
  place.put("flaky", `${soon()}onFailure: alert\nretry: {limit: 2, delay: 1s}\n`, '[ "$BATCH_ATTEMPT" = 2 ]');
  const agent = await startAgent(place);
  const run = await finishedRun(agent, "flaky");
  expect(run.items.map(({ batch, attempt, status }) => [batch, attempt, status])).toEqual([
    ["flaky", 1, "failed"],
    ["flaky", 2, "succeeded"],
    ["next", 1, "succeeded"],
  ]);
  expect(run.state).toBe("succeeded");
});

test("kill -9 in the middle of a chain: it goes on from there", async () => {
  const place = workplace();
  const gate = join(place.home, "gate");
  place.put("two", "after: one\n", `while [ ! -e ${gate} ]; do sleep 0.05; done`);
  place.put("three", "after: two\n", "true");
  place.put("one", soon(), "true");
  let agent = await startAgent(place);
  await eventually(async () => (await agent.executions("?batch=two&status=running")).find((row) => row.pid !== null));
  await agent.exit("SIGKILL");
  writeFileSync(gate, "");
  agent = await startAgent(place);
  expect(told(await finishedRun(agent, "one"))).toEqual({ one: "succeeded", two: "succeeded", three: "succeeded" });
});

test("chain problems come and go with the folders they are about", async () => {
  const place = workplace();
  place.put("follower", "after: leader\n", "true");
  const agent = await startAgent(place);
  expect(await agent.batch("follower")).toMatchObject({
    state: "invalid",
    problems: [{ code: "unknown-batch", line: 1, column: 8 }],
  });
  place.put("leader", 'cron: "*/2 * * * * *"\n', "true");
  await eventually(async () => (await agent.executions("?batch=follower&status=succeeded"))[0]);
  expect(await agent.batch("follower")).toMatchObject({ state: "chained", problems: [] });
  place.put("leader", 'cron: "*/2 * * * * *"\nenabled: false\n', null);
  await eventually(async () => expect(await agent.batch("follower")).toMatchObject({ blockedBy: ["leader"] }) ?? true);
  place.put("leader", "after: follower\n", null);
  await eventually(
    async () =>
      (await agent.batch("follower")).problems[0]?.code === "cycle" &&
      (await agent.batch("leader")).problems[0]?.code === "cycle",
  );
  place.drop("leader");
  await eventually(async () => (await agent.batch("follower")).problems[0]?.code === "unknown-batch");
});

test("after with cron: at its own times only, and only once the previous has run since", async () => {
  const place = workplace();
  place.put("source", 'cron: "*/4 * * * * *"\n', "true");
  place.put("own", 'cron: "*/2 * * * * *"\nafter: source\n', 'echo "$BATCH_PREVIOUS_STATUS"');
  const agent = await startAgent(place);
  const rows = await eventually(async () => {
    const all = await agent.executions("?batch=own");
    return all.some((row) => row.status === "succeeded") && all.some((row) => row.reason === "previous-not-run")
      ? all
      : null;
  }, 20_000);
  expect(
    rows.every((row) => row.trigger.kind === "cron" && row.trigger.by === null && row.run !== (row.id as string)),
  ).toBe(true);
});
