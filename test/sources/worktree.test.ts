// HEAD as git's own files tell it, against real repositories and `git rev-parse`.
import { execFileSync } from "node:child_process";
import { chownSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createWorkTree } from "../../agent/sources/worktree.ts";
import { repository } from "../helpers/git.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

const commitOf = async (root: string) => (await createWorkTree(root).read()).commit;

describe("the work tree around a folder", () => {
  test("none; no commit yet; a branch, its subfolder and a link to it; packed; detached", async () => {
    const home = temporaryFolder();
    expect(await commitOf(home)).toBeNull();
    expect(await commitOf(join(home, "nowhere"))).toBeNull();
    const repo = repository(join(home, "repo"));
    expect(await commitOf(repo.path)).toBeNull();
    const first = repo.commit({ "batches.d/a/script.sh": "true\n" });
    const folder = join(repo.path, "batches.d");
    symlinkSync(folder, join(home, "link"));
    for (const root of [repo.path, folder, join(home, "link")]) expect(await commitOf(root)).toBe(first);
    repo.git("pack-refs", "--all");
    rmSync(join(repo.path, ".git/refs/heads"), { recursive: true });
    mkdirSync(join(repo.path, ".git/refs/heads"));
    expect(readFileSync(join(repo.path, ".git/packed-refs"), "utf8")).toContain("refs/heads/main");
    expect(await commitOf(folder)).toBe(first);
    const second = repo.commit({ "batches.d/a/script.sh": "false\n" });
    expect(await commitOf(folder)).toBe(second);
    repo.git("checkout", "-q", "--detach", first);
    expect(await commitOf(folder)).toBe(first);
  });

  test("a branch among 400,000 packed ones, first or last or in between, and names that look like it", async () => {
    const repo = repository(join(temporaryFolder(), "repo"));
    const commit = repo.commit({ a: "1" });
    const others = Array.from({ length: 400_000 }, (_, i) => `${"b".repeat(40)} refs/heads/main/${i}\n`).join("");
    const alike = ["x/refs/heads/main", "refs/heads/main2", "refs/heads/mai", "refs/tags/main", "efs/heads/main"];
    const decoys = alike.map((name) => `${"c".repeat(40)} ${name}\n`).join("") + `${"d".repeat(64)} refs/heads/main\n`;
    rmSync(join(repo.path, ".git/refs/heads/main"));
    const own = `${commit} refs/heads/main`;
    for (const list of [
      `# pack-refs with: peeled fully-peeled sorted \n${decoys}${others}${own}`,
      `${own}\n${others}`,
      `${others}${decoys}${own}\n^${"e".repeat(40)}\n${others}`,
    ]) {
      writeFileSync(join(repo.path, ".git/packed-refs"), list);
      expect(await commitOf(repo.path)).toBe(commit);
    }
    writeFileSync(join(repo.path, ".git/packed-refs"), decoys + others);
    expect(await commitOf(repo.path)).toBeNull();
  });

  test("a linked work tree, of a bare repository too, and a submodule have HEADs of their own", async () => {
    const home = temporaryFolder();
    const repo = repository(join(home, "repo"));
    const first = repo.commit({ "batches.d/a/script.sh": "true\n" });
    repo.git("worktree", "add", "-q", "-b", "side", join(home, "side"));
    const second = repo.commit({ "batches.d/a/script.sh": "false\n" });
    expect(await commitOf(join(home, "side/batches.d"))).toBe(first);
    expect(await commitOf(join(repo.path, "batches.d"))).toBe(second);
    repo.git("clone", "-q", "--bare", ".", join(home, "bare.git"));
    execFileSync("git", ["-C", join(home, "bare.git"), "worktree", "add", "-q", "--detach", join(home, "tree"), first]);
    expect(await commitOf(join(home, "tree/batches.d"))).toBe(first);
    const outer = repository(join(home, "outer"));
    outer.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", repo.path, "inner");
    outer.git("commit", "-qm", "inner");
    expect(await commitOf(join(outer.path, "inner/batches.d"))).toBe(second);
    expect(await commitOf(outer.path)).not.toBe(second);
  });

  test("it is locked while git holds its index, and what cannot be read of it is no error", async () => {
    const repo = repository(join(temporaryFolder(), "repo"));
    const tree = createWorkTree(repo.path);
    const commit = repo.commit({ a: "1" });
    expect(await tree.read()).toEqual({ commit, lockedAt: null });
    writeFileSync(join(repo.path, ".git/index.lock"), "");
    expect((await tree.read()).lockedAt).toBeGreaterThan(Date.now() - 60_000);
    rmSync(join(repo.path, ".git/index.lock"));
    for (const text of ["ref: refs/heads/.invalid\n", "ref: refs/../../secret\n", "nonsense", ""]) {
      writeFileSync(join(repo.path, ".git/HEAD"), text);
      expect(await tree.read()).toEqual({ commit: null, lockedAt: null });
    }
    rmSync(join(repo.path, ".git"), { recursive: true });
    writeFileSync(join(repo.path, ".git"), "gitdir: nowhere\n");
    expect(await tree.read()).toEqual({ commit: null, lockedAt: null });
  });
});

test.skipIf(process.getuid?.() !== 0)("a repository of another owner is not believed, one of root's is", async () => {
  const repo = repository(join(temporaryFolder(), "repo"));
  const commit = repo.commit({ "batches.d/a/script.sh": "true\n" });
  const folder = join(repo.path, "batches.d");
  writeFileSync(join(repo.path, ".git", "index.lock"), "");
  chownSync(join(repo.path, ".git"), 1234, 1234);
  expect(await createWorkTree(folder).read()).toEqual({ commit: null, lockedAt: null });
  chownSync(folder, 1234, 1234);
  expect(await commitOf(folder)).toBe(commit);
  chownSync(join(repo.path, ".git"), 0, 0);
  expect(await commitOf(folder)).toBe(commit);
});
