// Heartbeats of a real agent: each execution's start and end in order, with the end of its output, over a receiver
// that is away.
import { expect, test } from "vitest";
import { startAgent, workplace } from "../helpers/agent.ts";
import { webhookServer } from "../helpers/receivers.ts";
import { eventually } from "../helpers/tmp.ts";

test("a heartbeat goes out at each start and end, in order, also where the receiver was away", async () => {
  const place = workplace();
  let away = true;
  const { url, calls } = await webhookServer((_, response) => void response.writeHead(away ? 503 : 200).end());
  const soon = new Date(Date.now() + 10_000).toISOString(); // in force by then, however slow the machine
  const yaml = (path: string, more = "") => `cron: "${soon}"\n${more}notify: { ping: ["${url}/${path}?rid=1"] }\n`;
  place.put("good", yaml("good", "successCodes: [24]\n"), "echo out; echo err >&2; exit 24\n");
  place.put(
    "bad",
    yaml("bad", "retry: { limit: 1, delay: 1s }\n"),
    "head -c 20000 /dev/zero | tr '\\0' x; echo the end; exit 3\n",
  );
  place.put("slow", yaml("slow", "timeout: 1s\n"), "trap 'exit 0' TERM; sleep 60 & wait\n");
  const agent = await startAgent(place);
  const done = async () => (await agent.executions("?status=succeeded,failed")).length === 4;
  await eventually(done, 45_000);
  expect((await agent.executions("?batch=good"))[0]).toMatchObject({ status: "succeeded", exitCode: 24 });
  away = false;
  const of = (name: string) => calls.filter(({ path }) => path.startsWith(`/${name}`));
  /** Those that were taken come after those that were not: repeats of the first are left out. */
  const paths = (name: string) =>
    of(name)
      .map(({ path }) => path)
      .filter((path, at, all) => path !== all[at - 1]);
  await eventually(() => paths("bad").filter((path) => path.startsWith("/bad/3")).length === 2, 30_000);
  await eventually(() => paths("good").length === 2 && paths("slow").length === 2, 30_000);
  expect(paths("good")).toEqual(["/good/start?rid=1", "/good?rid=1"]);
  expect(paths("bad")).toEqual(["/bad/start?rid=1", "/bad/3?rid=1", "/bad/start?rid=1", "/bad/3?rid=1"]);
  expect(paths("slow")).toEqual(["/slow/start?rid=1", "/slow/fail?rid=1"]);
  expect(of("good").at(-1)?.body).toBe("out\nerr\n");
  const end = of("bad").at(-1)?.body ?? "";
  expect([end.length, end.endsWith("xthe end\n")]).toEqual([10 * 1024, true]);
  expect(of("good")[0]?.body).toBe("");
  await agent.exit("SIGTERM");
}, 150_000);

test("a heartbeat is not lost when its receiver and its agent are down; its body is the merged log", async () => {
  const place = workplace();
  let away = true;
  const { url, calls } = await webhookServer((_, response) => void response.writeHead(away ? 503 : 200).end());
  let agent = await startAgent(place);
  const soon = new Date(Date.now() + 4_000).toISOString();
  const script = "echo one; sleep 0.4; echo two >&2; sleep 0.4; echo three; sleep 0.4; printf four >&2; sleep 5\n";
  place.put("load", `cron: "${soon}"\nnotify: { ping: ["${url}/load"] }\n`, script);
  await eventually(async () => (await agent.executions("?status=running"))[0]?.stderrBytes === 8, 20_000);
  await new Promise((done) => setTimeout(done, 500));
  await agent.exit("SIGKILL");
  await new Promise((done) => setTimeout(done, 6_000)); // it ends while no agent is there
  agent = await startAgent(place);
  await eventually(async () => (await agent.executions("?status=succeeded")).length === 1, 10_000);
  await agent.exit("SIGKILL");
  away = false;
  calls.length = 0;
  await startAgent(place);
  await eventually(() => calls.length >= 2, 20_000);
  expect(calls.map(({ path }) => path)).toEqual(["/load/start", "/load"]);
  expect(calls[1]?.body).toBe("one\ntwo\nthree\nfour");
}, 60_000);
