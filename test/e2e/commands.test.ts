// exec and trigger, as typed.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, writeFileSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isAlive, startAgent, workplace } from "../helpers/agent.ts";
import { main, type as typeAs } from "../helpers/cli.ts";
import { eventually, temporaryFolder } from "../helpers/tmp.ts";

const type = (cwd: string, ...args: string[]) => typeAs(cwd, args);
const typeWith = (env: Record<string, string>, cwd: string, ...args: string[]) => typeAs(cwd, args, { env });
const yearly = 'cron: "@yearly"\n';

describe("exec", () => {
  test("runs one batch with its output live, and gives the script's exit code", async () => {
    const { home, put } = workplace();
    put(
      "a",
      `${yearly}retry: {limit: 3}\nonFailure: b\nenv: {WHO: me}\n`,
      'echo "out $WHO $BATCH_TRIGGER"; echo err >&2; exit 7',
    );
    put("b", "tags: []\n", "echo never");
    const own = temporaryFolder();
    const { code, stdout, stderr } = await typeWith({ TMPDIR: own }, home, "exec", "a");
    expect([code, stdout]).toEqual([7, "out me manual\n"]);
    expect(stderr).toBe("err\nbatch-agent: a failed: exit code 7\n");
    expect(readdirSync(home)).toEqual(["batches.d"]);
    expect(readdirSync(own)).toEqual([]);
  });

  test("a disabled batch and one in a chain run when asked for; a signal is 128 and its number", async () => {
    const { home, put } = workplace();
    put("off", `${yearly}enabled: false\n`, "echo ran");
    put("killed", "after: off\n", "kill -9 $$");
    expect(await type(home, "exec", "off")).toMatchObject({ code: 0, stdout: "ran\n" });
    expect((await type(home, "exec", "killed")).code).toBe(137);
  });

  test("--chain runs what follows; 1 if only a follower failed", async () => {
    const { home, put } = workplace();
    put("a", yearly, "echo data");
    put("b", "after: a\ninput: previous\n", "tr a-z A-Z");
    put("c", "after: b\nonFailure: d\n", "exit 5");
    put("d", "tags: []\n", 'echo "answer to $BATCH_PREVIOUS"');
    const { code, stdout, stderr } = await type(home, "exec", "a", "--chain");
    expect([code, stdout]).toEqual([1, "data\nDATA\nanswer to c\n"]);
    expect(stderr).toBe("--- a\n--- b\n--- c\n--- d\nbatch-agent: c failed: exit code 5\n");
  });

  test("all that one wrote comes before what follows it", async () => {
    const { home, put } = workplace();
    put("a", yearly, "head -c 5000000 /dev/zero | tr '\\0' a");
    put("b", "after: a\n", "echo b");
    const { stdout } = await typeWith({}, home, "exec", "a", "--chain");
    expect(stdout).toBe(`${"a".repeat(5_000_000)}b\n`);
  });

  test("what cannot be run is said", async () => {
    const { home, put } = workplace();
    put("bad", "cron: nonsense\n", "true");
    expect(await type(home, "exec", "nobody")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("there is no batch nobody") as string,
    });
    expect(await type(home, "exec", "bad")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("bad has problems") as string,
    });
    expect(await type(home, "exec", "bad", "nowhere")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("cannot read nowhere") as string,
    });
  });
});

