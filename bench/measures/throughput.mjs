// No-op executions a second, each recorded durably before it starts and after it has ended.
import { dueByAgent, dueByXargs } from "../due.mjs";

const count = 400;

/** @type {import("../main.mjs").Measure} */
export async function measure({ rounds }) {
  const rows = [];
  for (const parallel of [2, 8]) {
    /** @type {number[][]} */
    const [ours, plain] = [[], []];
    for (let round = 0; round < rounds; round++) {
      ours?.push((await dueByAgent(count, parallel)).perSecond);
      plain?.push((await dueByXargs(count, parallel)).perSecond);
    }
    rows.push({
      what: `${count} no-ops, ${parallel} in parallel`,
      unit: "/s",
      ours: ours ?? [],
      plain: plain ?? [],
      alternative: `xargs -P ${parallel}`,
      goal: "≥ 0.8",
      met: (/** @type {number} */ _, /** @type {number} */ ratio) => ratio >= 0.8,
    });
  }
  return rows;
}
