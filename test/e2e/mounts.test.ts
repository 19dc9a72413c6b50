// What else lies in folders in the real world, with the built program: other batches go on as if nothing were.
import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startAgent, workplace, type RunningAgent } from "../helpers/agent.ts";
import { eventually } from "../helpers/tmp.ts";

const daily = 'cron: "0 4 * * *"\n';
const codes = async (agent: RunningAgent, name: string) =>
  (await agent.batch(encodeURIComponent(name))).problems.map(({ code }) => code);

test("FIFOs, sockets, odd names, and links out of the root are told, each by its batch", async () => {
  const place = workplace();
  const at = (...parts: string[]) => join(place.batches, ...parts);
  for (const name of ["fifo", "socket", "linked", "Täglicher Bericht", "日次", "steady"])
    place.put(name, daily, "true\n");
  execFileSync("mkfifo", [at("fifo/queue"), at("top-fifo")]);
  const server = createServer().listen(at("socket/s"));
  symlinkSync("/etc", at("linked/etc"));
  symlinkSync("../steady/script.sh", at("linked/inside"));
  mkdirSync(join(place.home, "outside"));
  writeFileSync(join(place.home, "outside/batch.yaml"), daily);
  symlinkSync(join(place.home, "outside"), at("link-out"));
  symlinkSync("gone", at("link-lost"));
  execFileSync("bash", ["-c", "mkdir $'not-utf8-\\xff'"], { cwd: place.batches });
  const agent = await startAgent(place);
  await eventually(async () => (await agent.json<{ items: unknown[] }>("/api/problems")).items.length === 8);
  const want = {
    fifo: "special-file",
    socket: "special-file",
    linked: "link-outside",
    "Täglicher Bericht": "bad-name",
    日次: "bad-name",
    "link-out": "link-outside",
    "link-lost": "link-outside",
  };
  for (const [name, code] of Object.entries(want)) expect(await codes(agent, name), name).toEqual([code]);
  const { items } = await agent.json<{ items: { batch: string; hint: string }[] }>("/api/problems");
  expect(items.find(({ batch }) => batch.startsWith("Täglicher"))?.hint).toContain("such as taglicher-bericht");
  expect(items.find(({ batch }) => batch.startsWith("not-utf8"))).toMatchObject({ code: "bad-name" });
  expect((await agent.batch("steady")).state).toBe("scheduled");
  server.close();
});

test("a folder or a FIFO in the place of a file leaves the last valid revision in force", async () => {
  const place = workplace();
  place.put("a", daily, "echo one\n");
  const agent = await startAgent(place);
  const before = await agent.batch("a");
  const script = join(place.batches, "a/script.sh");
  const changes = [
    () => (rmSync(script), mkdirSync(script), writeFileSync(join(script, "main.sh"), "")),
    () => (rmSync(script, { recursive: true }), execFileSync("mkfifo", [script])),
  ];
  for (const change of changes) {
    change();
    await eventually(async () => (await codes(agent, "a")).includes("special-file"));
    expect(await agent.batch("a")).toMatchObject({ state: "scheduled", revision: before.revision });
    rmSync(script, { recursive: true });
    writeFileSync(script, "echo one\n");
    await eventually(async () => (await codes(agent, "a")).length === 0);
  }
  // the whole batch: a file of its name, and the folder again
  renameSync(join(place.batches, "a"), join(place.batches, ".a"));
  writeFileSync(join(place.batches, "a"), "");
  await eventually(async () => (await agent.batch("a")).state === "removed");
  rmSync(join(place.batches, "a"));
  renameSync(join(place.batches, ".a"), join(place.batches, "a"));
  await eventually(async () =>
    ((batch) => batch.state === "scheduled" && batch.revision === before.revision)(await agent.batch("a")),
  );
});
