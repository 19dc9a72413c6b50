// init as typed: what it makes is sound, runs, and nothing that is there is touched.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { startAgent } from "../helpers/agent.ts";
import { type } from "../helpers/cli.ts";
import { eventually, temporaryFolder } from "../helpers/tmp.ts";

const filesOf = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1))
    .filter((path) => !path.startsWith(".git/"))
    .sort();
const contents = (folder: string) => filesOf(folder).map((file) => [file, readFileSync(join(folder, file), "utf8")]);

interface Workflow {
  jobs: { validate: { steps: { run?: string }[] } };
}

test("a first folder is valid, runs as a chain, and a second init changes nothing", async () => {
  const home = temporaryFolder();
  const made = await type(home, ["init"]);
  expect([made.code, made.stderr]).toEqual([0, ""]);
  expect(filesOf(home)).toEqual([
    ".github/workflows/batches.yml",
    ".gitignore",
    "batches.d/.schemas/batch.schema.json",
    "batches.d/.schemas/group.schema.json",
    "batches.d/_group.yaml",
    "batches.d/hello-report/batch.yaml",
    "batches.d/hello-report/script.sh",
    "batches.d/hello/batch.yaml",
    "batches.d/hello/script.sh",
  ]);
  expect(await type(home, ["validate"])).toEqual({ code: 0, stdout: "2 batches, no problems\n", stderr: "" });
  const ran = await type(home, ["exec", "hello", "--chain"]);
  expect([ran.code, ran.stdout]).toEqual([0, expect.stringMatching(/report 1:\n {2}apples: \d+\n {2}pears: \d+\n$/)]);
  for (const [file, text] of contents(join(home, "batches.d"))) {
    const schema = /^# yaml-language-server: \$schema=(\S+)$/m.exec(text as string)?.[1];
    if (!/\.yaml$/.test(file as string)) continue;
    expect(existsSync(join(home, "batches.d", file as string, "..", schema ?? "none"))).toBe(true);
  }

  const before = contents(home);
  const again = await type(home, ["init"]);
  expect([again.code, again.stdout.includes("made")]).toEqual([0, false]);
  expect(contents(home)).toEqual(before);

  const place = { home, batches: join(home, "batches.d"), data: join(home, "data") };
  const agent = await startAgent(place);
  await type(home, ["trigger", "hello", "--param", "BASKETS=1"]);
  await eventually(async () => (await agent.executions("?batch=hello-report&status=succeeded")).length === 1);
}, 60_000);

test("beside batches that are there already nothing is said of examples", async () => {
  const home = temporaryFolder();
  mkdirSync(join(home, "batches.d", "mine"), { recursive: true });
  const made = await type(home, ["init"]);
  expect([made.code, made.stdout]).toEqual([0, expect.stringMatching(/^batches\.d holds mine already/) as string]);
  expect(made.stdout).toContain("  batch-agent validate  every problem of the folder\n");
  expect(made.stdout).not.toContain("hello");
});

test("in a git work tree the workflow lies at its top and checks this folder; what is there is kept", async () => {
  const home = temporaryFolder();
  execFileSync("git", ["init", "-q"], { cwd: home });
  mkdirSync(join(home, "ops", "first batches", "hello"), { recursive: true });
  writeFileSync(join(home, "ops", "first batches", "hello", "batch.yaml"), 'cron: "@daily"\n');
  writeFileSync(join(home, ".gitignore"), "data/\n");
  symlinkSync("/nowhere", join(home, "ops", "first batches", "_group.yaml"));
  const { code, stdout } = await type(join(home, "ops"), ["init", "first batches"]);
  expect(code).toBe(0);
  expect(stdout).toContain("kept ../.gitignore, which is there already\n  consider adding to it: .env\n");
  expect(readFileSync(join(home, ".gitignore"), "utf8")).toBe("data/\n");
  expect(filesOf(home)).toEqual([
    ".github/workflows/batches.yml",
    ".gitignore",
    "ops/first batches/.schemas/batch.schema.json",
    "ops/first batches/.schemas/group.schema.json",
    "ops/first batches/hello-report/batch.yaml",
    "ops/first batches/hello-report/script.sh",
    "ops/first batches/hello/batch.yaml",
  ]);
  const workflow = parse(readFileSync(join(home, ".github/workflows/batches.yml"), "utf8")) as Workflow;
  expect(workflow.jobs.validate.steps.at(-1)?.run).toBe("batch-agent validate 'ops/first batches' --format github\n");
});

test("a folder that holds other batches gets none of ours; a file in its place is refused", async () => {
  const home = temporaryFolder();
  mkdirSync(join(home, "batches.d", "billing"), { recursive: true });
  const { code, stdout } = await type(home, ["init"]);
  expect([code, stdout]).toEqual([0, expect.stringContaining("holds billing already")]);
  expect(filesOf(home)).toEqual([".github/workflows/batches.yml", ".gitignore"]);
  writeFileSync(join(home, "file"), "");
  expect(await type(home, ["init", "file"])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("file is not a folder") as string,
  });
});
