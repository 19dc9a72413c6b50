// Late batches with the built program: told once a due time, over deaths of the agent, shown everywhere.
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import type { ExecutionView } from "../../agent/views.ts";
import { startAgent, workplace, type RunningAgent } from "../helpers/agent.ts";
import { mailServer, webhookServer } from "../helpers/receivers.ts";
import { eventually } from "../helpers/tmp.ts";

interface Told {
  event: string;
  text: string;
  execution: ExecutionView | null;
  batch?: string;
  dueAt?: string;
}

const soon = (ms: number) => new Date(Math.ceil((Date.now() + ms) / 1000) * 1000).toISOString();
const latest = async (agent: RunningAgent, name: string) =>
  (await agent.executions(`?batch=${name}`))[0] as ExecutionView | undefined;

test("one that runs for too long and one that waits for it are late: told once, also after kill -9", async () => {
  const place = workplace();
  const { url, calls } = await webhookServer();
  const smtp = await mailServer();
  const args = ["--smtp-url", `smtp://127.0.0.1:${smtp.port}`, "--base-url", "https://batches.example.org"];
  let agent = await startAgent(place, args);
  const at = soon(4_000);
  const notify = (path: string) => `notify: { mail: [ops@example.org], webhook: ["${url}/${path}"] }\n`;
  place.put("load", `cron: "${at}"\nlateAfter: 2s\n${notify("load")}`, "sleep 9\n");
  place.put("report", `after: load\nlateAfter: 3s\n${notify("report")}`, "echo done\n");
  place.put(
    "quiet",
    `cron: "${at}"\nlateAfter: 2s\nnotify: { on: [success], webhook: ["${url}/quiet"] }\n`,
    "sleep 4\n",
  );
  place.put("quick", `cron: "${at}"\nlateAfter: 3s\n${notify("quick")}`, "true\n");
  const told = (name: string) =>
    calls.filter(({ path }) => path === `/${name}`).map(({ body }) => JSON.parse(body) as Told);
  await eventually(() => told("load").length === 1 && told("report").length === 1, 20_000);
  await eventually(() => readdirSync(`${place.data}/outbox`).length === 0); // else it would come again, with the same id
  await agent.exit("SIGKILL");
  agent = await startAgent(place, args);
  await eventually(async () => (await latest(agent, "report"))?.status === "succeeded", 20_000);
  await new Promise((done) => setTimeout(done, 4_000)); // an agent that has just started judges after 3 s
  const [load] = told("load");
  expect(told("load")).toHaveLength(1);
  expect(load).toMatchObject({
    event: "late",
    text: expect.stringContaining("load is late") as string,
    execution: { batch: "load", status: "running", late: true, trigger: { dueAt: at } },
  });
  expect(Object.keys(load ?? {}).sort()).toEqual(["event", "execution", "text"]);
  expect(told("report")).toEqual([
    {
      event: "late",
      text: expect.stringContaining("https://batches.example.org/batches/report") as string,
      execution: null,
      batch: "report",
      dueAt: at,
    },
  ]);
  expect(told("quiet").map(({ event }) => event)).toEqual(["success"]);
  expect(told("quick")).toEqual([]);
  expect(smtp.mails.map(({ headers }) => headers.subject).sort()).toEqual([
    "[batch-agent] load late",
    "[batch-agent] report late",
  ]);
  for (const [name, late] of [
    ["load", true],
    ["report", true],
    ["quiet", true],
    ["quick", false],
  ] as const)
    expect([name, (await latest(agent, name))?.status, (await latest(agent, name))?.late]).toEqual([
      name,
      "succeeded",
      late,
    ]);
  const metrics = await (await agent.get("/metrics")).text();
  expect(metrics).toContain('batch_agent_batch_late{batch="load"} 0\n');
  const { id = "" } = (await latest(agent, "load")) ?? {};
  expect(await (await agent.get(`/executions/${id}`)).text()).toContain('<span class="badge unusual">late</span>');
  expect(readdirSync(`${place.data}/outbox`)).toEqual([]);
}, 90_000);

test("one that became late while no agent was there is told by the next one, and the metric says so", async () => {
  const place = workplace();
  const { url, calls } = await webhookServer();
  let agent = await startAgent(place);
  const at = soon(4_000);
  place.put("load", `cron: "${at}"\nlateAfter: 3s\nnotify: { webhook: ["${url}"] }\n`, "sleep 600\n");
  await eventually(async () => (await latest(agent, "load"))?.status === "running", 20_000);
  await agent.exit("SIGKILL");
  await new Promise((done) => setTimeout(done, 3_500));
  expect(calls).toEqual([]);
  agent = await startAgent(place);
  await eventually(() => calls.length === 1, 15_000);
  expect(await (await agent.get("/metrics")).text()).toContain('batch_agent_batch_late{batch="load"} 1\n');
  expect((await latest(agent, "load"))?.late).toBe(true);
  await agent.exit("SIGKILL");
  execFileSync("bash", ["-c", `kill -9 -- -$(cat ${place.data}/batches/load/executions/*/pid)`]);
  agent = await startAgent(place);
  await eventually(async () => (await latest(agent, "load"))?.status === "failed", 20_000);
  expect(await latest(agent, "load")).toMatchObject({ late: true });
  await new Promise((done) => setTimeout(done, 4_000));
  expect(calls.map(({ body }) => (JSON.parse(body) as Told).event).sort()).toEqual(["failure", "late"]);
}, 90_000);
