// Start until ready with 100, 1,000 and 10,000 folders: the first ever, which copies all of them, and again.
import { join } from "node:path";
import { makeBatches, remove, sleep, startAgent, temporaryFolder, timed } from "../world.mjs";

/** @type {import("../main.mjs").Measure} */
export async function measure({ rounds }) {
  const rows = [];
  for (const count of [100, 1_000, 10_000]) {
    const home = temporaryFolder();
    const batches = join(home, "batches.d");
    makeBatches(
      batches,
      count,
      (i) => `description: number ${i}\ncron: "${i % 60} ${i % 24} * * *"\n`,
      (i) => `echo number ${i}\n`,
    );
    /** @type {number[]} */ const first = [];
    /** @type {number[]} */ const again = [];
    /** @type {number[]} */ const plain = [];
    /** @type {number[]} */ const resident = [];
    for (let round = 0; round < rounds; round++) {
      const data = join(home, `data${round}`);
      const fresh = await startAgent(batches, data);
      first.push(fresh.readySeconds);
      await fresh.stop();
      const second = await startAgent(batches, data);
      again.push(second.readySeconds);
      await sleep(2_000);
      resident.push(second.usage().rssMiB);
      await second.stop();
      plain.push(await timed("find", [batches, "-type", "f", "-exec", "sha256sum", "{}", "+"]));
    }
    remove(home);
    const alternative = "find -exec sha256sum";
    const budget = 60 + (25 * count) / 1024;
    rows.push({
      what: `first start, ${count} folders`,
      unit: "s",
      ours: first,
      plain,
      alternative,
      goal: "≤ 10 s",
      met: (/** @type {number} */ seconds) => seconds <= 10,
    });
    rows.push({
      what: `second start, ${count} folders`,
      unit: "s",
      ours: again,
      plain,
      alternative,
      goal: "≤ 3",
      met: (/** @type {number} */ _, /** @type {number} */ ratio) => ratio <= 3,
    });
    rows.push({
      what: `resident, ${count} folders`,
      unit: "MiB",
      ours: resident,
      goal: `≤ ${Math.round(budget)} MiB`,
      met: (/** @type {number} */ mib) => mib <= budget,
    });
  }
  return rows;
}
