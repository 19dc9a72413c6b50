// What somebody else puts in the place of a folder of the data folder while the agent runs: it is moved aside and the
// folder made anew at once, it is told, batches go on to start, and SIGTERM ends the agent with 0.
import { chmodSync, lstatSync, mkdirSync, readdirSync, renameSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { askAgent } from "../../agent/executions/command-box.ts";
import { startAgent, workplace, type RunningAgent, type StartedBy } from "../helpers/agent.ts";
import { repository } from "../helpers/git.ts";
import { forEachKind, giveAway, isRoot, nobody, obstacles, put, type Obstacle } from "../helpers/obstacles.ts";
import { eventually, temporaryFolder } from "../helpers/tmp.ts";

const { "a folder": _file, ...files } = obstacles;
const kinds: Record<string, Obstacle[1]> = {
  ...files,
  nothing: () => undefined,
  "a link to nowhere": (path) => symlinkSync("/nowhere/at/all", path),
  "an empty folder": (path) => mkdirSync(path),
  "a folder without rights": (path) => mkdirSync(path, { mode: 0 }),
  "a link to another folder": (path) => {
    const elsewhere = temporaryFolder();
    giveAway(elsewhere);
    symlinkSync(elsewhere, path);
  },
};

function start(place: ReturnType<typeof workplace>, args: string[] = [], by: StartedBy = {}): Promise<RunningAgent> {
  chmodSync(place.home, 0o777);
  return startAgent(place, ["--grace", "1s", ...args], {
    patienceMs: 60_000,
    ...(isRoot ? { uid: nobody } : {}),
    ...by,
  });
}

/** Batches start and succeed that were due after now. */
async function startsGoOn(agent: RunningAgent): Promise<void> {
  const since = Date.now();
  for (const batch of ["other", "evil"])
    await eventually(async () => {
      const rows = await agent.executions(`?batch=${batch}&status=succeeded&limit=20`);
      return rows.some(({ startedAt }) => Date.parse(startedAt ?? "") > since);
    }, 60_000);
}

const often = 'cron: "* * * * * *"\nkeep: {executions: 20}\nconcurrency: allow\n';

test("every folder, while the agent runs", async () => {
  await forEachKind(kinds, async (kind) => {
    const place = workplace();
    const { data } = place;
    for (const name of ["other", "evil"]) place.put(name, often, 'echo x > "$BATCH_STATE_DIR/x"\n');
    const agent = await start(place);
    await startsGoOn(agent);
    const rounds = [
      ["journal", "commands", "outbox"],
      ["batches/evil/executions", "batches/evil/state"],
      ["batches/evil", "revisions"],
      ["batches"],
    ];
    for (const round of rounds) {
      for (const path of round) {
        put(kind, join(data, path));
        giveAway(join(data, path));
      }
      await startsGoOn(agent);
    }
    // A folder in the place of a folder may be one that is just as good.
    const mustTell = kind[0].includes("folder") ? [] : ["journal", "commands", "outbox", "revisions", "batches"];
    await eventually(async () => {
      const { items } = await agent.json<{ items: { code: string; message: string }[] }>("/api/problems");
      const told = items.filter(({ code }) => code === "data-folder-replaced").map(({ message }) => message);
      return mustTell.every((name) => told.some((message) => message.includes(`the folder ${name}`)));
    }, 60_000);
    await eventually(async () => (await agent.get("/readyz")).status === 200, 60_000);
    const request = { kind: "trigger", batch: "other", params: {}, dueAt: null } as const;
    const asked = () => askAgent(data, { actor: "test@here", note: null, request }, { waitMs: 20_000 });
    await eventually(async () => typeof (await asked()) === "object", 60_000);
    for (const page of ["/", "/problems", "/batches/evil", "/api/executions"])
      expect((await agent.get(page)).status).toBe(200);
    expect((await agent.exit("SIGTERM")).code).toBe(0);
    expect(readdirSync(join(data, "journal")).filter((name) => name.endsWith(".jsonl"))).toEqual([]);
    expect(lstatSync(join(data, "batches/evil/history.json")).isFile()).toBe(true);
  });
}, 400_000);

test("the data folder itself, moved away", async () => {
  const place = workplace();
  const folder = join(place.home, "of-the-agent");
  mkdirSync(folder);
  chmodSync(folder, 0o777);
  const moved = { ...place, data: join(folder, "data") };
  for (const name of ["other", "evil"]) place.put(name, often, "true\n");
  const agent = await start(moved);
  await startsGoOn(agent);
  renameSync(moved.data, `${moved.data}.moved`);
  await startsGoOn(agent);
  await eventually(() => lstatSync(join(moved.data, "agent.lock")).isFile(), 60_000);
  const { items } = await agent.json<{ items: { message: string }[] }>("/api/problems");
  expect(items.map(({ message }) => message).join("\n")).toContain(`the data folder ${moved.data} was gone`);
  expect((await agent.exit("SIGTERM")).code).toBe(0);
}, 120_000);

test("folders of a repository that is followed", async () => {
  const {
    "a FIFO": fifo,
    nothing,
    "an empty folder": empty,
    "a link to nowhere": link,
  } = kinds as Required<typeof kinds>;
  await forEachKind({ fifo, nothing, empty, link } as typeof kinds, async (kind) => {
    const place = workplace();
    const repo = repository(join(place.home, "repo"));
    const settings = (text: string) => ({ "other/batch.yaml": often, "other/script.sh": text });
    repo.commit({ ...settings("true\n"), "evil/batch.yaml": often, "evil/script.sh": "true\n" });
    const agent = await start(place, ["--git-url", `file://${repo.path}`, "--git-interval", "1s"], {
      folder: false,
      ...(isRoot ? { uid: 0 } : {}), // whose the repository is
    });
    await startsGoOn(agent);
    for (const [count, path] of ["git/repo.git", "git/trees", "git/current", "git"].entries()) {
      put(kind, join(place.data, path));
      giveAway(join(place.data, path));
      const commit = repo.commit(settings(`echo ${count}\n`));
      await eventually(async () => {
        const rows = await agent.executions("?batch=other&status=succeeded&limit=5");
        return rows.some((row) => row.commit === commit);
      }, 90_000);
    }
    expect((await agent.exit("SIGTERM")).code).toBe(0);
  });
}, 600_000);
