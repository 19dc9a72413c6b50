// The agent follows a repository by itself: a real remote behind git's own http-backend, and the built program.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { startAgent, workplace, type RunningAgent } from "../helpers/agent.ts";
import { repository } from "../helpers/git.ts";
import { gitServer } from "../helpers/git-server.ts";
import { eventually } from "../helpers/tmp.ts";

const everySecond = 'cron: "* * * * * *"\n';
const job = (text: string) => ({
  "jobs/report/batch.yaml": `${everySecond}env: { YAML: "${text}" }\n`,
  "jobs/report/script.sh": `echo $YAML ${text}\n`,
});

interface Ready {
  ready: boolean;
  reasons: string[];
  details: {
    git: { url: string; ref: string | null; commit: string | null; lastFetchedAt: string | null; error: string | null };
  };
}
const readyz = (agent: RunningAgent) => agent.json<Ready>("/readyz");
const git = async (agent: RunningAgent) => (await readyz(agent)).details.git;
const codes = async (agent: RunningAgent) =>
  (await agent.json<{ items: { code: string }[] }>("/api/problems")).items.map(({ code }) => code);

/** A work tree and the bare repository it is pushed to, served. */
async function remote(home: string, token: string | null = null) {
  const work = repository(join(home, "work"));
  const bare = join(home, "served/repo.git");
  execFileSync("git", ["init", "-q", "--bare", "-b", "main", bare]);
  work.git("remote", "add", "origin", bare);
  const server = await gitServer(join(home, "served"), token);
  return {
    work,
    server,
    bareGit: (...args: string[]) =>
      execFileSync("git", ["-C", bare, ...args], { encoding: "utf8", stdio: "pipe" }).trim(),
    push(files: Record<string, string | null>, ...options: string[]): string {
      const commit = work.commit(files);
      work.git("push", "-q", ...options, "origin", "HEAD");
      return commit;
    },
  };
}

