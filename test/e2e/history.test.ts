// history as typed: of an agent, and of its data folder after a kill -9, while it runs and after a clean stop.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Execution } from "../../agent/model/execution.ts";
import { startAgent, workplace } from "../helpers/agent.ts";
import { type, typeOnTerminal } from "../helpers/cli.ts";
import { eventually } from "../helpers/tmp.ts";

const yearly = 'cron: "@yearly"\n';

function contentOf(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files.map(({ parentPath, name }) => [join(parentPath, name), readFileSync(join(parentPath, name), "latin1")]),
  );
}

test("filters, JSON, did-you-mean; --offline says the same of the data folder and writes nothing", async () => {
  const place = workplace();
  place.put("fine", `${yearly}tags: [nightly]\n`, "true");
  place.put("sad", `${yearly}concurrency: allow\n`, "exit 3");
  const agent = await startAgent(place);
  const there = ["--url", agent.url];
  await type(place.home, ["trigger", "fine", "--follow"]);
  for (let i = 0; i < 3; i++) await type(place.home, ["trigger", "sad", "--note", `no ${i}`, "--follow"]);
  const items = async (...args: string[]) => {
    const { code, stdout, stderr } = await type(place.home, ["history", ...args, "--json"]);
    expect([code, stderr]).toEqual([0, ""]);
    return (JSON.parse(stdout) as { items: Execution[] }).items;
  };
  expect(await items(...there)).toEqual(await agent.executions());
  const named = async (...args: string[]) => (await items(...args)).map(({ batch }) => batch);
  expect(await named(...there, "fine", "sad", "-n", "3")).toEqual(["sad", "sad", "sad"]);
  expect(await named(...there, "--status", "succeeded,aborted")).toEqual(["fine"]);
  expect(await named(...there, "--reason", "exit", "--since", "1h")).toEqual(["sad", "sad", "sad"]);
  expect(await named(...there, "--until", "1h")).toEqual([]);
  expect(await named(...there, "--tag", "nightly")).toEqual(["fine"]);
  const text = await type(place.home, ["history", "sad", "-n", "1", ...there]);
  expect(text.stdout.split("\n")[1]).toMatch(
    /^\w{26}  \w{26}  sad +failed: exit 3 +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +\S.*manual, .+@.+ +no 2$/,
  );
  const wrong = async (...args: string[]) => type(place.home, ["history", ...args]);
  expect(await wrong("sda", ...there)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("did you mean sad?") as string,
  });
  expect(await wrong("--status", "faild")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("did you mean failed?") as string,
  });
  expect((await wrong("--since", "yesterday")).code).toBe(2);

  // Of the API's fields only what an agent knows beside the record is missing.
  const online = (await agent.executions()).map((one) => ({ ...one, commitInfo: null }));
  expect(await items("--offline")).toEqual(online);
  await agent.exit("SIGKILL");
  const before = contentOf(place.data);
  expect(await items("--offline")).toEqual(online);
  expect(await named("--offline", "fine", "--status", "succeeded")).toEqual(["fine"]);
  expect(contentOf(place.data)).toEqual(before);
  const again = await startAgent(place);
  await eventually(async () => (await again.get("/readyz")).ok);
  await again.exit("SIGTERM");
  expect(await items("--offline")).toEqual(online);
  expect(await wrong("sda", "--offline")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("did you mean sad?") as string,
  });
  expect(await wrong("--offline", "--data", "nowhere")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("there is no data folder") as string,
  });

  const terminal = await typeOnTerminal(place.home, ["history", "--offline"]);
  expect(terminal.stdout).toContain("\u001b[31mfailed: exit 3");
  for (const line of terminal.stdout.split("\n"))
    expect(line.replace(/\u001b\[\d+m/g, "").length).toBeLessThanOrEqual(80);
}, 120_000);
