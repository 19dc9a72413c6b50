// The list of 1,000 batches with 100,000 executions kept, in a real Chromium: until it is there and its rows are laid
// out. Needs chromium.
import { join } from "node:path";
import { chromium } from "playwright-core";
import { writePast } from "../past.mjs";
import { makeBatches, remove, startAgent, temporaryFolder } from "../world.mjs";

/** @type {import("../main.mjs").Measure} */
export async function measure({ rounds }) {
  const home = temporaryFolder();
  const [batches, data] = [join(home, "batches.d"), join(home, "data")];
  makeBatches(
    batches,
    1_000,
    () => 'cron: "@yearly"\ntags: [nightly, billing]\ndescription: Does what it has always done.\n',
    () => "true\n",
  );
  writePast(data, 1_000, 100);
  const agent = await startAgent(batches, data);
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"],
  });
  const rows = [];
  for (const path of ["/", "/?q=b0099", "/timeline", "/batches/b00000"]) {
    /** @type {number[]} */ const server = [];
    /** @type {number[]} */ const ours = [];
    for (let round = 0; round < rounds; round++) {
      let at = performance.now();
      await (await fetch(agent.url + path)).text();
      server.push(performance.now() - at);
      const page = await browser.newPage();
      at = performance.now();
      await page.goto(agent.url + path, { waitUntil: "load" });
      await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
      ours.push(performance.now() - at);
      await page.close();
    }
    rows.push({
      what: `${path} in the browser`,
      unit: "ms",
      ours,
      goal: "< 1,000 ms",
      met: (/** @type {number} */ ms) => ms < 1_000,
    });
    rows.push({ what: `${path} from the agent`, unit: "ms", ours: server });
  }
  await browser.close();
  await agent.stop();
  remove(home);
  return rows;
}