describe("trigger", () => {
  test("starts a run rooted at the batch, and prints the execution's id", async () => {
    const place = workplace();
    place.put("root", yearly, "true");
    place.put("middle", "after: root\n", "true");
    place.put("last", "after: middle\n", "true");
    place.put("off", `${yearly}enabled: false\n`, "true");
    const agent = await startAgent(place);
    const { code, stdout } = await type(place.home, "trigger", "middle");
    expect(code).toBe(0);
    const id = stdout.trim();
    const row = await eventually(async () => (await agent.executions("?batch=middle&status=succeeded"))[0]);
    expect(row).toMatchObject({ id, trigger: { kind: "manual", by: null } });
    await eventually(async () => (await agent.json<{ state: string }>(`/api/runs/${row.run}`)).state === "succeeded");
    expect((await agent.executions()).map(({ batch }) => batch).sort()).toEqual(["last", "middle"]);

    expect(await type(place.home, "trigger", "nobody")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("no batch nobody") as string,
    });
    expect(await type(place.home, "trigger", "off")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("disabled") as string,
    });
    expect(readdirSync(join(place.data, "commands"))).toEqual([]);
  });

  test("without an agent it says so after five seconds, and nothing is started later", async () => {
    const place = workplace();
    place.put("a", yearly, "true");
    let agent = await startAgent(place);
    await agent.exit("SIGKILL");
    const { code, stderr } = await type(place.home, "trigger", "a");
    expect([code, stderr.split("\n")[0]]).toEqual([1, "batch-agent: no agent took it within 5 s"]);
    expect(readdirSync(join(place.data, "commands"))).toEqual([]);
    const stale = join(place.data, "commands/stale.json");
    writeFileSync(
      stale,
      JSON.stringify({ actor: "a@b", note: null, request: { kind: "trigger", batch: "a", params: {}, dueAt: null } }),
    );
    const past = Date.now() / 1000 - 60; // whoever asked has been killed
    utimesSync(stale, past, past);
    agent = await startAgent(place);
    await new Promise((done) => setTimeout(done, 700));
    expect(await agent.executions()).toEqual([]);
  });
});

test("Ctrl-C on exec ends the script", async () => {
  const { home, put } = workplace();
  put("slow", yearly, "echo $$; exec sleep 300");
  const child = execFile(process.execPath, [main, "exec", "slow"], { cwd: home });
  let out = "";
  let said = "";
  child.stdout?.on("data", (text: string) => (out += text));
  child.stderr?.on("data", (text: string) => (said += text));
  const pid = await eventually(() => out.trim() || null);
  child.kill("SIGINT");
  await eventually(() => child.exitCode !== null);
  expect(child.exitCode).toBe(130);
  expect(isAlive(pid)).toBe(false);
  expect(said).toBe("batch-agent: slow interrupted\n");
});

