// Start with 100,000 executions on record, beside `cat` of the same files; what an empty start takes is told too.
import { join } from "node:path";
import { writePast } from "../past.mjs";
import { makeBatches, remove, startAgent, temporaryFolder, timed } from "../world.mjs";

/** @type {import("../main.mjs").Measure} */
export async function measure({ rounds }) {
  const home = temporaryFolder();
  const [batches, data, empty] = [join(home, "batches.d"), join(home, "data"), join(home, "empty")];
  makeBatches(
    batches,
    100,
    () => 'cron: "@yearly"\nkeep: {executions: 1000}\n',
    () => "true\n",
  );
  await (await startAgent(batches, empty)).stop();
  writePast(data, 100, 1_000);
  await (await startAgent(batches, data)).stop();
  /** @type {number[]} */ const whole = [];
  /** @type {number[]} */ const without = [];
  /** @type {number[]} */ const plain = [];
  for (let round = 0; round < rounds; round++) {
    plain.push(await timed("sh", ["-c", 'cat "$0"/batches/*/history.json >/dev/null', data]));
    for (const [folder, into] of /** @type {const} */ ([
      [data, whole],
      [empty, without],
    ])) {
      const agent = await startAgent(batches, folder);
      into.push(agent.readySeconds);
      await agent.stop();
    }
  }
  remove(home);
  const alternative = "cat";
  return [
    {
      what: "start with 100000 executions on record",
      unit: "s",
      ours: whole,
      plain,
      alternative,
      goal: "≤ 4",
      met: (_, ratio) => ratio <= 4,
    },
    { what: "the same without any", unit: "s", ours: without, plain, alternative },
  ];
}
