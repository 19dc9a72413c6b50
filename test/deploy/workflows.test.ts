// The workflows of .github and deploy/ci by actionlint, and the steps that need no service of GitHub's by running them.
import { execFile, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { root } from "../helpers/docs.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

interface Workflow {
  permissions?: object;
  jobs: Record<string, { "timeout-minutes"?: number; steps: { name?: string; uses?: string; run?: string }[] }>;
}

const folder = join(root, ".github/workflows");
const own = readdirSync(folder).map((name) => ({
  name,
  workflow: parse(readFileSync(join(folder, name), "utf8")) as Workflow,
}));
const isThere = spawnSync("actionlint", ["--version"]).status === 0;
if (!isThere)
  console.warn("passed over: there is no actionlint (go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.7)");

test.skipIf(!isThere)("actionlint has nothing against them, and would have", () => {
  const lint = (...files: string[]) => spawnSync("actionlint", files, { cwd: root, encoding: "utf8" });
  const files = [...own.map(({ name }) => join(folder, name)), join(root, "deploy/ci/batches.yml")];
  expect(lint(...files)).toMatchObject({ status: 0, stdout: "" });
  const broken = join(temporaryFolder(), "broken.yml");
  writeFileSync(broken, readFileSync(files[0] ?? "", "utf8").replace("github.repository", "github.repositry"));
  expect(lint(broken).stdout).toContain("repositry");
});

test.each(own)("$name takes no more rights than it says, and ends", ({ workflow }) => {
  expect(workflow.permissions).toEqual({ contents: "read" });
  for (const job of Object.values(workflow.jobs)) expect(job["timeout-minutes"]).toBeGreaterThan(0);
});

const release = own.find(({ name }) => name === "release.yml")?.workflow;

function step(job: string, name: string): string {
  return release?.jobs[job]?.steps.find((one) => one.name === name)?.run ?? "exit 99";
}

/** Runs a step as GitHub does, in a folder with a version, a chart and a changelog; `gh` and `npm` only print. */
function runStep(script: string, tag: string) {
  const home = temporaryFolder();
  mkdirSync(join(home, "deploy/helm/batch-agent"), { recursive: true });
  mkdirSync(join(home, "bin"));
  for (const program of ["gh", "npm"])
    writeFileSync(join(home, "bin", program), '#!/bin/sh\necho "$0" "$@"\n', { mode: 0o755 });
  writeFileSync(join(home, "package.json"), '{"version":"1.2.0"}');
  writeFileSync(join(home, "deploy/helm/batch-agent/Chart.yaml"), "version: 1.2.0\n");
  writeFileSync(join(home, "CHANGELOG.md"), "# Changelog\n\n## [1.2.0] - 2026-12-01\n\n- new\n\n## [1.1.0]\n\n- old\n");
  const env = {
    PATH: `${join(home, "bin")}:${process.env["PATH"]}`,
    ...{ GITHUB_REF_NAME: tag, GITHUB_SERVER_URL: "https://git.example.org", GITHUB_REPOSITORY: "acme/batch-agent" },
  };
  return new Promise<{ code: number | null; stdout: string; home: string }>((done) => {
    const child = execFile(
      "bash",
      ["--noprofile", "--norc", "-eo", "pipefail", "-c", script],
      { cwd: home, env },
      (_error, stdout) => done({ code: child.exitCode, stdout, home }),
    );
  });
}

test("a release is of one version, with its part of the changelog", async () => {
  const check = step("check", "tag, package, chart and changelog name one version");
  expect((await runStep(check, "v1.2.0")).code).toBe(0);
  expect((await runStep(check, "v1.1.0")).code).not.toBe(0);
  const { code, home, stdout } = await runStep(step("package", "release"), "v1.2.0");
  expect([code, readFileSync(join(home, "notes.md"), "utf8").trim()]).toEqual([0, "- new"]);
  expect(stdout).toContain("release create v1.2.0");
  const from = await runStep(step("package", "where it comes from"), "v1.2.0");
  expect(from.stdout).toContain("repository.url=git+https://git.example.org/acme/batch-agent.git");
});
