// Repositories that mean harm, followed by the git there is.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { openRemote } from "../../agent/sources/git.ts";
import { repository } from "../helpers/git.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function follow(
  url: string,
  { ref = "main", bytes = 2 ** 20, entries = 100, verify = null as string | null, config = "/dev/null" } = {},
) {
  const data = temporaryFolder();
  const env = { ...process.env, GIT_CONFIG_GLOBAL: config, GIT_CONFIG_NOSYSTEM: "1" };
  const remote = await openRemote(data, { url, ref, path: "", limits: { bytes, entries }, verify }, env);
  return { remote, data, trees: () => readdirSync(join(data, "git", "trees")) };
}

function repo() {
  return repository(join(temporaryFolder(), "repo"));
}

test("a tree that is too large is told before it is unpacked, and leaves nothing", async () => {
  const origin = repo();
  const good = origin.commit({ "a/script.sh": "true\n" });
  const { remote, trees } = await follow(origin.path);
  await remote.checkout(await remote.ask());
  const large = Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`big/${i}`, "x".repeat(100_000)]));
  origin.commit(large);
  expect((await remote.checkout(await remote.ask())).refused).toContain("--archive-bytes");
  const many = Object.fromEntries(Array.from({ length: 110 }, (_, i) => [`many/${i}`, "x"]));
  origin.commit({ big: null, ...many });
  expect((await remote.checkout(await remote.ask())).refused).toContain("--archive-entries");
  expect(trees()).toEqual([good]);
  origin.commit({ many: null });
  expect((await remote.checkout(await remote.ask())).refused).toBe(null);
});

test("equal folders nested in each other do not keep it busy", async () => {
  const origin = repo();
  origin.commit({ x: "x" });
  const git = (args: string[], input: string) =>
    execFileSync("git", ["-C", origin.path, ...args], { input, encoding: "utf8" }).trim();
  let tree = git(["mktree"], "");
  for (let depth = 0; depth < 12; depth++)
    // 10^12 folders
    tree = git(["mktree"], Array.from({ length: 10 }, (_, i) => `040000 tree ${tree}\tf${i}\n`).join(""));
  origin.git("update-ref", "refs/heads/main", origin.git("commit-tree", "-m", "bomb", tree));
  const { remote, trees } = await follow(origin.path);
  const began = performance.now();
  expect((await remote.checkout(await remote.ask())).refused).toContain("--archive-entries");
  expect(performance.now() - began).toBeLessThan(10_000);
  expect(trees()).toEqual([]);
}, 30_000);

test("files come out as they were committed, whatever their attributes ask for", async () => {
  const origin = repo();
  const text = "$Id$ a line\nand another\n";
  origin.commit({
    ".gitattributes":
      "utf16 working-tree-encoding=UTF-16\ncrlf text eol=crlf\nid ident\nfiltered filter=evil diff=evil\n",
    crlf: text,
    id: text,
    filtered: text,
  });
  origin.git("config", "filter.evil.smudge", "echo smudged");
  const { remote } = await follow(origin.path);
  await remote.checkout(await remote.ask());
  for (const name of ["crlf", "id", "filtered"]) expect(readFileSync(join(remote.folder, name), "utf8")).toBe(text);
});

test("a short name that is both a branch and a tag is not followed, a full one is", async () => {
  const origin = repo();
  const tagged = origin.commit({ x: "1" });
  origin.git("tag", "prod");
  const { remote } = await follow(origin.path, { ref: "prod" });
  expect((await remote.ask()).commit).toBe(tagged);
  origin.commit({ x: "2" });
  origin.git("branch", "prod");
  await expect(remote.ask()).rejects.toThrow("both a branch and a tag");
  const full = await follow(origin.path, { ref: "refs/tags/prod" });
  expect((await full.remote.ask()).commit).toBe(tagged);
});

