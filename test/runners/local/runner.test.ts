// Real bash, real files, real signals.
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { systemClock } from "../../../agent/platform/clock.ts";
import { isAlive } from "../../helpers/agent.ts";
import { openRunner, path, setUpRunner } from "../../helpers/runner.ts";
import { eventually, temporaryFolder } from "../../helpers/tmp.ts";

const numberIn = (read: (name: string) => string) => eventually(() => Number(read("stdout.log").trim()) || false);

describe("how a script ends", () => {
  const endings: { script: string; want: object; exit: string }[] = [
    { script: "exit 0", want: { kind: "exit", exitCode: 0 }, exit: "0\n" },
    { script: "exit 3", want: { kind: "exit", exitCode: 3 }, exit: "3\n" },
    { script: "echo oops >&2", want: { kind: "exit", exitCode: 0, stderrBytes: 5 }, exit: "0\n" },
    { script: "kill -9 $$", want: { kind: "signal", signal: "SIGKILL" }, exit: "signal 9\n" },
    // not SIGIOT, the same number's other name
    { script: "ulimit -c 0; kill -ABRT $$", want: { kind: "signal", signal: "SIGABRT" }, exit: "signal 6\n" },
    { script: "kill -TERM $$; sleep 5", want: { kind: "signal", signal: "SIGTERM" }, exit: "signal 15\n" },
    { script: "kill -INT $$; sleep 5", want: { kind: "signal", signal: "SIGINT" }, exit: "signal 2\n" },
    { script: "kill -PIPE $$; sleep 5", want: { kind: "signal", signal: "SIGPIPE" }, exit: "signal 13\n" },
    { script: "kill -USR1 $$; sleep 5", want: { kind: "signal", signal: "SIGUSR1" }, exit: "signal 10\n" },
    { script: "exit 130", want: { kind: "exit", exitCode: 130 }, exit: "130\n" },
    { script: "exit 137", want: { kind: "exit", exitCode: 137 }, exit: "137\n" },
    { script: "exit 255", want: { kind: "exit", exitCode: 255 }, exit: "255\n" },
    { script: "set -o pipefail; yes | head -1 >/dev/null", want: { kind: "exit", exitCode: 141 }, exit: "141\n" },
    { script: "trap 'exit 130' INT; kill -INT $$; sleep 5", want: { kind: "exit", exitCode: 130 }, exit: "130\n" },
    { script: 'bash -c "kill -9 \\$\\$" 2>/dev/null', want: { kind: "exit", exitCode: 137 }, exit: "137\n" },
    { script: "trap 'exit 7' TERM; kill -TERM -- -$$; sleep 5", want: { kind: "exit", exitCode: 7 }, exit: "7\n" },
    { script: "trap : USR1; kill -USR1 0; exit 5", want: { kind: "exit", exitCode: 5 }, exit: "5\n" },
    { script: "kill -HUP 0; sleep 5", want: { kind: "signal", signal: "SIGHUP" }, exit: "signal 1\n" },
    // the shell beside it
    { script: "kill $PPID; sleep 0.1; exit 6", want: { kind: "exit", exitCode: 6 }, exit: "6\n" },
  ];
  test.each(endings.flatMap((one) => (["file", "pipe"] as const).map((output) => ({ ...one, output }))))(
    "$script ($output)",
    async ({ script, want, exit, output }) => {
      const { start, read } = setUpRunner(script, { output });
      const running = await start();
      expect(await running.ended).toMatchObject(want);
      expect(read("exit")).toBe(exit);
      expect(read("pid")).toBe(`${running.ref.pid}\n`);
    },
  );

  test("one that is stopped and goes on is running all the while", async () => {
    const { start, read } = setUpRunner("echo $$; kill -STOP $$; exit 4");
    const running = await start();
    const pid = await numberIn(read);
    await eventually(() => readFileSync(`/proc/${pid}/stat`, "utf8").includes(") T "));
    process.kill(-pid, "SIGCONT");
    expect(await running.ended).toMatchObject({ kind: "exit", exitCode: 4 });
  });

  test("one that is stopped is woken to clean up when it is ended", async () => {
    const { start, read } = setUpRunner("trap 'echo bye; exit 3' TERM; echo $$; kill -STOP $$; sleep 300");
    const running = await start();
    const pid = await numberIn(read);
    await eventually(() => readFileSync(`/proc/${pid}/stat`, "utf8").includes(") T "));
    running.stop("cancelled", 60_000);
    expect(await running.ended).toMatchObject({ kind: "exit", exitCode: 3 });
    expect(read("stdout.log")).toBe(`${pid}\nbye\n`);
  });
});