/** `exec` with a temporary folder of its own, and what it says. */
function execute(place: ReturnType<typeof workplace>, name: string, ...args: string[]) {
  const own = temporaryFolder();
  const child = spawn(process.execPath, [main, "exec", name, ...args], {
    cwd: place.home,
    env: { ...process.env, TMPDIR: own },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  return {
    child,
    said: () => said,
    left: () => readdirSync(own),
    code: () => eventually(() => (child.exitCode === null ? null : { is: child.exitCode }), 60_000),
  };
}

test.each([
  ["Ctrl-C", "", 130],
  ["a timeout", "timeout: 2s\n", 143],
])(
  "%s ends a script that is louder than whoever reads it",
  async (how, settings, expected) => {
    const place = workplace();
    place.put("loud", yearly + settings, "while :; do printf '%0500000d\\n' 1; done");
    const { child, left, code } = execute(place, "loud");
    child.stdout.on("data", () => {
      child.stdout.pause();
      setTimeout(() => child.stdout.resume(), 1);
    });
    await once(child.stdout, "data");
    if (how === "Ctrl-C") setTimeout(() => child.kill("SIGINT"), 1_000);
    expect((await code()).is).toBe(expected);
    expect(left()).toEqual([]);
  },
  120_000,
);

test("Ctrl-C while a retry waits ends it, however long that would be", async () => {
  const place = workplace();
  place.put("flaky", `${yearly}retry: {limit: 3, delay: 1h, maxDelay: 1h}\n`, "echo tried; exit 4\n");
  const { child, said, left, code } = execute(place, "flaky", "--chain");
  await once(child.stdout, "data");
  await new Promise((done) => setTimeout(done, 1_000)); // by now the second attempt waits
  child.kill("SIGINT");
  expect((await code()).is).toBe(130);
  expect(said()).toBe("--- flaky\nbatch-agent: flaky failed: exit code 4\nbatch-agent: flaky interrupted\n");
  expect(left()).toEqual([]);
});

test.each(["its reader goes", "its terminal goes"])("the script ends with exec when %s", async (how) => {
  const place = workplace();
  place.put("long", yearly, "echo $$; while :; do echo more; sleep 0.1; done\n");
  const { child, left, code } = execute(place, "long");
  const [first] = (await once(child.stdout, "data")) as [Buffer];
  const pid = first.toString().split("\n")[0] ?? "";
  if (how === "its reader goes") child.stdout.destroy();
  else child.kill("SIGHUP");
  expect((await code()).is).toBe(how === "its reader goes" ? 141 : 129);
  expect(isAlive(pid)).toBe(false);
  expect(left()).toEqual([]);
});

test("a script that ends well when its time is up has failed all the same", async () => {
  const { home, put } = workplace();
  put("late", `${yearly}timeout: 1s\n`, "trap 'exit 0' TERM; sleep 60 & wait\n");
  expect(await type(home, "exec", "late")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("late failed: it ran for longer") as string,
  });
});

describe("wrong use", () => {
  test("a setting that cannot be meant is exit code 2, wherever it stands; what cannot be had is 1", async () => {
    const { home, put } = workplace();
    put("a", yearly, "true");
    for (const args of [
      ["run", "--port", "abc"],
      ["run", "--max-parallel", "0"],
      ["validate", "--time-zone", "Foo/Bar"],
      ["status", "--url", "foo"],
      ["run", "--foo"],
    ]) {
      expect([args, (await type(home, ...args)).code]).toEqual([args, 2]);
    }
    expect(await typeWith({ BATCH_AGENT_GRACE: "soon" }, home, "run")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("BATCH_AGENT_GRACE") as string,
    });
    expect((await type(home, "run", "nowhere")).code).toBe(1);
  });

  test("a .env with a line that is none, or that is a folder, is told; nothing of it is passed over", async () => {
    const { home, put } = workplace();
    put("a", yearly, "true");
    writeFileSync(join(home, ".env"), "BATCH_AGENT_PORT=1\nBATCH_AGENT_TOKEN_FILE\n");
    expect(await type(home, "validate")).toMatchObject({
      code: 2,
      stderr: "batch-agent: .env:2: this is not NAME=value\nhint: begin comments with #\n",
    });
    writeFileSync(join(home, ".env"), "\uFEFFBATCH_AGENT_TIME_ZONE=Nowhere/Land\n");
    expect((await type(home, "validate")).stderr).toContain("Nowhere/Land");
    const folder = workplace();
    mkdirSync(join(folder.home, ".env"));
    expect(await type(folder.home, "validate")).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^batch-agent: cannot read \.env: it is not a file/) as string,
    });
  });

  test("validate of a batch's own folder says so", async () => {
    const { home, put } = workplace();
    put("a", yearly, "true");
    expect(await type(home, "validate", "batches.d/a")).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(
        /no-batch: batches.d\/a is a batch itself: it holds batch.yaml[^]*hint: .*batches.d\n/,
      ) as string,
    });
  });

  test("validate of a folder in which nothing is a batch says what is there instead", async () => {
    const { home, batches } = workplace();
    expect(await type(home, "validate")).toMatchObject({
      code: 1,
      stdout: expect.stringContaining("there is no batch in batches.d: it is empty") as string,
    });
    mkdirSync(join(batches, "nested", "a"), { recursive: true });
    writeFileSync(join(batches, "report.tar.xz"), "x");
    const { code, stdout } = await type(home, "validate");
    expect(code).toBe(1);
    expect(stdout).toContain("there is no batch in batches.d: it holds nested/, report.tar.xz");
    expect(stdout).toContain("batches.d/report.tar.xz: note: report.tar.xz is not read as a batch");
    expect(JSON.parse((await type(home, "validate", "--format", "json")).stdout)).toMatchObject({
      items: [{ code: "no-batch", batch: "", file: "batches.d" }],
      notes: [{ batch: "report.tar.xz" }],
    });
  });

  test("an archive of a kind that is not read is a note beside batches, and no problem", async () => {
    const { home, batches, put } = workplace();
    put("a", yearly, "true");
    const foreign = ["b.tar.xz", "B.ZIP", "c.7z", "d.rar", "e.tar.bz2", "f.TGZ"];
    for (const name of [...foreign, "notes.txt", ".hidden.7z", "_x.7z"]) writeFileSync(join(batches, name), "x");
    const { code, stdout } = await type(home, "validate", "--format", "json");
    expect(code).toBe(0);
    const notes = (JSON.parse(stdout) as { notes: { batch: string }[] }).notes;
    expect(notes.map(({ batch }) => batch).sort()).toEqual(foreign.sort());
  });
});
