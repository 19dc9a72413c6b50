// Git at work under the folder while batches run: each operation is one change, whole, and names its commit.
import { execFileSync } from "node:child_process";
import { renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { startAgent, workplace, type RunningAgent } from "../helpers/agent.ts";
import { repository } from "../helpers/git.ts";
import { eventually } from "../helpers/tmp.ts";

/** How many batches the tree holds: CHECKOUT_BATCHES=2000 for a tree as large as they come. */
const count = Number(process.env["CHECKOUT_BATCHES"] ?? 300);
const [some, more] = [0.15 * count, 0.3 * count];

const daily = 'cron: "0 4 * * *"\n';
const everySecond = 'cron: "* * * * * *"\n';

interface Listed {
  name: string;
  state: string;
  commit: string | null;
  definition: { description?: string } | null;
}

/** What the log said of each batch, in order: `changed`, `removed` or `in force`. */
function told(log: string): { batch: string; what: string }[] {
  return [...log.matchAll(/"batch":"([^"]+)"(?:,"revision":"[^"]+")?,"msg":"batch (changed|removed|in force)"/g)].map(
    (match) => ({
      batch: match[1] as string,
      what: match[2] as string,
    }),
  );
}

async function list(agent: RunningAgent): Promise<Map<string, Listed>> {
  const { items } = await agent.json<{ items: Listed[] }>("/api/batches");
  return new Map(items.map((item) => [item.name, item]));
}

