// Requests a second for lists and single records, with few and with many executions kept, beside a trivial Hono
// route. Needs wrk.
import { once } from "node:events";
import { join } from "node:path";
import { writePast } from "../past.mjs";
import { batchName, launch, makeBatches, output, remove, startAgent, temporaryFolder } from "../world.mjs";

const seconds = 2;
const trivial = `
import { serve } from "@hono/node-server";
import { Hono } from "hono";
const app = new Hono().get("/", (c) => c.json({ hello: "world" }));
serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) => console.log(port));`;

/** @type {import("../main.mjs").Measure} */
export async function measure({ rounds }) {
  const bare = launch(process.execPath, ["--input-type=module", "-e", trivial], {
    stdio: ["ignore", "pipe", "inherit"],
    cwd: import.meta.dirname,
  });
  const [port] = await once(/** @type {import("node:stream").Readable} */ (bare.stdout), "data");
  const plainUrl = `http://127.0.0.1:${String(port).trim()}/`;
  const rows = [];
  for (const [batchCount, each] of /** @type {const} */ ([
    [10, 10],
    [100, 1_000],
  ])) {
    const home = temporaryFolder();
    const [batches, data] = [join(home, "batches.d"), join(home, "data")];
    makeBatches(
      batches,
      batchCount,
      () => `cron: "@yearly"\nkeep: {executions: ${each}}\n`,
      () => "true\n",
    );
    writePast(data, batchCount, each);
    const agent = await startAgent(batches, data);
    const { id } = (await agent.json("/api/executions?limit=1")).items[0];
    const paths = {
      "50 executions": "/api/executions",
      "50 failed ones": "/api/executions?status=failed",
      "50 of which none is running": "/api/executions?status=running",
      "50 of one batch": `/api/executions?batch=${batchName(3)}`,
      "one record": `/api/executions/${id}`,
    };
    for (const [what, path] of Object.entries(paths)) {
      /** @type {number[]} */ const ours = [];
      /** @type {number[]} */ const plain = [];
      for (let round = 0; round < rounds; round++) {
        ours.push(await perSecond(agent.url + path));
        plain.push(await perSecond(plainUrl));
      }
      rows.push({
        what: `${what}, ${batchCount * each} kept`,
        unit: "/s",
        ours,
        plain,
        alternative: "trivial route",
        goal: "≥ 0.5",
        met: (/** @type {number} */ _, /** @type {number} */ ratio) => ratio >= 0.5,
      });
    }
    await agent.stop();
    remove(home);
  }
  bare.kill();
  return rows;
}

/** @param {string} url */
async function perSecond(url) {
  const text = await output("wrk", ["-t", "1", "-c", "16", "-d", `${seconds}s`, url]);
  if (/Non-2xx/.test(text)) throw new Error(text);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]);
}
