import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { commitUrl, createCommits } from "../../agent/sources/commit-info.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

const id = "0123456789abcdef0123456789abcdef01234567";

test.each([
  ["https://github.com/acme/jobs.git", `https://github.com/acme/jobs/commit/${id}`],
  ["git@github.com:acme/jobs.git", `https://github.com/acme/jobs/commit/${id}`],
  ["ssh://git@github.example.org:2222/acme/jobs", `https://github.example.org/acme/jobs/commit/${id}`],
  ["https://gitlab.com/acme/data/jobs.git/", `https://gitlab.com/acme/data/jobs/-/commit/${id}`],
  ["http://gitea.local:3000/acme/jobs.git", `http://gitea.local:3000/acme/jobs/commit/${id}`],
  ["https://codeberg.org/acme/jobs", `https://codeberg.org/acme/jobs/commit/${id}`],
  ["git@bitbucket.org:acme/jobs.git", `https://bitbucket.org/acme/jobs/commits/${id}`],
  [
    "https://bitbucket.example.org/scm/OPS/jobs.git",
    `https://bitbucket.example.org/projects/OPS/repos/jobs/commits/${id}`,
  ],
  ["https://git.example.org/acme/jobs.git", null],
  ["https://notgithub.example.org/acme/jobs.git", null],
  ["https://github.com/", null],
  ["file:///srv/github.com/acme/jobs.git", null],
  ["/srv/jobs.git", null],
])("the page of a commit of %s", (remote, want) => {
  expect(commitUrl(remote, id)).toBe(want);
});

test("subject, author and time come from git; what it does not know is null, and all is at hand then", async () => {
  const folder = temporaryFolder();
  const git = (...args: string[]) => execFileSync("git", ["-C", folder, ...args], { encoding: "utf8" }).trim();
  git("init", "-q");
  git("-c", "user.name=Jörg Ö", "-c", "user.email=j@x", "commit", "-q", "--allow-empty", "-m", "Fix €\n\nBody");
  const head = git("rev-parse", "HEAD");
  const commits = createCommits(join(folder, ".git"), "git@github.com:acme/jobs.git", process.env["PATH"]);
  expect(commits.known(head)).toBeUndefined();
  const want = { subject: "Fix €", author: "Jörg Ö", url: `https://github.com/acme/jobs/commit/${head}` };
  const answers = await Promise.all([commits.info(head), commits.info(id), commits.info(null), commits.info("--all")]);
  expect(answers).toMatchObject([want, null, null, null]);
  expect(answers[0]?.at).toMatch(/^20\d\d-.*\.000Z$/);
  expect([commits.known(head), commits.known(id), commits.known(null)]).toMatchObject([want, null, null]);
});