describe("what a script gets", () => {
  test("its own session and group, an empty stdin, its revision, and no descriptor of ours", async () => {
    // Listed into a file: while bash sets up a pipe, it holds an end of it itself.
    const script =
      'ps -o pid=,pgid=,sid= -p $$ | tr -s " "; wc -c; pwd; f=$(mktemp); ls -l /proc/$$/fd >"$f"; sed -n "s/.* -> //p" "$f"; rm "$f"';
    const { start, read, cwd, folder } = setUpRunner(script);
    const running = await start();
    await running.ended;
    const { pid } = running.ref;
    expect(read("stdout.log").trim().split("\n")).toEqual([
      `${pid} ${pid} ${pid}`,
      "0",
      cwd,
      "/dev/null",
      `${folder}/stdout.log`,
      `${folder}/stderr.log`,
      `${cwd}/script.sh`,
    ]);
  });

  test("its folder as it is, not by way of a link", async () => {
    const { cwd, data, order, row } = setUpRunner('pwd; echo "$PWD $OLDPWD"');
    const link = join(temporaryFolder(), "it's a link");
    symlinkSync(data, link);
    const running = await openRunner(link).start(order());
    await running.ended;
    const log = join(link, "batches", row.batch, "executions", row.id, "stdout.log");
    expect(readFileSync(log, "utf8")).toBe(`${cwd}\n${cwd} \n`);
  });

  test("default signals: nothing is ignored or blocked that bash itself does not", async () => {
    const { run, read } = setUpRunner("bash -c 'grep -E \"Sig(Blk|Ign)\" /proc/self/status'");
    await run();
    expect(read("stdout.log")).toBe("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
  });

  test("the umask of the agent", async () => {
    const { run, read } = setUpRunner("umask");
    await run();
    expect(parseInt(read("stdout.log"), 8)).toBe(
      parseInt(execFileSync("sh", ["-c", "umask"], { encoding: "utf8" }), 8),
    );
  });

  test("its environment is what it was given and nothing else, to the byte", async () => {
    const odd = {
      NEWLINES: "a\nb\n",
      QUOTES: `"'\\$(x)`,
      UNICODE: "zoë ☃",
      d: "1",
      bash: "2",
      code: "3",
      n: "4",
    };
    const long = "x".repeat(100_000);
    const script = "env -0 -u PWD -u SHLVL -u _ -u OLDPWD | sort -z";
    for (const output of ["file", "pipe"] as const) {
      const { run, read, data, order } = setUpRunner(script, { env: { ...odd, FROM: "own" }, output });
      const secrets = join(data, "secrets.env");
      writeFileSync(secrets, `# the warehouse\nTOKEN='a b#c'\nFROM=file\nLONG=${long}\n`);
      process.env["AGENT_SECRET"] = "never";
      await run({ settings: { ...order().settings, envFiles: [secrets] } });
      const env = Object.fromEntries(
        read("stdout.log")
          .split("\0")
          .filter(Boolean)
          .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
      );
      const ours = Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("BATCH_")));
      expect(ours).toEqual({ ...odd, FROM: "own", TOKEN: "a b#c", LONG: long, PATH: path });
      expect(env).toMatchObject({ BATCH_NAME: "report", BATCH_ATTEMPT: "1" });
      expect(Object.keys(env).filter((name) => name.startsWith("BATCH_AGENT"))).toEqual([]);
    }
  });

  test("the same from a shell that served others before, and nothing of theirs", async () => {
    const odd = {
      ...{ OPTIND: "x", PPID: "none", RANDOM: "4", LINENO: "no", SECONDS: "s", ENV: "/no" },
      ...{ MAIL: "m", CDPATH: "/usr", LC_ALL: "C.UTF-8", LANGUAGE: "xx", OLDPWD: "/usr", TERM: "dumb", EMPTY: "" },
    };
    const bytes = Array.from({ length: 1_000 }, (_, i) => String.fromCodePoint(i + 1))
      .join("")
      .replace("\uFFFD", "");
    const script = 'printf %s "$BATCH_EXECUTION_ID $PPID $(umask) $(ulimit -n)" >&2; env -0 -u PWD -u SHLVL -u _';
    const { runner, order, another, folderOf } = setUpRunner(script);
    const base = order();
    const seen = async (env: Record<string, string>) => {
      const row = { ...another(), boot: runner.boot };
      await (
        await runner.start({ ...base, execution: row, settings: { ...base.settings, env } })
      ).ended;
      const [id, shell, ...rest] = readFileSync(join(folderOf(row), "stderr.log"), "utf8").split(" ");
      expect(id).toBe(row.id);
      return { shell, rest, env: parseEnvironment(readFileSync(join(folderOf(row), "stdout.log"), "utf8")) };
    };
    const plain = await seen({});
    expect(plain.env).toEqual({});
    const { OPTIND, PPID, RANDOM, LINENO, SECONDS, ...settable } = odd;
    const same = await seen({ ...settable, BYTES: bytes, QUOTES: `'"\\$x\n'` });
    expect(same).toEqual({ ...plain, env: { ...settable, BYTES: bytes, QUOTES: `'"\\$x\n'` } });
    expect(await seen({})).toEqual(plain);
    // What such a shell would set, read or refuse itself comes by bash, which has a mind of its own about some.
    const own = { OPTIND, PPID, RANDOM, LINENO, SECONDS, SAME: "1" };
    const bare = execFileSync("bash", ["-c", "env -0 -u PWD -u SHLVL -u _"], {
      env: own,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    });
    expect((await seen(own)).env).toEqual(parseEnvironment(bare));
    expect(await seen({})).toEqual(plain);
  });

  test("a shell that serves others, whatever the one before has done to it or ended with", async () => {
    const { runner, order, another, folderOf } = setUpRunner('echo $PPID; eval "$TODO"');
    const base = order();
    const ending = async (todo: string) => {
      const row = { ...another(), boot: runner.boot };
      const running = await runner.start({
        ...base,
        execution: row,
        settings: { ...base.settings, env: { TODO: todo } },
      });
      const { exitCode, signal, kind } = { exitCode: null, signal: null, ...(await running.ended) };
      return { how: exitCode ?? signal ?? kind, shell: readFileSync(join(folderOf(row), "stdout.log"), "utf8") };
    };
    const todos: [string, unknown][] = [
      ...[0, 1, 125, 126, 127, 130, 137, 141, 143, 255].map((code): [string, unknown] => [`exit ${code}`, code]),
      ...["INT", "PIPE", "KILL", "TERM", "HUP", "USR1"].map((name): [string, unknown] => [
        `kill -${name} $$`,
        `SIG${name}`,
      ]),
      ["kill -TERM $PPID; kill -INT $PPID; exit 4", 4],
      ["ulimit -n 20; umask 0; cd /; trap '' INT TERM; exit 5", 5],
    ];
    const shells = new Set<string>();
    for (const [todo, want] of todos) {
      const { how, shell } = await ending(todo);
      expect([todo, how]).toEqual([todo, want]);
      shells.add(shell);
    }
    expect(shells.size).toBe(1);
    // One that kills its shell is nobody's end, but nobody is left to tell how it ended.
    expect(await ending("kill -KILL $PPID; sleep 0.1; exit 7")).toMatchObject({ how: "lost" });
    expect(await ending("exit 8")).toMatchObject({ how: 8 });
  });

  test.each(["file", "pipe"] as const)(
    "names that are none to a shell reach it from an envFile, and its end is told from a code (%s)",
    async (output) => {
      const { run, read, data, order } = setUpRunner(
        "env -0 -u PWD -u SHLVL -u _ -u OLDPWD | sort -z; kill -USR1 $$; sleep 300",
        { output },
      );
      const file = join(data, "spring.env");
      writeFileSync(file, "spring.datasource.url=jdbc:x\na-b='c d'\nPLAIN=1\n");
      const ended = await run({ settings: { ...order().settings, envFiles: [file] } });
      expect(ended).toMatchObject({ kind: "signal", signal: "SIGUSR1" });
      const lines = read("stdout.log")
        .split("\0")
        .filter((line) => line !== "" && !line.startsWith("BATCH_"));
      expect(lines.sort()).toEqual([`PATH=${path}`, "PLAIN=1", "a-b=c d", "spring.datasource.url=jdbc:x"].sort());
    },
  );

  test("options of its first line, and $0 with a slash", async () => {
    const { run, read } = setUpRunner('echo "$0 $-"; false; echo never', { shellOptions: ["-e", "-o", "pipefail"] });
    expect(await run()).toMatchObject({ kind: "exit", exitCode: 1 });
    expect(read("stdout.log")).toMatch(/^\.\/script\.sh e\S*\n$/);
  });

  const inputs = [["one\n"], ["one\n", "two\n"], ["one\n", null, "three\n"]];
  test.each(inputs)("the previous outputs as its stdin, one after the other: %s %s", async (...texts) => {
    const { run, read, order, another, folderOf } = setUpRunner("cat", { input: "previous" });
    const previous = texts.map((text, i) => {
      const row = another(`batch-${i}`);
      mkdirSync(folderOf(row), { recursive: true });
      if (text !== null) writeFileSync(join(folderOf(row), "stdout.log"), text);
      else symlinkSync("stdout.log", join(folderOf(row), "stdout.log")); // a script may leave anything
      return { batch: row.batch, id: row.id, status: "succeeded" as const, exitCode: 0, ran: true };
    });
    await run({ ...order(), previous });
    expect(read("stdout.log")).toBe(texts.join(""));
  });
});