describe("git under the folder", () => {
  test("checkout, pull and reset --hard: each batch changes once, none in both trees is ever off", async () => {
    const place = workplace();
    const upstream = repository(join(place.home, "upstream"));
    const files = (from: number, to: number, description: string) =>
      Object.fromEntries(
        Array.from({ length: to - from }, (_, i) => i + from).flatMap((i) => [
          [`batch-${i}/batch.yaml`, `${daily}description: ${description}\n`],
          [`batch-${i}/script.sh`, `echo ${i} ${description}\n`],
        ]),
      );
    const steady = { "steady/batch.yaml": everySecond, "steady/script.sh": "echo steady\n" };
    const long = { "long/batch.yaml": everySecond, "long/script.sh": "echo one; sleep 2; echo two\n" };
    const first = upstream.commit({ ...steady, ...long, ...files(0, count, "first") });
    rmSync(place.batches, { recursive: true });
    execFileSync("git", ["clone", "-q", upstream.path, place.batches]);
    const gone = Object.fromEntries(Array.from({ length: some }, (_, i) => [`batch-${i}`, null]));
    const second = upstream.commit({
      ...gone,
      ...files(more, count, "second"),
      ...files(count, count + some, "second"),
      "long/script.sh": "echo three; sleep 2; echo four\n",
    });
    const git = (...args: string[]) => execFileSync("git", ["-C", place.batches, ...args], { stdio: "pipe" });

    const agent = await startAgent(place, ["--resync", "1h"], { patienceMs: 240_000 });
    await eventually(async () => (await list(agent)).size === count + 2, 240_000);
    for (const { commit } of (await list(agent)).values()) expect(commit).toBe(first);
    await eventually(async () => (await agent.executions("?batch=steady&status=succeeded"))[0]);
    const began = new Date().toISOString();

    const names = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `batch-${i + from}`);
    const operations = [
      { does: ["pull", "-q"], to: second },
      { does: ["reset", "-q", "--hard", first], to: first },
      { does: ["checkout", "-q", second], to: second },
    ];
    for (const { does, to } of operations) {
      const before = agent.log().length;
      git(...does);
      const [here, text] = to === first ? [names(0, count), "first"] : [names(some, count + some), "second"];
      const off = to === first ? names(count, count + some) : names(0, some);
      await eventually(async () => {
        const batches = await list(agent);
        const wrong = [
          ...here.filter((name) => batches.get(name)?.state !== "scheduled"),
          ...off.filter((name) => batches.get(name)?.state !== "removed"),
          ...names(more, count).filter((name) => batches.get(name)?.definition?.description !== text),
        ];
        if (wrong.length > 0)
          throw new Error(`${does[0]}: ${wrong.length} are not as they should be: ${wrong.slice(0, 5).join(" ")}`);
        return true;
      }, 400_000);
      const batches = await list(agent);
      for (const name of [...here, "long", "steady"]) expect(batches.get(name)?.commit).toBe(to);
      const events = told(agent.log().slice(before));
      const once = [...names(more, count), "long"].map((batch) => ({ batch, what: "changed" }));
      const came = here
        .filter((name) => !names(some, count).includes(name))
        .map((batch) => ({ batch, what: "in force" }));
      const went = off.map((batch) => ({ batch, what: "removed" }));
      const key = ({ batch, what }: { batch: string; what: string }) => `${batch} ${what}`;
      expect(events.map(key).sort()).toEqual([...once, ...came, ...went].map(key).sort());
    }

    // What ran meanwhile ran whole, in one version or the other, and `steady` missed no second.
    const ran = await eventually(async () => {
      const rows = await agent.executions(`?since=${began}&batch=long&status=succeeded&limit=500`);
      return rows.length > 0 && rows.map((row) => row.id);
    });
    for (const id of ran)
      expect(["one\ntwo\n", "three\nfour\n"]).toContain(await (await agent.get(`/api/executions/${id}/stdout`)).text());
    const seconds = (await agent.executions(`?since=${began}&batch=steady&limit=500`))
      .map((row) => Date.parse(row.trigger.dueAt))
      .sort((a, b) => a - b);
    expect(seconds).toEqual(seconds.map((_, i) => (seconds[0] as number) + i * 1_000));
    expect((await agent.json<{ items: unknown[] }>("/api/problems")).items).toEqual([]);
  }, 1_500_000);

  test("git-sync's way: a link at the root swapped between work trees; executions name their commit", async () => {
    const place = workplace();
    rmSync(place.batches, { recursive: true });
    const repo = repository(join(place.home, "repo"));
    const version = (n: number) => ({
      "jobs/report/batch.yaml": `${everySecond}env: { YAML: "${n}" }\n`,
      "jobs/report/script.sh": `echo $YAML ${n}\n`,
      "jobs/same/batch.yaml": daily,
      "jobs/same/script.sh": "true\n",
    });
    const commits = [1, 2, 3, 4].map((n) => repo.commit(version(n)));
    const swap = (commit: string) => {
      repo.git("worktree", "add", "-q", "--detach", join(place.home, commit), commit);
      symlinkSync(join(place.home, commit, "jobs"), `${place.batches}.tmp`);
      renameSync(`${place.batches}.tmp`, place.batches);
    };
    swap(commits[0] as string);
    const agent = await startAgent(place, ["--resync", "1h"]);
    for (const [i, commit] of commits.entries()) {
      if (i > 0) swap(commit);
      const row = await eventually(
        async () =>
          (await agent.executions("?batch=report&status=succeeded")).find((candidate) => candidate.commit === commit),
        30_000,
      );
      expect(await (await agent.get(`/api/executions/${row.id}/stdout`)).text()).toBe(`${i + 1} ${i + 1}\n`);
      expect(await agent.json("/api/batches/report")).toMatchObject({ commit, revision: row.revision });
      await eventually(async () => (await agent.json<Listed>("/api/batches/same")).commit === commit);
      if (i > 0) repo.git("worktree", "remove", "--force", join(place.home, commits[i - 1] as string));
    }
    expect(told(agent.log()).filter(({ what }) => what === "removed")).toEqual([]);
    // Back to an earlier content by a later commit.
    const back = repo.commit(version(1));
    swap(back);
    await eventually(async () => (await agent.json<Listed>("/api/batches/report")).commit === back);
  }, 120_000);
});
