// What somebody else puts in the place of a file (a FIFO, a device, a link to itself, a folder, a gigabyte of holes,
// a file without rights) at every path that others can write to: it is said, it holds up nothing else, and SIGTERM
// ends the agent.
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { askAgent } from "../../agent/executions/command-box.ts";
import { startAgent, workplace, type RunningAgent } from "../helpers/agent.ts";
import { repository } from "../helpers/git.ts";
import { forEachKind, giveAway, isRoot, nobody, obstacles, put, type Obstacle } from "../helpers/obstacles.ts";
import { eventually } from "../helpers/tmp.ts";

/** Git's lock alone is waited for 20 s. */
const patienceMs = 90_000;

function house() {
  const place = workplace();
  const repo = repository(place.home);
  const secret = join(place.home, "secret.env");
  writeFileSync(secret, "A=1\n");
  const often = 'cron: "* * * * * *"\nkeep: {executions: 20}\n';
  place.put("other", often, "cat lib.txt\n");
  writeFileSync(join(place.batches, "other/lib.txt"), "lib\n");
  place.put("with-secret", `${often}envFile: ${secret}\n`, "true\n");
  place.put("record", often, "true\n");
  for (const name of ["evil-settings", "evil-script", "evil-file"]) place.put(name, 'cron: "0 0 1 1 *"\n', "true\n");
  repo.git("add", "-A");
  repo.git("commit", "-qm", "all");
  giveAway(place.home);
  chmodSync(place.home, 0o755);
  return {
    ...place,
    secret,
    start: () => startAgent(place, ["--grace", "1s"], { patienceMs: 90_000, ...(isRoot ? { uid: nobody } : {}) }),
    /**
     * Every path of the folder, of git and of the agent's own that is read or written as a file, or a folder of
     * files.
     */
    replaceAll(kind: Obstacle): void {
      const { batches, data, home } = place;
      put(kind, join(batches, "evil-settings/batch.yaml"));
      put(kind, join(batches, "evil-script/script.sh"));
      put(kind, join(batches, "evil-file/lib.txt"));
      put(kind, secret);
      for (const file of ["HEAD", "commondir", "packed-refs", "refs/heads/main", "refs/packed-refs", "index.lock"])
        put(kind, join(home, ".git", file));
      for (const file of ["agent.lock", "agent.lock.takeover", ".probe", "commands", "groups.json", "groups.json.tmp"])
        put(kind, join(data, file));
      for (const file of ["history.index", "history.index.tmp"]) put(kind, join(data, file));
      for (const file of ["1.jsonl", "2.jsonl"]) put(kind, join(data, "journal", file));
      for (const file of ["history.json", "history.json.tmp"]) put(kind, join(data, "batches/record", file));
      mkdirSync(join(data, "outbox"), { recursive: true });
      for (const file of ["m.json", "m.json.tmp"]) put(kind, join(data, "outbox", file));
      for (const revision of readdirSync(join(data, "revisions")))
        if (existsSync(join(data, "revisions", revision, "lib.txt")))
          put(kind, join(data, "revisions", revision, "lib.txt"));
      giveAway(home);
    },
  };
}

async function succeeded(agent: RunningAgent, batch: string): Promise<number> {
  const rows = await agent.executions(`?batch=${batch}&status=succeeded&limit=100`);
  return Math.max(0, ...rows.map(({ createdAt }) => Date.parse(createdAt)));
}

async function goesOn(agent: RunningAgent, at: ReturnType<typeof house>): Promise<void> {
  const since = Date.now();
  await eventually(async () => (await succeeded(agent, "other")) > since + 2_000, patienceMs);
  await eventually(async () => (await succeeded(agent, "record")) > since, patienceMs);
  // Once at least: a busy machine may hold up any single answer.
  await eventually(async () => {
    const began = performance.now();
    return (await agent.get("/healthz")).status === 200 && performance.now() - began < 1_000;
  }, patienceMs);
  for (const page of ["/problems", "/", "/api/executions"]) expect((await agent.get(page)).status).toBe(200);
  // It is said where it belongs.
  for (const name of ["evil-settings", "evil-script"])
    await eventually(
      async () => (await agent.batch(name)).problems.length > 0 || (await agent.batch(name)).state === "invalid",
      patienceMs,
    );
  const failed = await eventually(
    async () => (await agent.executions("?batch=with-secret&status=failed"))[0],
    patienceMs,
  );
  expect(failed).toMatchObject({ reason: "spawn" });
  await eventually(() => agent.log().includes("git's files cannot be read"), patienceMs);
  await eventually(() => agent.log().includes("agent.lock; it was set aside"), patienceMs);
  await eventually(async () => (await agent.get("/readyz")).status === 200, patienceMs);
  const request = { kind: "trigger", batch: "other", params: {}, dueAt: null } as const;
  const asked = askAgent(at.data, { actor: "test@here", note: null, request }, { waitMs: patienceMs });
  expect(await asked).toHaveProperty("ids");
}

async function ends(agent: RunningAgent, { data }: { data: string }): Promise<void> {
  expect((await agent.exit("SIGTERM")).code).toBe(0);
  const path = join(data, "batches/record/history.json");
  expect(lstatSync(path).isFile()).toBe(true);
  expect((JSON.parse(readFileSync(path, "utf8")) as { name: string }).name).toBe("record");
}

test("while the agent runs", async () => {
  await forEachKind(obstacles, async (kind) => {
    const at = house();
    const agent = await at.start();
    await eventually(async () => (await succeeded(agent, "other")) > 0);
    at.replaceAll(kind);
    await goesOn(agent, at);
    await ends(agent, at);
  });
}, 300_000);

test("before it starts", async () => {
  await forEachKind(obstacles, async (kind) => {
    const at = house();
    const before = await at.start();
    await eventually(async () => (await succeeded(before, "other")) > 0);
    await before.exit("SIGTERM");
    at.replaceAll(kind);
    const agent = await at.start();
    await goesOn(agent, at);
    const problems = await agent.json<{ items: { code: string; batch: string }[] }>("/api/problems");
    expect(problems.items).toContainEqual(expect.objectContaining({ code: "history-corrupt", batch: "record" }));
    expect(agent.log()).toContain("a waiting message cannot be read; it was set aside");
    await ends(agent, at);
  });
}, 300_000);
