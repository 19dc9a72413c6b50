// What README and docs tell people to type and to write, typed and written: the first steps against a real agent, and
// every example file of a page as a folder that must be valid.
import { execFile } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { startAgent, workplace } from "../helpers/agent.ts";
import { main, type } from "../helpers/cli.ts";
import { blocksOf, readPages, root } from "../helpers/docs.ts";
import { eventually } from "../helpers/tmp.ts";

const pages = readPages();
const readme = pages.find(({ path }) => path === "README.md")?.text ?? "";

function section(title: string): string {
  return readme.split(/^## /m).find((part) => part.startsWith(`${title}\n`)) ?? "";
}

function sh(cwd: string, script: string, env: Record<string, string> = {}) {
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((done) => {
    const child = execFile(
      "bash",
      ["-eu", "-c", script],
      { cwd, env: { ...process.env, ...env } },
      (_error, stdout, stderr) => done({ code: child.exitCode, stdout, stderr }),
    );
  });
}

/** Files that a page shows: YAML blocks that begin with a comment that names a path below batches.d. */
function filesOf(text: string): { path: string; text: string }[] {
  return blocksOf(text, "yaml").flatMap((block) => {
    const path = /^# (batches\.d\/[\w./-]+\.yaml)/.exec(block)?.[1];
    return path === undefined ? [] : [{ path, text: block }];
  });
}

function write(home: string, files: readonly { path: string; text: string }[], script: string): void {
  for (const { path, text } of files) {
    mkdirSync(join(home, dirname(path)), { recursive: true });
    writeFileSync(join(home, path), text);
    if (path.endsWith("batch.yaml")) writeFileSync(join(home, dirname(path), "script.sh"), script);
  }
}

test("a batch in 60 seconds, as README has it", { timeout: 90_000 }, async () => {
  const [make = "", look = "", before = "", ...more] = blocksOf(section("A batch in 60 seconds"), "sh");
  expect(more).toEqual([]);
  const place = workplace();
  symlinkSync(join(root, "dist"), join(place.home, "dist"));
  const agent = await startAgent(place);
  const env = { BATCH_AGENT_URL: agent.url };
  expect(await sh(place.home, make)).toMatchObject({ code: 0, stderr: "" });
  await eventually(async () => (await agent.executions("?batch=hello&status=succeeded")).length > 0, 20_000);
  const looked = await sh(place.home, look.replaceAll("http://127.0.0.1:8080", agent.url), env);
  expect(looked).toMatchObject({ code: 0, stderr: "" });
  expect(looked.stdout).toContain("hello from hello\n");
  expect(looked.stdout).toContain('"status":"succeeded"');
  const checked = await sh(place.home, before, env);
  expect(checked).toMatchObject({ code: 0 });
  expect(checked.stdout).toContain("1 batch, no problems\n");
  expect(checked.stdout).toContain("hello from hello\n");
});

test("operating, as README has it", { timeout: 90_000 }, async () => {
  const [look = "", mend = "", ...more] = blocksOf(section("Operating it"), "sh");
  expect(more).toEqual([]);
  const place = workplace();
  const bin = join(place.home, "bin");
  mkdirSync(bin);
  writeFileSync(join(bin, "batch-agent"), `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`, { mode: 0o755 });
  place.put("extract", 'cron: "0 2 * * *"\n', "echo rows\n");
  place.put("report", "after: extract\ninput: previous\n", "exit 3\n");
  const agent = await startAgent(place);
  const env = { BATCH_AGENT_URL: agent.url, PATH: `${bin}:${process.env["PATH"]}` };
  expect((await type(place.home, ["trigger", "extract"])).code).toBe(0);
  const failed = await eventually(async () => (await agent.executions("?batch=report&status=failed"))[0]);
  // `logs -f` ends with the code of the script.
  const looked = await sh(place.home, `set +e\n${look}`, env);
  expect(looked).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/report +chained[^]*\n01[0-9A-Z]{24}\n$/) as string,
  });
  const { revision } = await agent.batch("report");
  place.put("report", null, 'echo "$(cat), attempt $BATCH_ATTEMPT"\nif ((BATCH_ATTEMPT > 1)); then sleep 600; fi\n');
  await eventually(async () => (await agent.batch("report")).revision !== revision);
  // The same page has one id for what is looked at, what is run again and what is ended.
  const typed = mend.replace("cancel 01JD…", `cancel ${failed.run}`).replaceAll("01JD…", failed.id);
  const mended = await sh(place.home, typed, env);
  expect(mended).toMatchObject({ code: 0 });
  const again = (await agent.executions(`?run=${failed.run}&batch=report`)).map(({ attempt, reason }) => [
    attempt,
    reason,
  ]);
  expect(again[1]).toEqual([1, "exit"]);
  await eventually(
    async () => (await agent.executions(`?run=${failed.run}&batch=report`))[0]?.reason === "cancelled",
    30_000,
  );
  expect((await agent.executions("?batch=extract&status=succeeded&limit=500")).length).toBe(1 + 7);
});

test("the chain of README runs, its output handed on", { timeout: 60_000 }, async () => {
  const { home } = workplace();
  const files = filesOf(section("A chain"));
  expect(files.map(({ path }) => path)).toEqual([
    "batches.d/billing/_group.yaml",
    "batches.d/billing/extract/batch.yaml",
    "batches.d/billing/report/batch.yaml",
  ]);
  write(home, files, 'echo "$BATCH_NAME has read: $(cat)"\n');
  const ran = await type(home, ["exec", "extract", "--chain"]);
  expect([ran.code, ran.stdout]).toEqual([0, expect.stringContaining("report has read: extract has read:") as string]);
});

describe("examples of batch.yaml and _group.yaml are valid", () => {
  const shown = pages.map(({ path, text }) => ({ path, files: filesOf(text) })).filter(({ files }) => files.length > 0);
  test.each(shown)("$path", async ({ files }) => {
    const { home } = workplace();
    write(home, files, "true\n");
    expect(await type(home, ["validate"])).toMatchObject({ code: 0, stderr: "" });
    expect(await type(home, ["next"])).toMatchObject({ code: 0 });
  });
  test("README, groups and the pages for those who come from elsewhere have some", () => {
    expect(shown.map(({ path }) => path)).toEqual(
      expect.arrayContaining([
        "README.md",
        "docs/groups.md",
        "docs/coming-from-cronicle.md",
        "docs/coming-from-kubernetes-cronjob.md",
      ]),
    );
  });
});
