// The main job, with the built program: what happens in the folder shows in the schedule, the runs and the API.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { startAgent, workplace } from "../helpers/agent.ts";
import { eventually } from "../helpers/tmp.ts";

const everySecond = 'cron: "* * * * * *"\n';

describe("a folder of batches", () => {
  test("a batch is added, runs, is edited, broken, mended, disabled, renamed and removed", async () => {
    const place = workplace();
    const agent = await startAgent(place);
    const state = (name: string) => agent.batch(name).then((batch) => batch.state);

    // added: it runs, and what it printed is there
    place.put(
      "hello",
      `${everySecond}env: { WHO: world, SECRET: hunter2 }\n`,
      'echo "hello $WHO"\necho "careful" >&2\n',
    );
    const first = await eventually(async () => (await agent.executions("?batch=hello&status=succeeded"))[0]);
    expect(first).toMatchObject({
      batch: "hello",
      status: "succeeded",
      reason: null,
      exitCode: 0,
      signal: null,
      attempt: 1,
      stdoutBytes: 12,
      stderrBytes: 8,
    });
    expect(first.trigger).toMatchObject({ kind: "cron", by: null });
    expect(Date.parse(first.trigger.dueAt) % 1000).toBe(0);
    expect(await (await agent.get(`/api/executions/${first.id}/stdout`)).text()).toBe("hello world\n");
    expect(await (await agent.get(`/api/executions/${first.id}/stderr`)).text()).toBe("careful\n");
    const added = await agent.batch("hello");
    expect(added).toMatchObject({ state: "scheduled", revision: first.revision, problems: [] });
    expect(added.definition).toMatchObject({
      env: { WHO: "***", SECRET: "***" },
      enabled: true,
      concurrency: "forbid",
    });
    expect(added.next).toHaveLength(5);

    // edited: the script of the next run is the new one, the earlier run still names the earlier revision
    place.put("hello", null, 'echo "good day"\n');
    const edited = await eventually(async () =>
      (await agent.executions("?batch=hello&status=succeeded")).find((row) => row.revision !== first.revision),
    );
    expect(await (await agent.get(`/api/executions/${edited.id}/stdout`)).text()).toBe("good day\n");

    // the schedule follows
    place.put("hello", 'cron: "0 4 * * *"\ntimeZone: UTC\n', null);
    const next = await eventually(async () =>
      (await agent.batch("hello")).next.find((at) => at.endsWith("T04:00:00.000Z")),
    );
    expect(Date.parse(next)).toBeGreaterThan(Date.now());

    // broken: the last valid revision stays in force and the problem is told with its place
    const before = await agent.batch("hello");
    place.put("hello", 'cron: "0 4 * * *"\ntimezone: UTC\n', null);
    const broken = await eventually(async () => ((b) => b.problems.length > 0 && b)(await agent.batch("hello")));
    expect(broken).toMatchObject({ state: "scheduled", revision: before.revision, next: before.next });
    expect(broken.problems).toMatchObject([
      { code: "unknown-key", line: 2, column: 1, hint: expect.stringContaining("timeZone") as string },
    ]);
    expect((await agent.json<{ items: unknown[] }>("/api/problems")).items).toEqual(broken.problems);

    // mended
    place.put("hello", everySecond, null);
    await eventually(async () => ((b) => b.problems.length === 0 && b.next.length === 5)(await agent.batch("hello")));

    // disabled: off the schedule, its data kept; and back
    place.put("hello", `${everySecond}enabled: false\n`, null);
    await eventually(async () => (await state("hello")) === "disabled");
    expect((await agent.batch("hello")).next).toEqual([]);
    const rested = await eventually(
      async () =>
        (await agent.executions("?batch=hello&status=running")).length === 0 && agent.executions("?batch=hello"),
    );
    await new Promise((done) => setTimeout(done, 2_200)); // two due times, had it been enabled
    expect((await agent.executions("?batch=hello")).map((row) => row.id)).toEqual(rested.map((row) => row.id));
    place.put("hello", everySecond, null);
    const back = await eventually(async () =>
      (await agent.executions("?batch=hello&status=succeeded")).find((row) => !rested.some(({ id }) => id === row.id)),
    );
    expect((await agent.executions("?batch=hello")).filter((row) => row.reason === "missed")).toEqual([]);

    // renamed: the old one is removed with its history kept, the new one runs
    renameSync(join(place.batches, "hello"), join(place.batches, "greeting"));
    await eventually(async () => (await state("hello")) === "removed" && (await state("greeting")) === "scheduled");
    await eventually(async () => (await agent.executions("?batch=greeting&status=succeeded"))[0]);
    expect((await agent.executions("?batch=hello")).map((row) => row.id)).toContain(back.id);

    // removed
    place.drop("greeting");
    await eventually(async () => (await state("greeting")) === "removed");
    expect((await agent.batch("greeting")).next).toEqual([]);
    expect((await agent.get("/api/batches/nobody")).status).toBe(404);
  });

  test("an edit in mid-run does not change the run in flight", async () => {
    const place = workplace();
    const agent = await startAgent(place);
    const gate = join(place.home, "gate");
    place.put("long", everySecond, `echo one\nwhile [ ! -e ${gate} ]; do sleep 0.05; done\necho two\n`);
    const running = await eventually(async () => (await agent.executions("?status=running"))[0]);
    place.put("long", 'cron: "0 4 * * *"\n', "echo something else entirely\nexit 9\n#".padEnd(400, "#"));
    await eventually(async () => (await agent.batch("long")).revision !== running.revision);
    writeFileSync(gate, "");
    const ended = await eventually(async () =>
      ((row) => row.status === "succeeded" && row)(await agent.json<typeof running>(`/api/executions/${running.id}`)),
    );
    expect(ended.revision).toBe(running.revision);
    expect(await (await agent.get(`/api/executions/${running.id}/stdout`)).text()).toBe("one\ntwo\n");
  });

  test("a start while an earlier one runs is told as overlap", async () => {
    const place = workplace();
    const agent = await startAgent(place);
    place.put("long", everySecond, "sleep 300\n");
    const skipped = await eventually(async () => (await agent.executions("?status=aborted"))[0]);
    expect(skipped).toMatchObject({ batch: "long", reason: "overlap", startedAt: null, pid: null });
    const running = (await agent.executions("?status=running"))[0];
    process.kill(-(running?.pid ?? NaN), "SIGKILL");
    await eventually(async () => (await agent.executions("?status=failed"))[0]?.reason === "signal");
  });

  test("the last valid revision stays in force across a restart, also when the folder cannot be read", async () => {
    const place = workplace();
    let agent = await startAgent(place);
    place.put("steady", everySecond, "echo steady\n");
    const first = await eventually(async () => (await agent.executions("?status=succeeded"))[0]);
    place.put("steady", "cron: nonsense\n", null);
    await eventually(async () => (await agent.batch("steady")).problems.length > 0);
    expect(await agent.exit("SIGTERM")).toEqual({ code: 0, signal: null });

    agent = await startAgent(place);
    expect(await agent.batch("steady")).toMatchObject({
      state: "scheduled",
      revision: first.revision,
      problems: [{ code: "bad-cron" }],
    });
    const since = new Date().toISOString();
    await eventually(async () => (await agent.executions(`?status=succeeded&since=${since}`))[0]);

    // The root away: nothing is unscheduled; back again: followed again.
    renameSync(place.batches, `${place.batches}.away`);
    await eventually(async () => (await agent.get("/readyz")).status === 503 || !agent.child.kill("SIGHUP"));
    expect((await agent.batch("steady")).state).toBe("scheduled");
    renameSync(`${place.batches}.away`, place.batches);
    place.put("steady", everySecond, "echo mended\n");
    await eventually(
      async () => (await agent.batch("steady")).problems.length === 0 && (await agent.get("/readyz")).status === 200,
    );
  });

  test("the root removed and made again, and a root link swapped, are seen", async () => {
    const place = workplace();
    const [one, two] = [join(place.home, "one"), join(place.home, "two")];
    rmSync(place.batches, { recursive: true });
    for (const [tree, name] of [
      [one, "alpha"],
      [two, "beta"],
    ] as const) {
      mkdirSync(join(tree, name), { recursive: true });
      writeFileSync(join(tree, name, "batch.yaml"), 'cron: "0 4 * * *"\n');
      writeFileSync(join(tree, name, "script.sh"), "true\n");
    }
    symlinkSync(one, place.batches);
    const agent = await startAgent(place);
    expect((await agent.batch("alpha")).state).toBe("scheduled");
    symlinkSync(two, `${place.batches}.next`);
    renameSync(`${place.batches}.next`, place.batches);
    await eventually(
      async () => (await agent.batch("beta")).state === "scheduled" && (await agent.batch("alpha")).state === "removed",
    );
    // A second swap, back: chokidar alone sees neither.
    symlinkSync(one, `${place.batches}.next`);
    renameSync(`${place.batches}.next`, place.batches);
    await eventually(async () => (await agent.batch("alpha")).state === "scheduled");
    rmSync(place.batches);
    mkdirSync(place.batches);
    place.put("gamma", 'cron: "0 4 * * *"\n', "true\n");
    await eventually(async () => (await agent.batch("gamma")).state === "scheduled");
    place.put("gamma", 'cron: "0 5 * * *"\n', null);
    await eventually(async () => (await agent.batch("gamma")).next[0]?.includes("T0"));
  });

  test("git checkouts back and forth over 200 batches are followed whole", async () => {
    const place = workplace();
    const git = (...args: string[]) =>
      execFileSync("git", ["-C", place.batches, "-c", "user.name=t", "-c", "user.email=t@example.org", ...args], {
        stdio: "pipe",
      });
    git("init", "-q", "-b", "main");
    for (let i = 0; i < 200; i++) place.put(`batch-${i}`, 'cron: "0 4 * * *"\n', `echo ${i}\n`);
    git("add", "-A");
    git("commit", "-qm", "one");
    git("checkout", "-qb", "other");
    for (let i = 0; i < 50; i++) place.drop(`batch-${i}`);
    for (let i = 200; i < 250; i++) place.put(`batch-${i}`, 'cron: "0 4 * * *"\n', `echo ${i}\n`);
    for (let i = 50; i < 150; i++) place.put(`batch-${i}`, 'cron: "0 5 * * *"\n', null);
    git("add", "-A");
    git("commit", "-qm", "two");
    git("checkout", "-q", "main");
    const agent = await startAgent(place, ["--resync", "5s"]);
    const names = async (state: string) =>
      (await agent.json<{ items: { name: string }[] }>(`/api/batches?state=${state}`)).items
        .map((batch) => batch.name)
        .sort();
    for (const branch of ["other", "main", "other"]) {
      git("checkout", "-q", branch);
      const want = readdirSync(place.batches)
        .filter((name) => name.startsWith("batch-"))
        .sort();
      await eventually(async () => {
        expect(await names("scheduled")).toEqual(want);
        return true;
      }, 20_000);
    }
    expect((await agent.json<{ items: unknown[] }>("/api/problems")).items).toEqual([]);
  });
});
