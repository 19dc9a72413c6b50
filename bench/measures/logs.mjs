// What it costs to keep the output of a script: 1 GiB in lines of 100 bytes.
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { makeBatches, remove, startAgent, temporaryFolder, timed, until } from "../world.mjs";

const bytes = 2 ** 30;
export const gibibyte = `yes "${"x".repeat(99)}" | head -c ${bytes}\n`;

/** @type {import("../main.mjs").Measure} */
export async function measure(options) {
  return [...(await measureOutput(options, "file", 0.97)), ...(await measureOutput(options, "pipe", 0.7))];
}

/** @param {import("../main.mjs").Options} options @param {"file" | "pipe"} output @param {number} goal */
async function measureOutput({ rounds }, output, goal) {
  const home = temporaryFolder();
  const [batches, data] = [join(home, "batches.d"), join(home, "data")];
  makeBatches(
    batches,
    1,
    () => `cron: "@yearly"\nkeep: {executions: 1}\noutput: ${output}\n`,
    () => gibibyte,
  );
  const agent = await startAgent(batches, data, ["--log-limit", "2GiB"]);
  const exit = (/** @type {string} */ id) => join(data, "batches/b00000/executions", id, "exit");
  const mibPerSecond = (/** @type {number} */ seconds) => bytes / 2 ** 20 / seconds;
  /** @type {number[]} */ const ours = [];
  /** @type {number[]} */ const plain = [];
  /** @type {number[]} */ const cpu = [];
  for (let round = 0; round < rounds; round++) {
    const id = await agent.trigger("b00000");
    const before = agent.usage().cpuSeconds;
    // Looked for on disk: each question to the agent would count as its own work.
    await until(() => existsSync(exit(id)) && readFileSync(exit(id), "utf8").endsWith("\n"), { everyMs: 50 });
    cpu.push(agent.usage().cpuSeconds - before);
    const execution = await until(async () => {
      const it = await agent.json(`/api/executions/${id}`);
      return it.finishedAt === null ? null : it;
    });
    if (execution.status !== "succeeded" || execution.stdoutBytes !== bytes)
      throw new Error(`not a good round: ${JSON.stringify(execution)}`);
    ours.push(mibPerSecond(execution.durationMs / 1000));
    const out = join(home, "out");
    plain.push(mibPerSecond(await timed("bash", ["-c", `bash "${batches}/b00000/script.sh" >"${out}"`])));
    if (statSync(out).size !== bytes) throw new Error("the plain run wrote something else");
    remove(out);
  }
  await agent.stop();
  remove(home);
  return [
    {
      what: `log capture, 1 GiB, output: ${output}`,
      unit: "MiB/s",
      ours,
      plain,
      alternative: "bash script.sh > file",
      goal: `≥ ${goal}`,
      met: (/** @type {number} */ _, /** @type {number} */ ratio) => ratio >= goal,
    },
    {
      what: "the agent's CPU meanwhile",
      unit: "s",
      ours: cpu,
      goal: "< 0.05 s",
      met: (/** @type {number} */ seconds) => seconds < 0.05,
    },
  ];
}