describe("a start that fails", () => {
  const refused: {
    name: string;
    settings?: object;
    env?: Record<string, string>;
    gone?: boolean;
    fault?: string;
    message: RegExp;
  }[] = [
    {
      name: "a missing envFile",
      settings: { envFiles: ["/nowhere/secrets.env"] },
      message: /envFile \/nowhere\/secrets.env/,
    },
    { name: "an envFile that is a folder", settings: { envFiles: ["/"] }, message: /envFile \/ cannot be used/ },
    {
      name: "an envFile that has no end",
      settings: { envFiles: ["/dev/zero"] },
      message: /envFile \/dev\/zero cannot be used: it is not a file/,
    },
    {
      name: "an envFile that says it is empty and has no end",
      settings: { envFiles: ["/proc/self/pagemap"] },
      message: /envFile \/proc\/self\/pagemap cannot be used/,
    },
    { name: "no bash on the PATH", env: { PATH: "/nowhere" }, message: /bash is not on the agent's PATH/ },
    {
      name: "no bash on the PATH of the batch's env",
      settings: { env: { PATH: "$HOME/bin:$PATH" } },
      message: /bash is not on the PATH that the batch's env sets: a \$ in it is taken as it stands/,
    },
    { name: "a fault that is known before", fault: "revision changed", message: /^revision changed$/ },
    { name: "no revision", gone: true, message: /revision .* is gone/ },
    {
      name: "more environment than the kernel takes",
      settings: { env: { BIG: "x".repeat(200_000) } },
      message: /E2BIG/,
    },
    {
      name: "more bytes of environment than the kernel takes, in fewer characters",
      settings: { env: { BIG: "€".repeat(50_000) } },
      message: /E2BIG/,
    },
  ];
  test.each(refused)("$name", async ({ settings = {}, env, gone = false, fault = null, message }) => {
    const { start, cwd, read } = setUpRunner("true", settings, env === undefined ? {} : { baseEnv: env });
    if (gone) rmSync(cwd, { recursive: true });
    const running = await start({ fault });
    expect(await running.ended).toMatchObject({ kind: "spawn", message: expect.stringMatching(message) as string });
    expect(running.ref.pid).toBeNull();
    expect([read("stdout.log"), read("stderr.log")]).toEqual(["", ""]); // for what follows and reads them
  });

  test("an envFile that is a pipe nobody writes to holds nothing up", async () => {
    const { run, data, order } = setUpRunner("true");
    const pipe = join(data, "pipe");
    execFileSync("mkfifo", [pipe]);
    const ending = await run({ settings: { ...order().settings, envFiles: [pipe] } });
    expect(ending).toMatchObject({ kind: "spawn", message: `envFile ${pipe} cannot be used: it is not a file` });
  });

  test("an envFile may be 1 MiB and no byte more", async () => {
    const { run, data, read, order } = setUpRunner('echo "${#LONG}"');
    const long = join(data, "long.env");
    writeFileSync(long, "LONG=1\n".padEnd(1024 * 1024, "#"));
    const other = { settings: { ...order().settings, envFiles: [long] } };
    expect(await run(other)).toMatchObject({ kind: "exit", exitCode: 0 });
    expect(read("stdout.log")).toBe("1\n");
    appendFileSync(long, "#");
    expect(await run(other)).toMatchObject({
      kind: "spawn",
      message: `envFile ${long} cannot be used: it is larger than 1048576 bytes`,
    });
  });

  test("an envFile with a line that is none is told by its line, and nothing of it is", async () => {
    const { run, data, order } = setUpRunner("true");
    const secrets = join(data, "secrets.env");
    writeFileSync(secrets, "TOKEN=a#b\nhunter2\n");
    expect(await run({ settings: { ...order().settings, envFiles: [secrets] } })).toMatchObject({
      kind: "spawn",
      message: `envFile ${secrets} cannot be used: its line 2 is not NAME=value`,
    });
  });
});

describe("ending", () => {
  const escapes = [
    "sleep 300 & echo $!; wait",
    "timeout 300 sleep 300 & echo $!; wait",
    "setsid sleep 300 & sleep 0.1; pgrep -n -f 'sleep 300'; wait; sleep 300",
    "set -m; sleep 300 & echo $!; wait",
    "nohup sleep 300 >/dev/null 2>&1 & echo $!; wait",
    // shrugs off SIGTERM, and leads a session of its own
    "(setsid bash -c 'trap \"\" TERM; echo $$; sleep 300' &); sleep 300",
    "env -i /bin/sleep 300 & echo $!; wait", // bears no id, but descends from what does
  ];
  test.each(escapes)("reaches %s", async (script) => {
    const { start, read } = setUpRunner(script);
    const running = await start();
    const child = await numberIn(read);
    running.stop("timeout", 300);
    await running.ended;
    await eventually(() => !isAlive(child), 1_000); // it may still wait to be reaped
    expect(running.stopReason).toBe("timeout");
    expect(read("stop-reason")).toBe("timeout\n");
  });

  test("what a script does on SIGTERM has until the SIGKILL", async () => {
    const script = "trap 'sleep 0.5; echo cleaned; exit 9' TERM; echo $$; while :; do sleep 0.05; done";
    const { start, read } = setUpRunner(script);
    const running = await start();
    await eventually(() => read("stdout.log") !== "");
    running.stop("shutdown", 5_000);
    expect(await running.ended).toMatchObject({ kind: "exit", exitCode: 9 });
    expect(read("stdout.log")).toContain("cleaned\n");
  });

  test("the first reason and the shorter patience win", async () => {
    const { start, read } = setUpRunner("trap '' TERM; echo $$; while :; do sleep 0.05; done");
    const running = await start();
    await numberIn(read);
    const since = Date.now();
    running.stop("timeout", 60_000);
    running.stop("shutdown", 300);
    running.stop("replaced", 60_000);
    expect(await running.ended).toMatchObject({ kind: "signal", signal: "SIGKILL" });
    expect([running.stopReason, Date.now() - since < 5_000]).toEqual(["timeout", true]);
  });

  test("stopped before anybody knows its pid, it is ended all the same", async () => {
    const { start } = setUpRunner("sleep 300");
    const running = await start();
    running.stop("replaced", 2_000);
    expect(await running.ended).toMatchObject({ kind: "signal", signal: "SIGTERM" });
  });

  test("neighbours live on", async () => {
    const { runner, order, another, read, folderOf } = setUpRunner("setsid sleep 300 & echo $$; wait; sleep 300");
    const other = another("other");
    const [first, second] = [await runner.start(order()), await runner.start(order(other))];
    await numberIn(read);
    const pid = await eventually(
      () => Number(readFileSync(join(folderOf(other), "stdout.log"), "utf8").trim()) || false,
    );
    first.stop("timeout", 1_000);
    await first.ended;
    expect(isAlive(pid)).toBe(true);
    second.stop("timeout", 1_000);
    await second.ended;
  });
});

describe("a clock that is set while an execution is ended", () => {
  const setClock = () => {
    let offMs = 0;
    const clock = { ...systemClock, now: () => Date.now() + offMs };
    return { clock, jump: (days: number) => (offMs = days * 86_400_000) };
  };

  test("back: the SIGKILL comes when its time has passed", async () => {
    const { clock, jump } = setClock();
    const { start, read } = setUpRunner("trap '' TERM; echo up; while :; do sleep 0.1; done", {}, { clock });
    const running = await start();
    await eventually(() => read("stdout.log") === "up\n");
    running.stop("cancelled", 300);
    jump(-10);
    expect(await running.ended).toMatchObject({ kind: "signal", signal: "SIGKILL" });
  });

  test("forth: it has the time it was given to clean up", async () => {
    const { clock, jump } = setClock();
    const script = "trap 'sleep 0.5; exit 5' TERM; echo up; while :; do sleep 0.1; done";
    const { start, read } = setUpRunner(script, {}, { clock });
    const running = await start();
    await eventually(() => read("stdout.log") === "up\n");
    running.stop("cancelled", 60_000);
    jump(10);
    expect(await running.ended).toMatchObject({ kind: "exit", exitCode: 5 });
  });
});

describe("output", () => {
  const reopening = [
    "echo 1; echo 2 >/dev/stdout; echo 3 | tee /dev/stderr; echo 4 >/proc/self/fd/1; echo e >&2; echo f >/dev/stderr",
    "printf '4\\n3\\n' >rows; echo 1; sort -o /dev/stdout rows; echo 2",
  ];
  test.each(reopening)("through a pipe is whole whatever is opened anew: %s", async (script) => {
    const piped = setUpRunner(script, { output: "pipe" });
    await piped.run();
    const plain = execFileSync("bash", ["-c", `(${script}) 2>"$0" | cat`, join(piped.data, "err")], {
      cwd: piped.data,
    });
    expect(piped.read("stdout.log")).toBe(plain.toString());
  });

  test("through a pipe keeps each stream's order and every byte, also past the end of the script", async () => {
    const script = "seq 200000 & seq 200001 300000 >&2 & wait; exec > >(sed 's/^/x/'); seq 1000";
    const { run, read } = setUpRunner(script, { output: "pipe" });
    await run();
    const lines = read("stdout.log").trim().split("\n");
    expect(lines.slice(0, 200_000)).toEqual(Array.from({ length: 200_000 }, (_, i) => String(i + 1)));
    expect(lines.slice(200_000)).toEqual(Array.from({ length: 1_000 }, (_, i) => `x${i + 1}`));
    expect(read("stderr.log").trim().split("\n")).toHaveLength(100_000);
  });

  test.each(["file", "pipe"] as const)("a filter is waited for (%s)", async (output) => {
    const { run, read } = setUpRunner('exec > >(while read -r l; do echo "$l;"; done); seq 2000', { output });
    const ending = await run();
    expect(read("stdout.log").split("\n")).toHaveLength(2_001);
    expect(ending.stdoutBytes).toBe(read("stdout.log").length);
  });

  test.each(["sleep 1; echo late", "setsid bash -c 'sleep 1; echo late'"])(
    "a child that is about to end is waited for: %s",
    async (child) => {
      const { run, read } = setUpRunner(`(${child}) & exit 3`);
      expect(await run()).toMatchObject({ kind: "exit", exitCode: 3, stdoutBytes: 5 });
      expect(read("stdout.log")).toBe("late\n");
    },
  );

  test.each(["file", "pipe"] as const)(
    "a child that is left behind for good does not hold up the end for good (%s)",
    async (output) => {
      const { run, read } = setUpRunner("sleep 300 & echo $!", { output });
      expect(await run()).toMatchObject({ kind: "exit", exitCode: 0 });
      process.kill(Number(read("stdout.log").trim())); // it is there all the same
    },
  );

  test("a child that does not write holds up nothing", async () => {
    const { run, read } = setUpRunner(`sleep 300 >/dev/null 2>&1 & echo $!`);
    // On a busy machine one may take as long as waiting for the child would.
    await eventually(async () => {
      const since = Date.now();
      await run();
      process.kill(Number(read("stdout.log").trim()));
      return Date.now() - since < 1_900;
    });
  });

  test.each(["file", "pipe"] as const)("is cut at its limit while it is written (%s)", async (output) => {
    const { start, read } = setUpRunner("yes | head -c 100000; sleep 300", { output }, { logLimitBytes: 1_000 });
    const running = await start();
    await eventually(() => read("stdout.log").length === 100_000);
    expect(await running.look()).toMatchObject({ cut: true, sizes: { stdoutBytes: 1_000 }, truncated: [] });
    running.stop("log-limit", 100);
    expect(await running.ended).toMatchObject({ stdoutBytes: 1_000 });
  });

  test("a log that was cut and has grown past its old end between two looks is seen, once", async () => {
    const { start, read } = setUpRunner(
      "echo 12345; until [ -e go ]; do sleep 0.02; done; : >/dev/stdout; echo 67890 abcdef; until [ -e on ]; do sleep 0.02; done; echo more; sleep 300",
    );
    const running = await start();
    await eventually(() => read("stdout.log") === "12345\n");
    expect(await running.look()).toMatchObject({ truncated: [] });
    writeFileSync(join(cwdOf(read("pid")), "go"), "");
    await eventually(() => read("stdout.log") === "67890 abcdef\n");
    expect(await running.look()).toMatchObject({ truncated: ["stdout"], sizes: { stdoutBytes: 13 } });
    writeFileSync(join(cwdOf(read("pid")), "on"), "");
    await eventually(() => read("stdout.log") === "67890 abcdef\nmore\n");
    expect(await running.look()).toMatchObject({ truncated: [], sizes: { stdoutBytes: 18 } });
    running.stop("cancelled", 100);
    await running.ended;
  });

  test("a log that gets shorter by itself is seen, once", async () => {
    const { start, read } = setUpRunner(
      "echo 12345; until [ -e go ]; do sleep 0.02; done; : >/dev/stdout; echo 6; sleep 300",
    );
    const running = await start();
    await eventually(() => read("stdout.log") === "12345\n");
    expect(await running.look()).toMatchObject({ truncated: [] });
    writeFileSync(join(cwdOf(read("pid")), "go"), "");
    await eventually(() => read("stdout.log") === "6\n");
    expect(await running.look()).toMatchObject({ truncated: ["stdout"], sizes: { stdoutBytes: 2 } });
    expect(await running.look()).toMatchObject({ truncated: [] });
    running.stop("timeout", 100);
    await running.ended;
  });

  test("`times` has a line for each look at which a size was another", async () => {
    const { start, read } = setUpRunner("echo 1; until [ -e go ]; do sleep 0.02; done; echo 22 >&2");
    const running = await start();
    await eventually(() => read("stdout.log") !== "");
    await running.look();
    await running.look();
    writeFileSync(join(cwdOf(read("pid")), "go"), "");
    await running.ended;
    await running.look();
    const lines = read("times").trim().split("\n");
    expect(lines.map((line) => line.split(" ").slice(1))).toEqual([
      ["2", "0"],
      ["2", "3"],
    ]);
    expect(lines.every((line) => !Number.isNaN(Date.parse(line.split(" ")[0] ?? "")))).toBe(true);
  });
});

test("one that ended before anybody looked leaves no `times`: all of it was written by its end", async () => {
  const { start, folder } = setUpRunner("echo 1");
  const running = await start();
  await running.ended;
  expect(await running.look()).toMatchObject({ sizes: { stdoutBytes: 2 } });
  expect(existsSync(join(folder, "times"))).toBe(false);
});

/** Working directory of a script by its pid. */
function cwdOf(pid: string): string {
  return readlinkSync(`/proc/${pid.trim()}/cwd`);
}

describe("adoption", () => {
  test("follows one that runs to its true end, all at once", async () => {
    const { runner, order, another, row, data, cwd } = setUpRunner("until [ -e go ]; do sleep 0.05; done; exit 5");
    const other = another("other");
    await runner.start(order());
    await runner.start(order(other));
    const adopted = await openRunner(data).adopt([row, other]);
    writeFileSync(join(cwd, "go"), "");
    for (const running of adopted.values()) expect(await running.ended).toMatchObject({ kind: "exit", exitCode: 5 });
    expect([...adopted.keys()]).toEqual([row.id, other.id]);
  });

  test("what ended meanwhile is read from exit, with the time it was written", async () => {
    const { run, data, row } = setUpRunner("exit 4");
    await run();
    const ending = await (await openRunner(data).adopt([row])).get(row.id)?.ended;
    expect(ending).toMatchObject({ kind: "exit", exitCode: 4 });
    expect(Math.abs(Date.now() - (ending?.finishedAt ?? 0))).toBeLessThan(5_000);
  });

  test("can be ended, which its shell still records", async () => {
    const { start, data, row, read } = setUpRunner("trap '' TERM; echo $$; while :; do sleep 0.05; done");
    await start();
    await numberIn(read);
    const adopted = (await openRunner(data).adopt([row])).get(row.id);
    adopted?.stop("timeout", 100);
    expect(await adopted?.ended).toMatchObject({ kind: "signal", signal: "SIGKILL" });
    expect(adopted?.stopReason).toBe("timeout");
  });

  test("what an earlier agent was ending has its reason", async () => {
    const { data, row, folder } = setUpRunner("");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "stop-reason"), "replaced\n");
    writeFileSync(join(folder, "exit"), "signal 15\n");
    const adopted = (await openRunner(data).adopt([row])).get(row.id);
    expect([adopted?.stopReason, await adopted?.ended]).toMatchObject([
      "replaced",
      { kind: "signal", signal: "SIGTERM" },
    ]);
  });

  test("what left neither pid nor exit is lost", async () => {
    const { runner, row, read } = setUpRunner("");
    expect(await (await runner.adopt([row])).get(row.id)?.ended).toMatchObject({ kind: "lost" });
    expect([read("stdout.log"), read("stderr.log")]).toEqual(["", ""]);
  });

  test("an exit without its newline is unwritten", async () => {
    const { runner, row, folder } = setUpRunner("");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "pid"), "999999\n");
    writeFileSync(join(folder, "exit"), "12");
    expect(await (await runner.adopt([row])).get(row.id)?.ended).toMatchObject({ kind: "lost" });
  });

  test("a reused pid is neither taken for ours nor signalled", async () => {
    const { runner, row, folder } = setUpRunner("");
    const stranger = Number(execFileSync("bash", ["-c", "sleep 300 >/dev/null 2>&1 & echo $!"], { encoding: "utf8" }));
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "pid"), `${stranger}\n`);
    const adopted = (await runner.adopt([{ ...row, pid: stranger }])).get(row.id);
    adopted?.stop("timeout", 0);
    expect(await adopted?.ended).toMatchObject({ kind: "lost" });
    expect(isAlive(stranger)).toBe(true);
    process.kill(stranger);
  });

  test("after a reboot no pid is ours", async () => {
    const { start, data, row, read } = setUpRunner("echo $$; exec sleep 300");
    const own = await start();
    await numberIn(read);
    const adopted = (await openRunner(data).adopt([{ ...row, pid: own.ref.pid, boot: "another boot" }])).get(row.id);
    expect(await adopted?.ended).toMatchObject({ kind: "lost" });
    own.stop("timeout", 0);
    await own.ended;
  });
});

