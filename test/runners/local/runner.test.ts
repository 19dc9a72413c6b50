// Real bash, real files, real signals.
import { execFileSync } from "node:child_process";
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Execution } from "../../../agent/model/execution.ts";
import { systemClock } from "../../../agent/platform/clock.ts";
import { createRunner } from "../../../agent/runners/local/runner.ts";
import { isAlive } from "../../helpers/agent.ts";
import { execution } from "../../helpers/make.ts";
import { eventually, temporaryFolder } from "../../helpers/tmp.ts";

function setUp(script: string, extra: { envFiles?: string[]; baseEnv?: Record<string, string> } = {}) {
  const data = temporaryFolder();
  const cwd = join(data, "revision");
  mkdirSync(cwd);
  writeFileSync(join(cwd, "script.sh"), script);
  const runner = createRunner(data, systemClock);
  const row: Execution = { ...execution({ status: "running" }), boot: runner.boot };
  const folder = join(data, "batches/report/executions", row.id);
  const read = (name: string) => readFileSync(join(folder, name), "utf8");
  const order = {
    execution: row,
    cwd,
    baseEnv: { PATH: process.env["PATH"] ?? "", ...extra.baseEnv },
    envFiles: extra.envFiles ?? [],
    stdin: [] as string[],
    ownEnv: { BATCH_EXECUTION_ID: row.id, FROM: "own" },
  };
  return { runner, row, folder, read, order, data, start: () => runner.start(order) };
}

