// From the rename that saves a script to its new revision in force, beside how soon a bare chokidar tells of the same.
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { watch } from "chokidar";
import { quantile, median } from "../report.mjs";
import { batchName, makeBatches, remove, sleep, startAgent, temporaryFolder } from "../world.mjs";

const edits = 30;

/** @type {import("../main.mjs").Measure} */
export async function measure({ rounds }) {
  const rows = [];
  for (const count of [100, 10_000]) {
    const home = temporaryFolder();
    const [batches, data] = [join(home, "batches.d"), join(home, "data")];
    makeBatches(
      batches,
      count,
      () => 'cron: "@yearly"\n',
      (i) => `echo number ${i}\n`,
    );
    /** @type {number[]} */ const ours = [];
    /** @type {number[]} */ const worst = [];
    /** @type {number[]} */ const plain = [];
    for (let round = 0; round < rounds; round++) {
      const agent = await startAgent(batches, data);
      /** @type {number[]} */ const took = [];
      for (let i = 0; i < edits; i++) {
        const name = batchName((i * 7919 + round) % count);
        const before = (await agent.json(`/api/batches/${name}`)).revision;
        const began = performance.now();
        save(join(batches, name), `echo edit ${i} of round ${round}\n`);
        while ((await agent.json(`/api/batches/${name}`)).revision === before) {
          if (performance.now() - began > 70_000) throw new Error(`the edit of ${name} was not seen`);
          await sleep(5);
        }
        took.push(performance.now() - began);
      }
      await agent.stop();
      ours.push(median(took));
      worst.push(quantile(took, 0.99));
      plain.push(await bareWatcher(batches, count, round));
    }
    remove(home);
    rows.push({
      what: `edit among ${count}, p50`,
      unit: "ms",
      ours,
      plain,
      alternative: "chokidar's event",
      goal: "≤ 300 ms",
      met: (/** @type {number} */ ms) => ms <= 300,
    });
    rows.push({
      what: `edit among ${count}, p99`,
      unit: "ms",
      ours: worst,
      goal: "≤ 1000 ms",
      met: (/** @type {number} */ ms) => ms <= 1000,
    });
  }
  return rows;
}

/** As editors do: under another name, then renamed. @param {string} folder @param {string} text */
function save(folder, text) {
  writeFileSync(join(folder, ".script.sh.swp"), text);
  renameSync(join(folder, ".script.sh.swp"), join(folder, "script.sh"));
}

/** Median ms until the event. @param {string} root @param {number} count @param {number} round */
async function bareWatcher(root, count, round) {
  const watcher = watch(root, { ignoreInitial: true });
  await new Promise((done) => watcher.once("ready", () => done(null)));
  const took = [];
  for (let i = 0; i < edits; i++) {
    const folder = join(root, batchName((i * 7919 + round) % count));
    const told = new Promise((done) =>
      watcher.on("all", (_event, path) => path === join(folder, "script.sh") && done(null)),
    );
    const began = performance.now();
    save(folder, `echo bare ${i} of round ${round}\n`);
    await told;
    took.push(performance.now() - began);
    watcher.removeAllListeners("all");
    await sleep(20);
  }
  await watcher.close();
  return median(took);
}
