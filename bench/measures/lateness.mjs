// 1,000 starts that are due in one second: how late the first byte of each script is, and how the API answers
// meanwhile.
import { dueByAgent, dueByCroner, dueBySupercronic, dueByXargs, findSupercronic } from "../due.mjs";
import { median, quantile } from "../report.mjs";
import { sleep } from "../world.mjs";

const count = 1_000;
const parallel = 8;

/** @type {import("../main.mjs").Measure} */
export async function measure({ rounds }) {
  /** @type {number[]} */ const ours = [];
  /** @type {number[]} */ const plain = [];
  /** @type {number[]} */ const byCroner = [];
  /** @type {number[]} */ const bySupercronic = [];
  /** @type {number[]} */ const answers = [];
  const supercronic = await findSupercronic();
  for (let round = 0; round < rounds; round++) {
    /** @type {number[]} */ const tookMs = [];
    const { late } = await dueByAgent(count, parallel, (url) =>
      askingAllTheTime(`${url}/api/executions?limit=10`, tookMs),
    );
    ours.push(median(late));
    answers.push(quantile(tookMs, 0.99));
    plain.push(median((await dueByXargs(count, parallel)).late));
    byCroner.push(median((await dueByCroner(count)).late));
    if (supercronic !== null) bySupercronic.push(median((await dueBySupercronic(supercronic, count)).late));
  }
  const peers = [
    { alternative: "croner and spawn, no record", plain: byCroner, goal: "≤ 1.3", most: 1.3 },
    { alternative: "supercronic, no record", plain: bySupercronic, goal: "≤ 1.3", most: 1.3 },
  ].filter((peer) => peer.plain.length > 0);
  return [
    {
      what: `lateness of ${count} starts due at once, median`,
      unit: "ms",
      ours,
      plain,
      alternative: `xargs -P ${parallel}`,
      goal: "≤ 1.7",
      met: (_, ratio) => ratio <= 1.7,
    },
    ...peers.map(({ most, ...peer }) => ({
      what: `lateness of ${count} starts due at once, median`,
      unit: "ms",
      ours,
      ...peer,
      /** @type {(ours: number, ratio: number) => boolean} */ met: (_, ratio) => ratio <= most,
    })),
    { what: "API answers meanwhile, p99", unit: "ms", ours: answers, goal: "≤ 50 ms", met: (p99) => p99 <= 50 },
  ];
}

/** One question after the other, 20 ms between. @param {string} url @param {number[]} tookMs */
function askingAllTheTime(url, tookMs) {
  let over = false;
  void (async () => {
    while (!over) {
      const began = performance.now();
      await (await fetch(url)).text();
      tookMs.push(performance.now() - began);
      await sleep(20);
    }
  })();
  return () => void (over = true);
}
