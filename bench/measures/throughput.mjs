// No-op executions a second, each recorded durably before it starts and after it has ended.
import { dueByAgent, dueByNode, dueByXargs } from "../due.mjs";

const count = 1_000;
/** Executions of each batch that are on record already. */
const past = 200;

/** @type {import("../main.mjs").Measure} */
export async function measure({ rounds }) {
  const rows = [];
  for (const parallel of [2, 8]) {
    /** @type {number[]} */ const ours = [];
    /** @type {number[]} */ const xargs = [];
    /** @type {number[]} */ const node = [];
    for (let round = 0; round < rounds; round++) {
      ours.push((await dueByAgent(count, parallel)).perSecond);
      xargs.push((await dueByXargs(count, parallel)).perSecond);
      node.push((await dueByNode(count, parallel)).perSecond);
    }
    const row = (/** @type {string} */ alternative, /** @type {number[]} */ plain, /** @type {number} */ goal) => ({
      what: `${count} no-ops, ${parallel} in parallel`,
      unit: "/s",
      ours,
      plain,
      alternative,
      goal: `≥ ${goal}`,
      met: (/** @type {number} */ _, /** @type {number} */ ratio) => ratio >= goal,
    });
    rows.push(row(`xargs -P ${parallel}`, xargs, 0.6), row("a spawn loop in Node", node, 0.7));
  }
  /** @type {number[]} */ const ours = [];
  /** @type {number[]} */ const plain = [];
  for (let round = 0; round < rounds; round++) {
    ours.push((await dueByAgent(count, 8, undefined, past)).perSecond);
    plain.push((await dueByAgent(count, 8)).perSecond);
  }
  const what = `${count} no-ops, 8 in parallel, ${count * past} on record`;
  const met = (/** @type {number} */ _, /** @type {number} */ ratio) => ratio >= 0.9;
  return [...rows, { what, unit: "/s", ours, plain, alternative: "none on record", goal: "≥ 0.9", met }];
}
