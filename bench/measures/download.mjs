// A log of 1 GiB by HTTP, whole and by Range, beside nginx serving the same file. Needs nginx and curl.
import { chmodSync, readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { gibibyte } from "./logs.mjs";
import { launch, makeBatches, remove, sleep, startAgent, temporaryFolder, timed, until } from "../world.mjs";

const mib = 1024;

/** @type {import("../main.mjs").Measure} */
export async function measure({ rounds }) {
  const home = temporaryFolder();
  const [batches, data] = [join(home, "batches.d"), join(home, "data")];
  makeBatches(
    batches,
    1,
    () => 'cron: "@yearly"\n',
    () => gibibyte,
  );
  const agent = await startAgent(batches, data, ["--log-limit", "2GiB"]);
  const id = await agent.trigger("b00000");
  await until(async () => (await agent.json(`/api/executions/${id}`)).status === "succeeded", { everyMs: 500 });
  const folder = join(data, "batches", "b00000", "executions", id);
  if (!readdirSync(folder).includes("stdout.log")) throw new Error("there is no log");
  chmodSync(home, 0o755);
  const port = await freePort();
  const settings = join(home, "nginx.conf");
  writeFileSync(
    settings,
    `daemon off; worker_processes 1; pid ${home}/pid; error_log stderr; user root; events {}
http { access_log off; sendfile on; tcp_nopush on;
server { listen 127.0.0.1:${port}; location / { root ${folder}; } } }`,
  );
  const nginx = launch("nginx", ["-c", settings, "-p", home], { stdio: "ignore" });
  const theirs = `http://127.0.0.1:${port}/stdout.log`;
  await until(() =>
    fetch(theirs, { method: "HEAD" }).then(
      () => true,
      () => false,
    ),
  );
  const url = `${agent.url}/api/executions/${id}/stdout`;

  const rows = [];
  for (const [what, size, args] of /** @type {const} */ ([
    ["whole", mib, []],
    ["by Range, 512 MiB", mib / 2, ["-r", `${2 ** 28}-${2 ** 28 + 2 ** 29 - 1}`]],
  ])) {
    /** @type {number[]} */ const ours = [];
    /** @type {number[]} */ const plain = [];
    /** @type {number[]} */ const growth = [];
    for (let round = 0; round < rounds; round++) {
      const before = agent.usage().rssMiB;
      let most = before;
      const look = setInterval(() => (most = Math.max(most, agent.usage().rssMiB)), 20);
      ours.push(size / (await timed("curl", ["-sf", "-o", "/dev/null", ...args, url])));
      clearInterval(look);
      growth.push(most - before);
      plain.push(size / (await timed("curl", ["-sf", "-o", "/dev/null", ...args, theirs])));
      await sleep(200);
    }
    rows.push({
      what: `log of 1 GiB, ${what}`,
      unit: "MiB/s",
      ours,
      plain,
      alternative: "nginx",
      goal: "≥ 0.7",
      met: (/** @type {number} */ _, /** @type {number} */ ratio) => ratio >= 0.7,
    });
    rows.push({
      what: `resident growth, ${what}, most of all rounds`,
      unit: "MiB",
      ours: [Math.max(...growth)],
      goal: "< 30 MiB",
      met: (/** @type {number} */ grown) => grown < 30,
    });
  }
  nginx.kill();
  await agent.stop();
  remove(home);
  return rows;
}

/** @returns {Promise<number>} */
async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", () => done(null)));
  const address = server.address();
  await new Promise((done) => server.close(() => done(null)));
  return typeof address === "object" && address !== null ? address.port : 0;
}