function follow(
  place: ReturnType<typeof workplace>,
  url: string,
  args: string[] = [],
  env: Record<string, string> = {},
) {
  const own = { GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1", ...env };
  return startAgent(
    place,
    ["--git-url", url, "--git-path", "jobs", "--git-interval", "1s", "--resync", "1h", ...args],
    { env: own, folder: false },
  );
}

/** A success of `report` that printed this, at this commit. */
async function ran(agent: RunningAgent, text: string, commit: string) {
  return eventually(async () => {
    const row = (await agent.executions("?batch=report&status=succeeded")).find(
      (candidate) => candidate.commit === commit,
    );
    return (
      row !== undefined && (await (await agent.get(`/api/executions/${row.id}/stdout`)).text()) === `${text} ${text}\n`
    );
  }, 60_000);
}

test("ready means that the batches of the first commit are in force", async () => {
  const place = workplace();
  const { server, push } = await remote(place.home);
  const names = Array.from({ length: 20 }, (_, i) => `job-${i}`);
  push(
    Object.fromEntries(
      names.flatMap((name) => [
        [`jobs/${name}/batch.yaml`, 'cron: "@yearly"\n'],
        [`jobs/${name}/script.sh`, "true\n"],
      ]),
    ),
  );
  const agent = await follow(place, server.url("repo.git"));
  await eventually(async () => (await agent.get("/readyz")).status === 200);
  const { items } = await agent.json<{ items: { state: string }[] }>("/api/batches");
  expect(items.map(({ state }) => state)).toEqual(names.map(() => "scheduled"));
});

describe("--git-url", () => {
  test("clones, follows commits and a force push; else the last good commit stays in force", async () => {
    const place = workplace();
    const { push, work, server, bareGit } = await remote(place.home);
    const first = push(job("one"));
    const agent = await follow(place, server.url("repo.git"), ["--git-ref", "main"]);
    await ran(agent, "one", first);
    expect(await readyz(agent)).toMatchObject({
      ready: true,
      details: { git: { url: server.url("repo.git"), ref: "main", commit: first, error: null } },
    });
    expect(readdirSync(join(place.data, "git/trees"))).toEqual([first]);
    const second = push(job("two"));
    await ran(agent, "two", second);
    await eventually(() => readdirSync(join(place.data, "git/trees")).join() === second);

    work.git("reset", "-q", "--hard", first);
    const forced = push(job("forced"), "--force");
    await ran(agent, "forced", forced);

    // A commit without the folder, then one with a broken batch: that one batch keeps its last valid revision.
    const without = push({ jobs: null, "README.md": "no jobs" });
    await eventually(async () => (await git(agent)).error?.includes("has no folder jobs"));
    expect(await git(agent)).toMatchObject({ commit: forced });
    expect(await codes(agent)).toEqual(["git-not-followed"]);
    expect((await agent.batch("report")).state).toBe("scheduled");
    expect(without).not.toBe(forced);
    const broken = push({
      ...job("broken"),
      "jobs/report/batch.yaml": "cron: nonsense\n",
      "jobs/other/batch.yaml": everySecond,
      "jobs/other/script.sh": "true\n",
    });
    await eventually(async () => (await git(agent)).commit === broken && (await codes(agent)).join() === "bad-cron");
    expect((await agent.batch("report")).state).toBe("scheduled");
    expect((await agent.batch("report")).problems).toMatchObject([{ file: "jobs/report/batch.yaml" }]);
    expect((await agent.batch("other")).state).toBe("scheduled");
    const mended = push(job("mended"));
    await ran(agent, "mended", mended);

    // The ref vanishes, and comes back.
    bareGit("update-ref", "-d", "refs/heads/main");
    await eventually(async () => (await git(agent)).error?.includes("no branch or tag main"));
    expect(await codes(agent)).toEqual(["git-not-followed"]);
    expect((await readyz(agent)).ready).toBe(true);
    const back = push(job("back"));
    agent.child.kill("SIGHUP");
    await ran(agent, "back", back);
    await eventually(async () => (await codes(agent)).length === 0);

    // The remote is down, also over a restart, and comes back.
    await server.down();
    await eventually(async () => (await git(agent)).error !== null);
    await agent.exit("SIGTERM");
    const again = await follow(place, server.url("repo.git"), ["--git-ref", "main"]);
    const since = new Date().toISOString();
    await eventually(
      async () => (await again.executions(`?status=succeeded&batch=report&since=${since}`))[0]?.commit === back,
    );
    await eventually(async () => (await codes(again)).join() === "git-not-followed");
    expect(await readyz(again)).toMatchObject({ ready: true, details: { git: { commit: back, lastFetchedAt: null } } });
    const later = push(job("later"));
    await server.up();
    again.child.kill("SIGHUP");
    await ran(again, "later", later);
    await eventually(async () => (await codes(again)).length === 0);
  }, 240_000);

  test("what a git that was killed left behind does not keep its commit from being taken", async () => {
    const place = workplace();
    const { push, work, server } = await remote(place.home);
    const first = push(job("one"));
    const agent = await follow(place, server.url("repo.git"));
    await ran(agent, "one", first);
    const second = work.commit(job("two"));
    const trees = join(place.data, "git/trees");
    mkdirSync(join(trees, `.new-${second}/half`), { recursive: true });
    for (const left of [".index", ".index.lock"]) writeFileSync(join(trees, `.new-${second}${left}`), "torn");
    work.git("push", "-q", "origin", "HEAD");
    await ran(agent, "two", second);
    expect((await git(agent)).error).toBeNull();
  });

  test("a tag, annotated and moved; two agents on one remote; a remote that comes up after the agent", async () => {
    const place = workplace();
    const other = workplace();
    const { push, work, server } = await remote(place.home);
    const first = push(job("one"));
    work.git("tag", "-a", "-m", "a release", "live");
    work.git("push", "-q", "origin", "live");
    const second = push(job("two"));
    await server.down();
    const agent = await follow(place, server.url("repo.git"), ["--git-ref", "live"]);
    await eventually(async () => (await git(agent)).error !== null);
    expect((await agent.get("/readyz")).status).toBe(503);
    expect((await readyz(agent)).reasons.join()).toContain("no commit");
    expect(await codes(agent)).toEqual(["git-not-followed"]);
    await server.up();
    agent.child.kill("SIGHUP");
    await ran(agent, "one", first);
    expect((await agent.get("/readyz")).status).toBe(200);
    const newest = await follow(other, server.url("repo.git"));
    await ran(newest, "two", second); // its default branch
    work.git("tag", "-f", "-a", "-m", "another", "live", second);
    work.git("push", "-q", "-f", "origin", "live");
    await ran(agent, "two", second);
    expect(await git(newest)).toMatchObject({ ref: null, commit: second, error: null });
  }, 180_000);

  test.each(["a credential helper that reads a file", "the URL"])(
    "a wrong token in %s is told without it, and the right one is taken",
    async (where) => {
      const place = workplace();
      const [right, wrong] = ["r1ghtt0ken-8461", "wr0ngt0ken-9377"];
      const { push, server } = await remote(place.home, right);
      const commit = push(job("one"));
      const tokenFile = join(place.home, "token");
      writeFileSync(tokenFile, wrong);
      const helper = {
        GIT_CONFIG_COUNT: "1",
        GIT_CONFIG_KEY_0: "credential.helper",
        GIT_CONFIG_VALUE_0: `!f() { echo username=robot; echo "password=$(cat ${tokenFile})"; }; f`,
      };
      const byUrl = where === "the URL";
      const start = (token: string) =>
        follow(place, server.url("repo.git", byUrl ? `robot:${token}@` : ""), [], byUrl ? {} : helper);
      let agent = await start(wrong);
      await eventually(async () => (await git(agent)).error?.includes("Authentication failed"));
      let said = agent.log();
      const answers: string[] = [];
      const collect = async () => {
        for (const path of ["/readyz", "/api/problems", "/api/batches", "/", "/problems", "/metrics"])
          answers.push(await (await agent.get(path)).text());
      };
      await collect();
      if (byUrl) {
        await agent.exit("SIGTERM");
        said += agent.log();
        agent = await start(right);
      } else {
        writeFileSync(tokenFile, right);
        agent.child.kill("SIGHUP");
      }
      await ran(agent, "one", commit);
      await collect();
      await agent.exit("SIGTERM");
      for (const secret of [right, wrong]) {
        expect(said + agent.log()).not.toContain(secret);
        expect(answers.join()).not.toContain(secret);
        expect(spawnSync("grep", ["-r", "-l", secret, place.data], { encoding: "utf8" }).stdout).toBe("");
      }
      expect(said).toContain("Authentication failed");
    },
    120_000,
  );

  test("hooks, submodules and links that leave the repository are not followed", async () => {
    const place = workplace();
    const { push, work, server } = await remote(place.home);
    const marker = join(place.home, "marker");
    push(job("one"));
    const inner = repository(join(place.home, "inner"));
    inner.commit({ a: "1" });
    work.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", inner.path, "jobs/report/inner");
    work.write({ "hooks/post-checkout": `#!/bin/sh\ntouch ${marker}\n`, ".gitattributes": "* filter=evil\n" });
    execFileSync("ln", ["-s", place.home, join(work.path, "outside")]);
    const commit = push({});
    const agent = await follow(place, server.url("repo.git"));
    await ran(agent, "one", commit);
    expect(readdirSync(join(place.data, "git/trees", commit, "jobs/report/inner"))).toEqual([]);
    expect(readdirSync(place.home)).not.toContain("marker");
    await agent.exit("SIGTERM");
    const astray = await follow(place, server.url("repo.git"), ["--git-path", "outside"]);
    await eventually(async () => (await git(astray)).error?.includes("has no folder outside"));
  }, 120_000);

  test.each([
    { args: ["--git-url", "--upload-pack=touch x"], says: "--git-url" },
    { args: ["--git-url", "ext::sh -c touch% x"], says: "--git-url" },
    { args: ["--git-url", "https://u:hunter2@example.org/ x"], says: "--git-url" },
    { args: ["--git-url", "https://example.org/x", "--git-ref=--output=x"], says: "--git-ref" },
    { args: ["--git-url", "https://example.org/x", "--git-path", "../x"], says: "--git-path" },
    { args: ["batches.d", "--git-url", "https://example.org/x"], says: "batches.d" },
  ])("refused: $args", ({ args, says }) => {
    const place = workplace();
    mkdirSync(place.data);
    const main = join(import.meta.dirname, "../../dist/main.js");
    const result = spawnSync(process.execPath, [main, "run", ...args, "--data", place.data, "--port", "0"], {
      cwd: place.home,
      encoding: "utf8",
      timeout: 30_000,
    });
    expect(result.status).toBe(2);
    expect(result.stderr).toContain(says);
    expect(result.stderr).not.toContain("hunter2");
  });
});

test("50,000 branches and tags whose names look like the followed one hide nothing, nor do those that come", async () => {
  const place = workplace();
  const { work, server, push, bareGit } = await remote(place.home);
  const first = push(job("one"));
  const bare = join(place.home, "served/repo.git");
  const names = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => i + from).map(
      (i) =>
        [`heads/main-${i}`, `heads/x${i}/refs/heads/main`, `tags/main/${i}`, `tags/v${i}/main`].at(i % 4) as string,
    );
  bareGit("pack-refs", "--all");
  const list = names(0, 50_000).map((name) => `${first} refs/${name}\n`);
  const packed = readFileSync(join(bare, "packed-refs"), "utf8").replace(/^#.*\n/, "");
  writeFileSync(join(bare, "packed-refs"), packed + list.join(""));
  const agent = await follow(place, server.url("repo.git"), ["--git-ref", "main"]);
  await ran(agent, "one", first);
  const added = names(50_000, 50_200).map((name) => `create refs/${name} ${first}\n`);
  execFileSync("git", ["-C", bare, "update-ref", "--stdin"], { input: added.join("") });
  const second = work.commit(job("two"));
  work.git("push", "-q", "origin", "HEAD");
  await ran(agent, "two", second);
  await eventually(async () => {
    const began = performance.now();
    return (await agent.get("/healthz")).status === 200 && performance.now() - began < 1_000;
  }, 60_000);
}, 150_000);
