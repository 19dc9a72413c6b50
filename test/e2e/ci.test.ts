// The examples for CI and git under deploy/, tried with real git: the hook refuses what is broken, the workflow's
// steps say what changes.
import { execFile, execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { workplace } from "../helpers/agent.ts";
import { main } from "../helpers/cli.ts";

const limit = 120_000;
const deploy = join(import.meta.dirname, "../../deploy");

/** A work tree with the program on its PATH. */
function repository() {
  const place = workplace();
  const bin = join(place.home, "bin");
  mkdirSync(bin);
  writeFileSync(join(bin, "batch-agent"), `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`, { mode: 0o755 });
  const identity = {
    GIT_AUTHOR_NAME: "t",
    GIT_AUTHOR_EMAIL: "t@example.com",
    GIT_COMMITTER_NAME: "t",
    GIT_COMMITTER_EMAIL: "t@example.com",
    GIT_CONFIG_GLOBAL: "/dev/null",
  };
  const env = { ...process.env, ...identity, PATH: `${bin}:${process.env["PATH"]}` };
  const run = (
    command: string,
    args: readonly string[],
    more: Record<string, string> = {},
  ): Promise<{ code: number | null; said: string }> =>
    new Promise((done) => {
      const child = execFile(command, args, { cwd: place.home, env: { ...env, ...more } }, (_error, stdout, stderr) =>
        done({ code: child.exitCode, said: stdout + stderr }),
      );
    });
  execFileSync("git", ["init", "-q", "-b", "main"], { cwd: place.home, env });
  writeFileSync(join(place.home, ".gitignore"), "bin\n");
  return { ...place, run, git: (...args: string[]) => run("git", args) };
}

test("the hook refuses a commit with a broken batch, by what is staged", { timeout: limit }, async () => {
  const { home, put, git } = repository();
  copyFileSync(join(deploy, "ci/pre-commit"), join(home, ".git/hooks/pre-commit"));
  chmodSync(join(home, ".git/hooks/pre-commit"), 0o755);
  const commits = async () => (await git("rev-list", "--all", "--count")).said.trim();

  put("report", 'cron: "61 * * * *"\n', "true");
  await git("add", "-A");
  put("report", 'cron: "1 * * * *"\n', null); // mended in the work tree, and not staged
  const refused = await git("commit", "-qm", "broken");
  expect([refused.code, await commits()]).toEqual([1, "0"]);
  expect(refused.said).toContain("batches.d/report/batch.yaml:1:7: bad-cron: ");

  await git("add", "-A");
  put("report", "cron: nonsense\n", null); // broken in the work tree, and not staged
  expect(await git("commit", "-qm", "mended")).toMatchObject({ code: 0 });
  writeFileSync(join(home, "notes.txt"), "x");
  await git("add", "notes.txt");
  expect(await git("commit", "-qm", "something else")).toMatchObject({ code: 0 });
  expect(await commits()).toBe("2");
});

test(
  "the hook finds the program in node_modules or where git's settings say, and installs nothing",
  { timeout: limit },
  async () => {
    const { home, put, git } = repository();
    copyFileSync(join(deploy, "ci/pre-commit"), join(home, ".git/hooks/pre-commit"));
    chmodSync(join(home, ".git/hooks/pre-commit"), 0o755);
    rmSync(join(home, "bin/batch-agent"));
    writeFileSync(join(home, "bin/npx"), "#!/bin/sh\ntouch npx-was-called\n", { mode: 0o755 });
    put("report", 'cron: "61 * * * *"\n', "true");
    await git("add", "-A");
    const missing = await git("commit", "-qm", "x");
    expect([missing.code, missing.said]).toEqual([
      1,
      expect.stringContaining("batch-agent is not installed") as string,
    ]);
    expect(existsSync(join(home, "npx-was-called"))).toBe(false);

    await git("config", "batch-agent.program", main);
    const refused = await git("commit", "-qm", "x");
    expect([refused.code, refused.said]).toEqual([1, expect.stringContaining("bad-cron: ") as string]);
    await git("config", "--unset", "batch-agent.program");
    mkdirSync(join(home, "node_modules/.bin"), { recursive: true });
    writeFileSync(
      join(home, "node_modules/.bin/batch-agent"),
      `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`,
      {
        mode: 0o755,
      },
    );
    const again = await git("commit", "-qm", "x");
    expect([again.code, again.said]).toEqual([1, expect.stringContaining("bad-cron: ") as string]);
    put("report", 'cron: "1 * * * *"\n', null);
    await git("add", "batches.d");
    expect(await git("commit", "-qm", "x")).toMatchObject({ code: 0 });
  },
);

test("the workflow's steps put problems on their lines and the plan into the summary", { timeout: limit }, async () => {
  const { home, put, drop, git, run } = repository();
  put("old", 'cron: "@daily"\n', "true");
  put("report", 'cron: "1 2 * * *"\n', "true");
  await git("add", "-A");
  await git("commit", "-qm", "base");
  await git("update-ref", "refs/remotes/origin/main", "HEAD");
  drop("old");
  put("report", 'cron: "1 3 * * *"\n', null);
  const workflow = parse(readFileSync(join(deploy, "ci/batches.yml"), "utf8")) as {
    jobs: { batches: { steps: { name?: string; run?: string }[] } };
  };
  const summary = join(home, "bin/summary.md");
  appendFileSync(summary, "");
  const step = (name: string) => {
    const script = workflow.jobs.batches.steps.find((one) => one.name === name)?.run ?? "exit 99";
    return run("bash", ["--noprofile", "--norc", "-eo", "pipefail", "-c", script], {
      GITHUB_BASE_REF: "main",
      GITHUB_STEP_SUMMARY: summary,
    });
  };
  expect(await step("validate")).toMatchObject({ code: 0 });
  expect(await step("plan")).toMatchObject({ code: 0 });
  const told = readFileSync(summary, "utf8");
  expect(told).toContain("0 added, 1 removed, 1 changed, 0 unchanged; no problems");
  expect(told).toContain('cron: "1 2 \\* \\* \\*" → "1 3 \\* \\* \\*"');

  put("report", 'cron: "1 99 * * *"\n', null);
  expect(await step("validate")).toMatchObject({
    code: 1,
    said: expect.stringContaining("::error file=batches.d/report/batch.yaml,line=1,col=7,title=bad-cron::") as string,
  });
  expect((await step("plan")).code).toBe(1);
});

test("the example for VS Code names the schema that is shipped", () => {
  const settings = JSON.parse(readFileSync(join(deploy, "editors/vscode-settings.json"), "utf8")) as {
    "yaml.schemas": Record<string, string>;
  };
  const [path = ""] = Object.keys(settings["yaml.schemas"]);
  expect(() => readFileSync(join(deploy, "..", path.replace("node_modules/batch-agent/", "")))).not.toThrow();
});
