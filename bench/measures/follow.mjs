// From a script's write of a line to its arrival at who follows the log over HTTP, beside `tail -f` of a file.
import { once } from "node:events";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { quantile } from "../report.mjs";
import { launch, makeBatches, remove, startAgent, temporaryFolder } from "../world.mjs";

const lines = 100;
/** Each line is the time of its own write, in microseconds; up to 0.3 s lie between two. */
const script =
  `sleep 1\nfor ((i = 0; i < ${lines}; i++)); do echo "\${EPOCHREALTIME/[.,]/}"; sleep "0.$(printf %03d ` +
  `$((RANDOM % 300)))"; done\n`;

/** @type {import("../main.mjs").Measure} */
export async function measure({ rounds }) {
  const home = temporaryFolder();
  const [batches, data] = [join(home, "batches.d"), join(home, "data")];
  makeBatches(
    batches,
    1,
    () => 'cron: "@yearly"\n',
    () => script,
  );
  const agent = await startAgent(batches, data);
  /** @type {number[][]} */ const ours = [];
  /** @type {number[][]} */ const plain = [];
  for (let round = 0; round < rounds; round++) {
    const id = await agent.trigger("b00000");
    const response = await fetch(`${agent.url}/api/executions/${id}/stdout?follow=1`);
    ours.push(await latencies(/** @type {any} */ (response.body)));
    plain.push(await byTail(join(batches, "b00000/script.sh"), join(home, "out")));
  }
  await agent.stop();
  remove(home);
  const row = (/** @type {number} */ share) => ({
    unit: "ms",
    ours: ours.map((round) => quantile(round, share)),
    plain: plain.map((round) => quantile(round, share)),
    alternative: "tail -f",
  });
  return [
    { what: "a line's way to who follows it, median", ...row(0.5), goal: "≤ 200 ms", met: (ms) => ms <= 200 },
    { what: "a line's way to who follows it, p99", ...row(0.99) },
  ];
}

/** @param {string} path @param {string} out */
async function byTail(path, out) {
  writeFileSync(out, "");
  const tail = launch("tail", ["-n", "+1", "-f", out], { stdio: ["ignore", "pipe", "inherit"] });
  const file = openSync(out, "w");
  const child = launch("bash", [path], { stdio: ["ignore", file, "inherit"] });
  closeSync(file);
  const seen = latencies(/** @type {any} */ (tail.stdout), lines);
  await once(child, "exit");
  const took = await seen;
  tail.kill();
  return took;
}

/** How old each line is as it comes, in ms. @param {AsyncIterable<Uint8Array>} stream @param {number} most */
async function latencies(stream, most = Infinity) {
  /** @type {number[]} */ const took = [];
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const now = performance.timeOrigin + performance.now();
    rest += decoder.decode(chunk, { stream: true });
    const whole = rest.split("\n");
    rest = whole.pop() ?? "";
    for (const line of whole) took.push(now - Number(line) / 1_000);
    if (took.length >= most) break;
  }
  if (took.length !== lines) throw new Error(`${took.length} of ${lines} lines came`);
  return took;
}