describe("the launcher", () => {
  test("its death touches nothing that runs, and another one takes the next starts", async () => {
    const { runner, order, another, read, cwd } = setUpRunner("echo $$; until [ -e go ]; do sleep 0.02; done; exit 3");
    const running = await runner.start(order());
    await numberIn(read);
    const launcher = runner.launcherPid() ?? 0;
    process.kill(launcher, "SIGKILL");
    await eventually(() => runner.launcherPid() !== null && runner.launcherPid() !== launcher);
    writeFileSync(join(cwd, "go"), "");
    expect(await running.ended).toMatchObject({ kind: "exit", exitCode: 3 });
    expect(await (await runner.start(order(another()))).ended).toMatchObject({ kind: "exit", exitCode: 3 });
  });

  test("a start that is in flight when it dies comes never or once", async () => {
    for (let i = 0; i < 10; i++) {
      const { runner, order, another, cwd } = setUpRunner('echo x >>"starts"; exit 2');
      await (
        await runner.start(order())
      ).ended;
      rmSync(join(cwd, "starts"));
      const running = await runner.start(order(another()));
      setTimeout(() => process.kill(runner.launcherPid() ?? 0, "SIGKILL"), i);
      const { kind } = await running.ended;
      expect(["exit", "lost"]).toContain(kind);
      const starts = existsSync(join(cwd, "starts")) ? readFileSync(join(cwd, "starts"), "utf8") : "";
      expect(starts).toBe(kind === "exit" ? "x\n" : "");
    }
  });

  test("ends soon after its agent and the last script, and not before", async () => {
    const { runner, order, read, cwd, data } = setUpRunner("echo $$; until [ -e go ]; do sleep 0.02; done");
    const running = await runner.start(order());
    await numberIn(read);
    const launcher = runner.launcherPid() ?? 0;
    await runner.close();
    await new Promise((done) => setTimeout(done, 300));
    expect([isAlive(launcher), data !== ""]).toEqual([true, true]);
    writeFileSync(join(cwd, "go"), "");
    await eventually(() => !isAlive(launcher), 2_000);
    expect(
      readFileSync(
        join(data, "batches/report/executions", readdirSync(join(data, "batches/report/executions"))[0] ?? "", "exit"),
        "utf8",
      ),
    ).toBe("0\n");
    running.stop("timeout", 0);
  });
});