test("refs that end alike hide nothing", async () => {
  const origin = repo();
  const commit = origin.commit({ x: "1" });
  const refs = Array.from({ length: 3_000 }, (_, i) => `create refs/heads/a${i}/refs/heads/main ${commit}\n`).join("");
  execFileSync("git", ["-C", origin.path, "update-ref", "--stdin"], { input: refs });
  const { remote } = await follow(origin.path);
  expect(await remote.ask()).toEqual({ name: "refs/heads/main", commit });
}, 30_000);

test("a password goes to its own host and to no other, after a redirect too", async () => {
  const told: Record<string, string[]> = { own: [], other: [] };
  const serve = (name: string, answer: (request: IncomingMessage) => [number, Record<string, string>]) =>
    new Promise<number>((done) => {
      const server = createServer((request, response) => {
        if (request.headers.authorization !== undefined) told[name]?.push(request.headers.authorization);
        response.writeHead(...answer(request)).end();
      });
      servers.push(server);
      server.listen(0, "127.0.0.1", () => done((server.address() as AddressInfo).port));
    });
  const demand: [number, Record<string, string>] = [401, { "WWW-Authenticate": 'Basic realm="r"' }];
  const other = await serve("other", () => demand);
  const own = await serve("own", ({ headers, url }) =>
    headers.authorization === undefined && url?.startsWith("/asks") === true
      ? demand
      : [302, { Location: `http://127.0.0.1:${other}${url}` }],
  );
  for (const path of ["asks/r.git", "r.git"]) {
    const { remote } = await follow(`http://robot:GITPW99@127.0.0.1:${own}/${path}`);
    await expect(remote.ask()).rejects.toThrow();
  }
  expect(told["own"]?.length).toBeGreaterThan(0);
  expect(told["other"]).toEqual([]);
}, 30_000);

test("files come out as they were committed; nothing of a repository or its filters is run", async () => {
  const origin = repo();
  origin.commit({ "a/script.sh": "echo $Id$\r\n", "a/b.txt": "x\n" });
  const home = join(origin.path, "..");
  const touch = (name: string) => `touch ${join(home, "ran")}-${name}`;
  const add = (path: string, text: string) => {
    const args = ["-C", origin.path, "hash-object", "-w", "--stdin"];
    const blob = execFileSync("git", args, { input: text, encoding: "utf8" }).trim();
    origin.git("update-index", "--add", "--cacheinfo", `100644,${blob},${path}`);
  };
  add(
    ".gitattributes",
    "* filter=evil diff=evil text eol=crlf ident\n*.txt working-tree-encoding=UTF-16 filter=slow\n",
  );
  add(".gitmodules", `[submodule "x"]\n\tpath = x\n\turl = ext::${touch("submodule")}\n`);
  origin.git("update-index", "--add", "--cacheinfo", `160000,${origin.git("rev-parse", "HEAD")},x`);
  const id = origin.git("commit-tree", origin.git("write-tree"), "-m", "evil");
  origin.git("update-ref", "refs/heads/main", id);
  const config = join(home, "config");
  const hooks = join(home, "hooks");
  writeFileSync(
    config,
    `[filter "evil"]\n\tsmudge = ${touch("smudge")}\n\trequired\n[filter "slow"]\n\tprocess = ${touch("process")}\n` +
      `[diff "evil"]\n\ttextconv = ${touch("textconv")}\n[submodule]\n\trecurse = true\n` +
      `[core]\n\thooksPath = ${hooks}\n\tfsmonitor = ${touch("fsmonitor")}\n`,
  );
  mkdirSync(hooks);
  for (const hook of ["post-checkout", "post-index-change", "reference-transaction", "pre-auto-gc"])
    writeFileSync(join(hooks, hook), `#!/bin/sh\n${touch(hook)}\n`, { mode: 0o755 });
  const { remote } = await follow(origin.path, { config });
  expect(await remote.checkout(await remote.ask())).toEqual({ commit: id, refused: null });
  expect(readFileSync(join(remote.folder, "a/script.sh"), "utf8")).toBe("echo $Id$\r\n");
  expect(readFileSync(join(remote.folder, "a/b.txt"), "utf8")).toBe("x\n");
  expect(readdirSync(home).filter((name) => name.startsWith("ran"))).toEqual([]);
});
