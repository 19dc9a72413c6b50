// Many batches that are due at the same moment, by the agent and by xargs: what `throughput` and `lateness` share.
import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writePast } from "./past.mjs";
import { batchName, launch, makeBatches, output, remove, sleep, startAgent, temporaryFolder, until } from "./world.mjs";
import { once } from "node:events";

/** What a script was first able to say: the time. */
const script = 'printf "%s" "$EPOCHREALTIME"\n';

/**
 * `count` batches that are due in one moment, on a fresh agent. Each script's lateness in ms, and how many ended a
 * second.
 * @param {number} count @param {number} parallel @param {(url: string) => (() => void)} [meanwhile]  called just
 *   before; what it gives, once all are done @param {number} [past]  executions of each batch that are on record
 */
export async function dueByAgent(count, parallel, meanwhile, past = 0) {
  const home = temporaryFolder();
  const [batches, data] = [join(home, "batches.d"), join(home, "data")];
  if (past > 0) writePast(data, count, past);
  const dueAt = Math.ceil((Date.now() + 4_000 + count * 6 + (count * past) / 20) / 1000) * 1000;
  makeBatches(
    batches,
    count,
    () => `cron: "${new Date(dueAt).toISOString()}"\nkeep: {executions: ${past + 1}}\n`,
    () => script,
  );
  const agent = await startAgent(batches, data, ["--max-parallel", String(parallel)]);
  if (Date.now() > dueAt - 500)
    throw new Error("the agent was not ready in time: let the machine rest, or measure fewer");
  await sleep(dueAt - Date.now() - 300);
  const done = meanwhile?.(agent.url);
  await until(
    async () => {
      const { running, queued } = (await agent.json("/readyz")).details;
      return Date.now() > dueAt + 200 && running + queued === 0;
    },
    { everyMs: 100 },
  );
  done?.();
  await agent.stop(); // then the documents are complete
  const finished = [];
  const late = [];
  for (let i = 0; i < count; i++) {
    const { executions } = JSON.parse(readFileSync(join(data, "batches", batchName(i), "history.json"), "utf8"));
    const [execution] = executions.filter((/** @type {any} */ row) => Date.parse(row.trigger.dueAt) === dueAt);
    if (executions.length !== past + 1 || execution?.status !== "succeeded")
      throw new Error(`${batchName(i)} has ${executions.length - past} new rows, one good one was due`);
    finished.push(Date.parse(execution.finishedAt));
    late.push(lateness(join(data, "batches", batchName(i), "executions", execution.id, "stdout.log"), dueAt));
  }
  remove(home);
  return { late, perSecond: count / ((Math.max(...finished) - dueAt) / 1000) };
}

/** The same by `xargs -P`. @param {number} count @param {number} parallel @param {string} [below] */
export async function dueByXargs(count, parallel, below = tmpdir()) {
  const home = temporaryFolder(below);
  writeFileSync(join(home, "script.sh"), script);
  for (let i = 0; i < count; i++) mkdirSync(join(home, batchName(i)));
  const began = Date.now();
  const each = 'bash script.sh >"$0/out" 2>"$0/err"';
  const xargs = launch("xargs", ["-P", String(parallel), "-n", "1", "sh", "-c", each], {
    cwd: home,
    stdio: ["pipe", "ignore", "inherit"],
  });
  xargs.stdin?.end(Array.from({ length: count }, (_, i) => batchName(i)).join("\n"));
  await once(xargs, "exit");
  const seconds = (Date.now() - began) / 1000;
  const late = Array.from({ length: count }, (_, i) => lateness(join(home, batchName(i), "out"), began));
  remove(home);
  return { late, perSecond: count / seconds };
}

/**
 * The same by a loop in Node that spawns bash with its output to files and keeps no record.
 * @param {number} count @param {number} parallel @param {string} [below]
 */
export async function dueByNode(count, parallel, below = tmpdir()) {
  const home = temporaryFolder(below);
  writeFileSync(join(home, "script.sh"), script);
  const began = Date.now();
  let next = 0;
  const lane = async () => {
    while (next < count) {
      const folder = join(home, batchName(next++));
      mkdirSync(folder);
      const logs = ["out", "err"].map((name) => openSync(join(folder, name), "a"));
      const child = spawn("bash", ["script.sh"], { cwd: home, stdio: ["ignore", ...logs], detached: true });
      for (const log of logs) closeSync(log);
      await once(child, "exit");
    }
  };
  await Promise.all(Array.from({ length: parallel }, lane));
  const seconds = (Date.now() - began) / 1000;
  const late = Array.from({ length: count }, (_, i) => lateness(join(home, batchName(i), "out"), began));
  remove(home);
  return { late, perSecond: count / seconds };
}

/** The same by croner in a process of its own, with nothing on record. @param {number} count */
export async function dueByCroner(count) {
  const program = new URL("peers/croner.mjs", import.meta.url).pathname;
  return dueByPeer(count, (home, dueAt) => launch(process.execPath, [program, home, String(count), String(dueAt)]));
}

/** The same by supercronic, which keeps no record either. @param {string} program @param {number} count */
export async function dueBySupercronic(program, count) {
  return dueByPeer(count, (home, dueAt) => {
    const at = new Date(dueAt);
    const pattern = [
      [at.getUTCSeconds(), at.getUTCMinutes(), at.getUTCHours()],
      [at.getUTCDate(), at.getUTCMonth() + 1, "*", at.getUTCFullYear()],
    ].flat();
    const line = (/** @type {number} */ i) =>
      `${pattern.join(" ")} cd ${home} && exec bash script.sh >${batchName(i)}/out 2>${batchName(i)}/err`;
    const crontab = join(home, "crontab");
    writeFileSync(crontab, `${Array.from({ length: count }, (_, i) => line(i)).join("\n")}\n`);
    return launch(program, ["-quiet", crontab], { env: { ...process.env, TZ: "UTC" } });
  });
}

/**
 * Has a peer start `count` scripts that are due in one moment.
 * @param {number} count @param {(home: string, dueAt: number) => import("node:child_process").ChildProcess} start
 */
async function dueByPeer(count, start) {
  const home = temporaryFolder();
  writeFileSync(join(home, "script.sh"), script);
  for (let i = 0; i < count; i++) mkdirSync(join(home, batchName(i)));
  const dueAt = Math.ceil((Date.now() + 3_000) / 1000) * 1000;
  const peer = start(home, dueAt);
  const outputs = Array.from({ length: count }, (_, i) => join(home, batchName(i), "out"));
  await until(() => outputs.every((path) => existsSync(path) && statSync(path).size > 0), { everyMs: 250 });
  peer.kill();
  const late = outputs.map((path) => lateness(path, dueAt));
  remove(home);
  return { late };
}

/** Returns the path of supercronic, built if Go is there; null without either. @returns {Promise<string | null>} */
export async function findSupercronic() {
  const bin = temporaryFolder();
  const env = { ...process.env, GOBIN: bin };
  try {
    return (await output("sh", ["-c", "command -v supercronic"])).trim();
  } catch {
    const [code] = await once(launch("sh", ["-c", `go install ${supercronicModule}`], { env, cwd: bin }), "exit");
    return code === 0 ? join(bin, "supercronic") : null;
  }
}

const supercronicModule = "github.com/aptible/supercronic@v0.2.48";

/** @param {string} path @param {number} dueAt */
const lateness = (path, dueAt) => Number(readFileSync(path, "utf8").replace(",", ".")) * 1000 - dueAt;