describe("start", () => {
  const endings: { script: string; want: object; exit: string }[] = [
    { script: "exit 0", want: { kind: "exit", exitCode: 0 }, exit: "0\n" },
    { script: "exit 3", want: { kind: "exit", exitCode: 3 }, exit: "3\n" },
    { script: "echo oops >&2", want: { kind: "exit", exitCode: 0, stderrBytes: 5 }, exit: "0\n" },
    { script: "kill -9 $$", want: { kind: "signal", signal: "SIGKILL" }, exit: "signal 9\n" },
    { script: "ulimit -c 0; kill -ABRT $$", want: { kind: "signal", signal: "SIGABRT" }, exit: "signal 6\n" }, // not SIGIOT, the same number's other name
    { script: "kill -TERM $$; sleep 5", want: { kind: "signal", signal: "SIGTERM" }, exit: "signal 15\n" },
    { script: "exit 137", want: { kind: "exit", exitCode: 137 }, exit: "137\n" },
    { script: "set -o pipefail; yes | head -1 >/dev/null", want: { kind: "exit", exitCode: 141 }, exit: "141\n" },
    { script: 'bash -c "kill -9 \\$\\$" 2>/dev/null', want: { kind: "exit", exitCode: 137 }, exit: "137\n" },
    { script: "trap 'exit 7' TERM; kill -TERM -$PPID; sleep 5", want: { kind: "exit", exitCode: 7 }, exit: "7\n" },
  ];
  test.each(endings)("$script", async ({ script, want, exit }) => {
    const { start, read } = setUp(script);
    const process = start();
    expect(await process.ended).toMatchObject(want);
    expect(read("exit")).toBe(exit);
    expect(read("pid")).toBe(`${process.pid}\n`);
  });

  test("the log files are the script's own stdout and stderr, and nothing of the shell's own is in them", async () => {
    const { start, read, folder } = setUp(
      "readlink /proc/self/fd/1 /proc/self/fd/2; ls -l /proc/$$/fd | grep -c /exit$; echo bad >&2; kill -9 $$",
    );
    expect(await start().ended).toMatchObject({ stderrBytes: 4 });
    expect(read("stdout.log")).toBe(`${folder}/stdout.log\n${folder}/stderr.log\n0\n`);
    expect(read("stderr.log")).toBe("bad\n");
  });

  test("it leads its own process group, has an empty stdin, and lives in its revision", async () => {
    const { start, read, order } = setUp('ps -o pgid= -p $$ | tr -d " "; wc -c; pwd');
    const process = start();
    await process.ended;
    expect(read("stdout.log")).toBe(`${process.pid}\n0\n${order.cwd}\n`);
  });

  test("its environment is what it was given and nothing else", async () => {
    const { start, read, data } = setUp("env -u PWD -u SHLVL -u _ | sort", { envFiles: ["SECRETS"] });
    const secrets = join(data, "secrets.env");
    writeFileSync(secrets, "# the warehouse\nTOKEN='a b#c'\nFROM=file\n");
    process.env["AGENT_SECRET"] = "never";
    const { order, runner } = { ...setUp(""), runner: createRunner(data, systemClock) };
    await runner.start({ ...order, cwd: join(data, "revision"), envFiles: [secrets] }).ended;
    const log = readFileSync(join(data, "batches/report/executions", order.execution.id, "stdout.log"), "utf8");
    expect(log).toBe(`BATCH_EXECUTION_ID=${order.execution.id}\nFROM=own\nPATH=${process.env["PATH"]}\nTOKEN=a b#c\n`);
    expect(await start().ended).toMatchObject({ kind: "spawn" });
    expect([read("stdout.log"), read("stderr.log")]).toEqual(["", ""]); // for what follows and reads them
  });

  const refused: { name: string; order: object; message: RegExp }[] = [
    {
      name: "a missing envFile",
      order: { envFiles: ["/nowhere/secrets.env"] },
      message: /envFile \/nowhere\/secrets.env/,
    },
    { name: "an envFile that is a folder", order: { envFiles: ["/"] }, message: /envFile \/ cannot be used/ },
    {
      name: "an envFile that has no end",
      order: { envFiles: ["/dev/zero"] },
      message: /envFile \/dev\/zero cannot be used: it is not a file/,
    },
    {
      name: "an envFile that says it is empty and has no end",
      order: { envFiles: ["/proc/self/pagemap"] },
      message: /envFile \/proc\/self\/pagemap cannot be used/,
    },
    {
      name: "no bash on the PATH",
      order: { baseEnv: { PATH: "/nowhere" } },
      message: /bash is not on the agent's PATH/,
    },
    {
      name: "no bash on the PATH of the batch's env",
      order: { ownEnv: { PATH: "$HOME/bin:$PATH" } },
      message: /bash is not on the PATH that the batch's env sets: a \$ in it is taken as it stands/,
    },
    { name: "a fault that is known before", order: { fault: "revision changed" }, message: /^revision changed$/ },
    { name: "no revision", order: { cwd: "/nowhere" }, message: /revision .* is gone/ },
  ];
  test.each(refused)("$name is a start that failed", async ({ order: other, message }) => {
    const { runner, order } = setUp("true");
    const process = runner.start({ ...order, ...other });
    expect(process.pid).toBeNull();
    expect(await process.ended).toMatchObject({ kind: "spawn", message: expect.stringMatching(message) as string });
  });

  test("an envFile that is a pipe nobody writes to holds nothing up", async () => {
    const { runner, order, data } = setUp("true");
    const pipe = join(data, "pipe");
    execFileSync("mkfifo", [pipe]);
    const ending = await runner.start({ ...order, envFiles: [pipe] }).ended;
    expect(ending).toMatchObject({ kind: "spawn", message: `envFile ${pipe} cannot be used: it is not a file` });
  });

  test("an envFile may be 1 MiB and no byte more", async () => {
    const { runner, order, data, read } = setUp('echo "${#LONG}"');
    const long = join(data, "long.env");
    writeFileSync(long, "LONG=1\n".padEnd(1024 * 1024, "#"));
    expect(await runner.start({ ...order, envFiles: [long] }).ended).toMatchObject({ kind: "exit", exitCode: 0 });
    expect(read("stdout.log")).toBe("1\n");
    appendFileSync(long, "#");
    const ending = await runner.start({ ...order, envFiles: [long] }).ended;
    expect(ending).toMatchObject({
      kind: "spawn",
      message: `envFile ${long} cannot be used: it is larger than 1048576 bytes`,
    });
  });

  test("an envFile with a line that is none is told by its line, and nothing of it is", async () => {
    const { runner, order, data } = setUp("true");
    const secrets = join(data, "secrets.env");
    writeFileSync(secrets, "TOKEN=a#b\nhunter2\n");
    const ending = await runner.start({ ...order, envFiles: [secrets] }).ended;
    expect(ending).toMatchObject({
      kind: "spawn",
      message: `envFile ${secrets} cannot be used: its line 2 is no NAME=value`,
    });
  });

  test("a signal reaches the whole group", async () => {
    const { start, read } = setUp("sleep 300 & echo $!; wait");
    const process = start();
    const child = Number(await eventually(() => read("stdout.log").trim()));
    process.signal("SIGTERM");
    expect(await process.ended).toMatchObject({ kind: "signal", signal: "SIGTERM" });
    await eventually(() => !isAlive(child));
  });

  test("a background child that holds the output does not hold back the end", async () => {
    const { start, read } = setUp("sleep 300 & echo $!");
    const process = start();
    expect(await process.ended).toMatchObject({ kind: "exit", exitCode: 0 });
    globalThis.process.kill(Number(read("stdout.log").trim()));
  });
});