describe("whatever a script puts in the place of our files", () => {
  const kinds: Record<string, (at: string) => void> = {
    "a FIFO": (at) => execFileSync("mkfifo", [at]),
    "a folder": (at) => mkdirSync(at),
    "a link to itself": (at) => symlinkSync(at, at),
    "a device": (at) => symlinkSync("/dev/zero", at),
    "a huge file": (at) => execFileSync("truncate", ["-s", "10G", at]),
    "a file without rights": (at) => {
      writeFileSync(at, "");
      chmodSync(at, 0);
    },
  };
  const names = ["exit", "pid", "stop-reason", "progress", "times", "stdout.log", "stderr.log"];
  test.each(Object.keys(kinds))("%s holds nothing up", async (kind) => {
    for (const name of names) {
      const { start, runner, row, folder, read } = setUpRunner("echo $$; until [ -e go ]; do sleep 0.02; done; exit 7");
      const running = await start();
      const pid = await numberIn(read);
      expect(running.ref.pid).toBe(pid);
      rmSync(join(folder, name), { force: true });
      kinds[kind]?.(join(folder, name));
      await running.look();
      writeFileSync(join(cwdOf(String(pid)), "go"), "");
      expect(await running.ended).toMatchObject({ kind: "exit", exitCode: 7 });
      await running.look();
      const adopted = (await runner.adopt([{ ...row, pid }])).get(row.id);
      expect(await adopted?.ended).toMatchObject(name === "exit" ? { kind: "lost" } : { kind: "exit", exitCode: 7 });
    }
  });
});

