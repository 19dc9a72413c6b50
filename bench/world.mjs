// What the measures act on: temporary folders, folders of batches, agents and other processes. Ends and deletes all
// of it.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const main = new URL("../dist/main.js", import.meta.url).pathname;
/** With BENCH_PROFILE=<folder> each agent leaves a CPU profile there when it ends. */
const profile = process.env["BENCH_PROFILE"];
const nodeArgs = profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`];
/** @type {Set<string>} */
const folders = new Set();
/** @type {Set<import("node:child_process").ChildProcess>} */
const children = new Set();

/** An empty folder. @param {string} [below] */
export function temporaryFolder(below = tmpdir()) {
  const path = mkdtempSync(join(below, "batch-agent-bench-"));
  folders.add(path);
  return path;
}

/** @param {string} path */
export function remove(path) {
  rmSync(path, { recursive: true, force: true });
  folders.delete(path);
}

/** Ends what still runs and deletes what still lies there. */
export function cleanUp() {
  for (const child of children) if (child.pid !== undefined) killGroup(child.pid);
  for (const path of folders) rmSync(path, { recursive: true, force: true });
}

/** @param {number} pid */
function killGroup(pid) {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // gone
  }
}

/**
 * A child in a group of its own that does not outlive the bench.
 * @param {string} command @param {readonly string[]} args @param {import("node:child_process").SpawnOptions} [options]
 */
export function launch(command, args, options = {}) {
  const child = spawn(command, args, { stdio: "ignore", detached: true, ...options });
  children.add(child);
  child.once("exit", () => children.delete(child));
  return child;
}

/**
 * Runs a command to its end, which must be a good one. Seconds it took.
 * @param {string} command @param {readonly string[]} args @param {import("node:child_process").SpawnOptions} [options]
 */
export async function timed(command, args, options = {}) {
  const began = performance.now();
  const [code] = await once(launch(command, args, options), "exit");
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}`);
  return (performance.now() - began) / 1000;
}

/** @param {string} command @param {readonly string[]} args */
export async function output(command, args) {
  return (await promisify(execFile)(command, args, { maxBuffer: 64 * 2 ** 20 })).stdout;
}

/** @param {number} ms */
export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/**
 * Asks again and again until it gets something.
 * @template T @param {() => T | Promise<T>} look @param {{ everyMs?: number, forMs?: number }} [how] @returns
 * {Promise<NonNullable<T>>}
 */
export async function until(look, { everyMs = 5, forMs = 120_000 } = {}) {
  const end = performance.now() + forMs;
  for (;;) {
    const seen = await look();
    if (seen) return /** @type {NonNullable<T>} */ (seen);
    if (performance.now() > end) throw new Error(`not seen within ${forMs} ms: ${look}`);
    await sleep(everyMs);
  }
}

/**
 * `count` folders `b00000`…; text of batch.yaml and script.sh.
 * @param {string} root @param {number} count @param {(i: number) => string} yaml @param {(i: number) => string} script
 */
export function makeBatches(root, count, yaml, script) {
  for (let i = 0; i < count; i++) {
    const folder = join(root, batchName(i));
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "batch.yaml"), yaml(i));
    writeFileSync(join(folder, "script.sh"), script(i));
  }
}

/** @param {number} i */
export const batchName = (i) => `b${String(i).padStart(5, "0")}`;

/**
 * The built program, once it says that it is ready.
 * @param {string} batches @param {string} data @param {readonly string[]} [args]
 */
export async function startAgent(batches, data, args = []) {
  const began = performance.now();
  const child = launch(
    process.execPath,
    [...nodeArgs, main, "run", batches, "--data", data, "--port", "0", "--log-level", "info", ...args],
    {
      stdio: ["ignore", "pipe", "inherit"],
      cwd: tmpdir(),
    },
  );
  const url = await urlOf(child);
  const pid = /** @type {number} */ (child.pid);
  return {
    pid,
    url,
    readySeconds: (performance.now() - began) / 1000,
    usage: () => usage(pid),
    /** @param {string} path @returns {Promise<any>} */
    json: async (path) => (await fetch(url + path)).json(),
    /** The execution's id. @param {string} name */
    trigger: async (name) => (await output(process.execPath, [main, "trigger", name, "--data", data])).trim(),
    async stop() {
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    },
  };
}

/**
 * Where an agent serves, once its log on stdout says so.
 * @param {import("node:child_process").ChildProcess} child @returns {Promise<string>}
 */
export function urlOf(child) {
  let said = "";
  return new Promise((done, failed) => {
    child.stdout?.on("data", (/** @type {Buffer} */ chunk) => {
      if (said.length > 1e6) return;
      said += chunk.toString();
      const found = /"url":"([^"]+)"/.exec(said)?.[1];
      if (found !== undefined) done(found);
    });
    child.once("exit", () => failed(new Error(`the agent ended:\n${said}`)));
  });
}

/** CPU seconds so far (in ticks of 10 ms), resident MiB now and at most, open descriptors. @param {number} pid */
function usage(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const mib = (/** @type {string} */ key) => Number(new RegExp(`${key}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024;
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100,
    rssMiB: mib("VmRSS"),
    peakMiB: mib("VmHWM"),
    fds: readdirSync(`/proc/${pid}/fd`).length,
  };
}

/** All rows of all histories in a data folder. @param {string} data @returns {any[]} */
export function recordedRows(data) {
  const home = join(data, "batches");
  return readdirSync(home).flatMap(
    (name) => JSON.parse(readFileSync(join(home, name, "history.json"), "utf8")).executions,
  );
}