describe("adopt", () => {
  test("follows one that runs to its true end", async () => {
    const { start, runner, row, data } = setUp(
      "read -r _ </proc/$$/stat; while [ ! -e go ]; do sleep 0.05; done; exit 5",
    );
    const own = start();
    const adopted = createRunner(data, systemClock).adopt(row);
    writeFileSync(join(data, "revision/go"), "");
    expect(await adopted.ended).toMatchObject({ kind: "exit", exitCode: 5 });
    expect(await own.ended).toMatchObject({ kind: "exit", exitCode: 5 });
    expect(runner.boot).not.toBeNull();
  });

  test("what ended meanwhile is read from exit, with the time it was written", async () => {
    const { start, runner, row } = setUp("exit 4");
    await start().ended;
    const ending = await runner.adopt(row).ended;
    expect(ending).toMatchObject({ kind: "exit", exitCode: 4 });
    expect(Math.abs(Date.now() - ending.finishedAt)).toBeLessThan(5_000);
  });

  test("can be signalled", async () => {
    const { start, runner, row } = setUp("sleep 300");
    const own = start();
    const adopted = runner.adopt({ ...row, pid: own.pid });
    adopted.signal("SIGKILL");
    // SIGKILL takes the wrapper too, so an adopter sees no last word.
    expect(await adopted.ended).toMatchObject({ kind: "lost" });
    expect(await own.ended).toMatchObject({ kind: "signal", signal: "SIGKILL" });
  });

  test("what left neither pid nor exit is lost", async () => {
    const { runner, row, read } = setUp("");
    expect(await runner.adopt(row).ended).toMatchObject({ kind: "lost" });
    expect([read("stdout.log"), read("stderr.log")]).toEqual(["", ""]);
  });

  test("an exit without its newline is unwritten", async () => {
    const { runner, row, folder } = setUp("");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "pid"), "999999\n");
    writeFileSync(join(folder, "exit"), "12");
    expect(await runner.adopt(row).ended).toMatchObject({ kind: "lost" });
  });

  test("a reused pid is neither taken for ours nor signalled", async () => {
    const { runner, row, folder } = setUp("");
    const stranger = Number(execFileSync("bash", ["-c", "sleep 300 >/dev/null 2>&1 & echo $!"], { encoding: "utf8" }));
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "pid"), `${stranger}\n`);
    const adopted = runner.adopt({ ...row, pid: stranger });
    adopted.signal("SIGKILL");
    expect(await adopted.ended).toMatchObject({ kind: "lost" });
    expect(isAlive(stranger)).toBe(true);
    process.kill(stranger);
  });

  test("after a reboot no pid is ours", async () => {
    const { start, runner, row } = setUp("sleep 300");
    const own = start();
    expect(await runner.adopt({ ...row, pid: own.pid, boot: "another boot" }).ended).toMatchObject({ kind: "lost" });
    own.signal("SIGKILL");
    await own.ended;
  });
});
