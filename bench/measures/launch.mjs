// Starts a second by the local runner alone, without a record of them: what the launcher and the shell beside each
// script cost.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { dueByNode, dueByXargs } from "../due.mjs";
import { remove, temporaryFolder } from "../world.mjs";

/** A built file; built later than this is checked, so without types. @param {string} path @returns {Promise<any>} */
const built = (path) => import(new URL(`../../dist/${path}`, import.meta.url).href);
const { createRunner } = await built("runners/local/runner.js");
const { systemClock } = await built("platform/clock.js");

const count = 400;
/** A disk that has just deleted much is slow at making files, which would hide what is measured here. */
const memory = "/dev/shm";

/** @type {import("../main.mjs").Measure} */
export async function measure({ rounds }) {
  const rows = [];
  for (const parallel of [2, 8]) {
    /** @type {number[]} */ const ours = [];
    /** @type {number[]} */ const cpu = [];
    /** @type {number[]} */ const xargs = [];
    /** @type {number[]} */ const node = [];
    for (let round = 0; round < rounds; round++) {
      const { perSecond, cpuMs } = await byRunner(parallel);
      ours.push(perSecond);
      cpu.push(cpuMs);
      xargs.push((await dueByXargs(count, parallel, memory)).perSecond);
      node.push((await dueByNode(count, parallel, memory)).perSecond);
    }
    const what = `${count} no-ops without a record, ${parallel} in parallel`;
    const met = (/** @type {number} */ _, /** @type {number} */ ratio) => ratio >= 0.7;
    rows.push(
      { what, unit: "/s", ours, plain: xargs, alternative: `xargs -P ${parallel}` },
      { what, unit: "/s", ours, plain: node, alternative: "a spawn loop in Node", goal: "≥ 0.7", met },
      { what: "the caller's CPU a start", unit: "ms", ours: cpu },
    );
  }
  return rows;
}

/** @param {number} parallel */
async function byRunner(parallel) {
  const home = temporaryFolder(memory);
  const revision = "aaaaaaaaaaaa";
  mkdirSync(join(home, "revisions", revision), { recursive: true });
  writeFileSync(join(home, "revisions", revision, "script.sh"), 'printf "%s" "$EPOCHREALTIME"\n');
  const quiet = () => undefined;
  const log = { debug: quiet, info: quiet, warn: console.warn, error: console.error };
  const baseEnv = { PATH: process.env["PATH"] ?? "" };
  const runner = createRunner(home, { clock: systemClock, log, baseEnv, logLimitBytes: Infinity });
  const settings = { shellOptions: [], output: "file", input: "none", env: {}, envFiles: [] };
  const start = async (/** @type {number} */ i) => {
    const trigger = { kind: "cron", dueAt: "", by: null };
    const execution = { id: `e${i}`, run: `e${i}`, batch: `b${i}`, trigger, attempt: 1, boot: runner.boot, pid: null };
    const running = await runner.start({ execution, revision, fault: null, settings, previous: [] });
    const ending = await running.ended;
    await running.look();
    if (ending.exitCode !== 0) throw new Error(`not a good start: ${JSON.stringify(ending)}`);
  };
  await start(count); // the launcher is there
  let next = 0;
  const lane = async () => {
    while (next < count) await start(next++);
  };
  const before = process.cpuUsage();
  const began = performance.now();
  await Promise.all(Array.from({ length: parallel }, lane));
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(before);
  await runner.close();
  remove(home);
  return { perSecond: count / seconds, cpuMs: (user + system) / 1000 / count };
}
