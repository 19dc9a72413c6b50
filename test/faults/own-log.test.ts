// The agent's own log on what does not take it: the agent neither ends nor stalls, and ends in order when it is asked
// to.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { freePort, main, typeOnTerminal } from "../helpers/cli.ts";
import { startAgent, workplace } from "../helpers/agent.ts";
import { eventually, temporaryFolder } from "../helpers/tmp.ts";

const started: ChildProcess[] = [];
afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill("SIGKILL");
    await once(child, "exit");
  }
});

/** An agent with much to say, whose stdout is `stdout`. */
async function agentOn(stdout: number | "pipe") {
  const home = temporaryFolder();
  const folder = join(home, "batches.d", "chatty");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "batch.yaml"), 'cron: "* * * * * *"\n');
  writeFileSync(join(folder, "script.sh"), "true\n");
  const port = await freePort();
  const args = [
    main,
    "run",
    "batches.d",
    "--data",
    "data",
    "--port",
    String(port),
    "--log-level",
    "debug",
    "--grace",
    "1s",
  ];
  const child = spawn(process.execPath, args, { cwd: home, stdio: ["ignore", stdout, "pipe"] });
  started.push(child);
  const count = async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/api/executions?status=succeeded`);
    return ((await answer.json()) as { items: unknown[] }).items.length;
  };
  return { child, port, count };
}

async function endsInOrder(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  expect(await ended).toEqual([0, null]);
}

test("a full disk", async () => {
  const full = openSync("/dev/full", "w");
  const { child, count } = await agentOn(full);
  closeSync(full);
  await eventually(async () => (await count()) >= 2);
  await endsInOrder(child);
}, 30_000);

test("a pipe whose reader is gone", async () => {
  const { child, count } = await agentOn("pipe");
  child.stdout?.destroy();
  await eventually(async () => (await count()) >= 2);
  await endsInOrder(child);
}, 30_000);

test("a pipe whose reader takes nothing, then all: what was lost is said", async () => {
  const { child, port, count } = await agentOn("pipe");
  const { stdout } = child;
  if (stdout === null) throw new Error("no stdout");
  await eventually(async () => (await count()) >= 1);
  // Each SIGHUP is a line or more: far more than the pipe holds, sooner or later than is kept.
  const health = async () => {
    const began = performance.now();
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
    return performance.now() - began;
  };
  for (let i = 0; i < 2_000; i++) {
    child.kill("SIGHUP");
    if (i % 100 === 0) await health();
  }
  expect(await health()).toBeLessThan(1_000);
  const before = await count();
  await eventually(async () => (await count()) >= before + 2);
  let text = "";
  stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  await eventually(() => text.includes('"msg":"batch-agent '));
  await endsInOrder(child);
  await eventually(() => text.includes("batch-agent has ended"));
  for (const line of text.trim().split("\n")) expect(() => JSON.parse(line) as unknown).not.toThrow();
}, 60_000);

test("a stopped terminal", async () => {
  // What a terminal holds is a few KiB: nothing reads the other side of this one.
  const home = temporaryFolder();
  mkdirSync(join(home, "batches.d"));
  const port = await freePort();
  const code = `
import os, pty, subprocess, sys, time, signal, urllib.request
master, slave = pty.openpty()
child = subprocess.Popen(sys.argv[1:], stdout=slave, stderr=slave, stdin=slave, start_new_session=True)
os.close(slave)
def well():
    try: return urllib.request.urlopen("http://127.0.0.1:${port}/healthz", timeout=1).status == 200
    except Exception: return False
for _ in range(100):
    if well(): break
    time.sleep(0.1)
for _ in range(600):
    child.send_signal(signal.SIGHUP); time.sleep(0.002)
time.sleep(0.5)
alive = well()
child.send_signal(signal.SIGTERM)
try: code = child.wait(10)
except Exception: code = "stuck"; child.kill()
print(alive, code)
`;
  const child = spawn("python3", ["-c", code, process.execPath, main, "run", "--port", String(port)], { cwd: home });
  started.push(child);
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
  await once(child, "exit");
  expect(said.trim()).toBe("True 0");
}, 60_000);

describe("what the log tells", () => {
  test("signals and the end, as JSON", async () => {
    const agent = await startAgent(workplace());
    agent.child.kill("SIGHUP");
    await eventually(() => agent.log().includes('"signal":"SIGHUP"'));
    await agent.exit("SIGTERM");
    const lines = agent
      .log()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { msg: string; signal?: string });
    expect(lines.find(({ signal }) => signal === "SIGTERM")).toBeDefined();
    expect(lines.at(-1)).toMatchObject({ msg: "batch-agent has ended", code: 0 });
  });

  test("on a terminal it is for people", async () => {
    const home = temporaryFolder();
    mkdirSync(join(home, "batches.d"));
    const { stdout } = await typeOnTerminal(home, ["run", "--port", "70000"]);
    expect(stdout).toContain("70000"); // refused before there is a log
    const shown = typeOnTerminal(home, ["run", "--port", "0"], { PATH: process.env["PATH"] ?? "" });
    const lock = join(home, "data", "agent.lock");
    const pid = await eventually(() => (JSON.parse(readFileSync(lock, "utf8")) as { pid: number }).pid);
    await eventually(() => existsSync(join(home, "data", "commands")) || existsSync(join(home, "data", "triggers")));
    process.kill(pid, "SIGTERM");
    const { stdout: text } = await shown;
    expect(text).toMatch(/INFO/);
    expect(text).toContain("batch-agent has ended");
  }, 30_000);
});
