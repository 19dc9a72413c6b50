// Archives with the built program: dropped in, replaced, broken, mended, removed, and what the commands make of them.
import { spawnSync } from "node:child_process";
import { appendFileSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { startAgent, workplace } from "../helpers/agent.ts";
import { gzip, tar, zip } from "../helpers/archives.ts";
import { eventually, temporaryFolder } from "../helpers/tmp.ts";

const entries = (script: string, cron = "* * * * * *") => [
  { name: "report/batch.yaml", data: `cron: "${cron}"\n` },
  { name: "report/script.sh", data: script },
  { name: "report/lib/tool", data: "#!/bin/sh\necho tool\n", mode: 0o100755 },
];

describe("archives", () => {
  test("one is dropped in, runs, is replaced, broken, doubled and removed", async () => {
    const place = workplace();
    const agent = await startAgent(place);
    const put = (file: string, bytes: Buffer) => writeFileSync(join(place.batches, file), bytes);
    const output = async (id: string) => (await agent.get(`/api/executions/${id}/stdout`)).text();

    put("report.zip", zip(entries("echo one; lib/tool\n")));
    const first = await eventually(async () => (await agent.executions("?batch=report&status=succeeded"))[0]);
    expect(await output(first.id)).toBe("one\ntool\n");
    expect(await agent.batch("report")).toMatchObject({
      name: "report",
      state: "scheduled",
      revision: first.revision,
      problems: [],
    });

    // replaced, by rename as careful people do
    put(".report.zip.new", zip(entries("echo two\n")));
    renameSync(join(place.batches, ".report.zip.new"), join(place.batches, "report.zip"));
    const second = await eventually(async () =>
      (await agent.executions("?batch=report&status=succeeded")).find((row) => row.revision !== first.revision),
    );
    expect(await output(second.id)).toBe("two\n");

    // broken: the last valid revision stays in force and goes on running, over a restart too
    put("report.zip", zip(entries("echo three\n")).subarray(0, 300));
    const broken = await eventually(async () =>
      ((batch) => batch.problems.length > 0 && batch)(await agent.batch("report")),
    );
    expect(broken).toMatchObject({
      state: "scheduled",
      revision: second.revision,
      problems: [{ batch: "report.zip", code: "bad-archive" }],
    });
    expect(broken.problems[0]?.file.endsWith("batches.d/report.zip")).toBe(true);
    const since = new Date().toISOString();
    await eventually(
      async () =>
        (await agent.executions(`?batch=report&status=succeeded&since=${since}`))[0]?.revision === second.revision,
    );

    // invalid inside
    put("report.zip", zip(entries("echo three\n", "nonsense")));
    await eventually(async () =>
      (await agent.batch("report")).problems.some(
        ({ code, file, line }) => code === "bad-cron" && file.endsWith("batches.d/report.zip/batch.yaml") && line === 1,
      ),
    );

    // another kind beside it is a problem of both; once the old one is gone the new one is in force
    put("report.tar.gz", gzip(tar(entries("echo four\n"))));
    await eventually(
      async () => (await agent.batch("report")).problems.filter(({ code }) => code === "two-sources").length === 2,
    );
    rmSync(join(place.batches, "report.zip"));
    const fourth = await eventually(async () =>
      ((batch) => batch.problems.length === 0 && batch.revision !== second.revision && batch)(
        await agent.batch("report"),
      ),
    );
    expect(fourth.state).toBe("scheduled");

    // removed
    rmSync(join(place.batches, "report.tar.gz"));
    await eventually(async () => (await agent.batch("report")).state === "removed");
    expect((await agent.json<{ items: unknown[] }>("/api/problems")).items).toEqual([]);
    expect(await agent.exit("SIGTERM")).toEqual({ code: 0, signal: null });
  });

  test("one that is copied bit by bit never shows as a problem", async () => {
    const place = workplace();
    const agent = await startAgent(place);
    const seen: unknown[] = [];
    for (const [file, bytes] of [
      ["a.zip", zip(entries("echo a\n"))],
      ["b.tar.gz", gzip(tar(entries("echo b\n")))],
      ["c.tar", tar(entries("echo c\n"))],
    ] as const) {
      for (let at = 0; at < bytes.length; at += Math.ceil(bytes.length / 8)) {
        appendFileSync(join(place.batches, file), bytes.subarray(at, at + Math.ceil(bytes.length / 8)));
        await new Promise((done) => setTimeout(done, 250)); // the copy takes its time
        seen.push(...(await agent.json<{ items: unknown[] }>("/api/problems")).items);
      }
      await eventually(async () => (await agent.batch(file[0] as string)).state === "scheduled");
    }
    expect(seen).toEqual([]);
  });

  test("an archive of a batch that is known is no removal when the agent starts anew", async () => {
    const place = workplace();
    writeFileSync(join(place.batches, "report.tgz"), gzip(tar(entries("true\n", "0 4 * * *"))));
    let agent = await startAgent(place);
    const before = await agent.batch("report");
    expect(before.state).toBe("scheduled");
    await agent.exit("SIGTERM");
    agent = await startAgent(place);
    expect(await agent.batch("report")).toMatchObject({ state: "scheduled", revision: before.revision });
    expect(agent.log()).not.toContain("batch removed");
  });
});

describe("commands on archives", () => {
  const main = join(import.meta.dirname, "../../dist/main.js");
  const agent = (cwd: string, args: string[], env: Record<string, string> = {}) =>
    spawnSync(process.execPath, [main, ...args], { cwd, encoding: "utf8", env: { ...process.env, ...env } });

  test("validate, next and exec read them, and leave nothing behind", () => {
    const home = temporaryFolder();
    const folder = join(home, "batches.d");
    const temporary = join(home, "tmp");
    mkdirSync(folder);
    mkdirSync(temporary);
    const env = { TMPDIR: temporary };
    writeFileSync(
      join(folder, "good.tar.gz"),
      gzip(tar(entries("echo out of an archive; lib/tool\nexit 7\n", "0 4 * * *"))),
    );
    expect(agent(home, ["validate"], env).status).toBe(0);
    expect(agent(home, ["next", "-n", "2"], env).stdout).toMatch(/good[\s\S]*good/);
    expect(agent(home, ["exec", "good"], env)).toMatchObject({ status: 7, stdout: "out of an archive\ntool\n" });

    writeFileSync(
      join(folder, "wrong.zip"),
      zip([
        { name: "batch.yaml", data: "cron: '0 4 * * *'\n# a line\nretries: 3\n" },
        { name: "script.sh", data: "true\n" },
      ]),
    );
    writeFileSync(join(folder, "half.zip"), zip(entries("true\n")).subarray(0, 200));
    const told = agent(home, ["validate"], env);
    expect(told.status).toBe(1);
    expect(told.stdout).toContain("batches.d/wrong.zip/batch.yaml:3:1");
    expect(told.stdout).toMatch(/batches\.d\/half\.zip.*cut off/);
    expect(agent(home, ["exec", "wrong"], env).status).toBe(1);
    const limited = agent(home, ["validate", "--format", "json"], { ...env, BATCH_AGENT_ARCHIVE_ENTRIES: "2" });
    expect(JSON.parse(limited.stdout)).toMatchObject({
      items: expect.arrayContaining([
        expect.objectContaining({ batch: "good.tar.gz", code: "too-many-files" }),
      ]) as unknown,
    });
    expect(readdirSync(temporary)).toEqual([]);
  });
});