describe("something else in the folder of an execution that waits, whose id scripts can read", () => {
  const obstacles: Record<string, (at: string) => void> = {
    "a FIFO": (at) => void execFileSync("mkfifo", [at]),
    "a link to itself": (at) => symlinkSync(at, at),
    "a link to a device": (at) => symlinkSync("/dev/zero", at),
    "a folder": (at) => mkdirSync(at),
  };
  test.each(
    Object.keys(obstacles).flatMap((what) =>
      ["stdout.log", "stderr.log", "exit", "pid"].map((file) => ({ what, file })),
    ),
  )("$what at $file fails its start and no other", async ({ what, file }) => {
    const { run, runner, folder, order, another } = setUpRunner("exit 0");
    mkdirSync(folder, { recursive: true });
    obstacles[what]?.(join(folder, file));
    expect(await run()).toMatchObject({ kind: "spawn" });
    const other = await runner.start(order(another()));
    expect(await other.ended).toMatchObject({ kind: "exit", exitCode: 0 });
  });

  test("a plain file is written to: logs go on, what told of an end is gone", async () => {
    const { run, folder, read } = setUpRunner("echo hi; exit 3");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "stdout.log"), "before\n");
    writeFileSync(join(folder, "exit"), "0\n0\n0\n");
    expect(await run()).toMatchObject({ kind: "exit", exitCode: 3 });
    expect(read("exit")).toBe("3\n");
    expect(read("stdout.log")).toBe("before\nhi\n");
  });
});

/** Parses what `env -0` prints, without what every script has. */
function parseEnvironment(printed: string): Record<string, string> {
  const lines = printed.split("\0").filter((line) => line !== "" && !/^(?:BATCH_\w*|PATH)=/.test(line));
  return Object.fromEntries(lines.map((line) => /^(.*?)=(.*)$/s.exec(line)?.slice(1) as [string, string]));
}
