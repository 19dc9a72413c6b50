// Cost of one start after few and after many executions ever: CPU of recording, keeping and deleting, without the
// process itself, whose cost would hide it. Real history, executor and files; a runner that ends at once; memory for
// a disk.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { makeBatches, remove, temporaryFolder } from "../world.mjs";

/** A built file; built later than this is checked, so without types. @param {string} path @returns {Promise<any>} */
const built = (path) => import(new URL(`../../dist/${path}`, import.meta.url).href);
const { createExecutor } = await built("executions/executor.js");
const { emptyGraph } = await built("definitions/chain-graph.js");
const { createIds, systemClock } = await built("platform/clock.js");
const { openHistory } = await built("history/open.js");
const { parseBatch } = await built("definitions/batch.js");
const { createSource } = await built("sources/folder.js");

const window = 2_000;

/** @type {import("../main.mjs").Measure} */
export async function measure({ rounds, full }) {
  const marks = full ? [100, 10_000, 1_000_000] : [100, 10_000, 100_000];
  /** @type {number[][]} */
  const costs = marks.map(() => []);
  for (let round = 0; round < (full ? 1 : rounds); round++) {
    const home = temporaryFolder("/dev/shm");
    try {
      (await runMany(home, marks)).forEach((cost, i) => costs[i]?.push(cost));
    } finally {
      remove(home);
    }
  }
  const first = costs[0] ?? [];
  return marks.map((mark, i) => ({
    what: `CPU of one start after ${mark} executions`,
    unit: "ms",
    ours: costs[i] ?? [],
    ...(i === 0
      ? {}
      : {
          plain: first,
          alternative: "after 100",
          goal: "≤ 1.1",
          met: (/** @type {number} */ _, /** @type {number} */ ratio) => ratio <= 1.1,
        }),
  }));
}

/** CPU ms a start over a window after each mark. @param {string} home @param {readonly number[]} marks */
async function runMany(home, marks) {
  const root = join(home, "batches.d");
  makeBatches(
    root,
    10,
    () => 'cron: "@yearly"\nconcurrency: allow\n',
    () => "true\n",
  );
  const quiet = () => undefined;
  const log = { debug: quiet, info: quiet, warn: console.warn, error: console.error };
  const source = createSource(root);
  const definitions = new Map();
  for (const name of await source.list()) {
    const loaded = await source.load(name);
    if (loaded.kind !== "found") throw new Error("not there");
    definitions.set(name, {
      batch: parseBatch(loaded.folder, { timeZone: "UTC" }).batch,
      revision: loaded.folder.digest,
      commit: null,
    });
  }
  const history = await openHistory(home, { clock: systemClock, log });
  for (const name of definitions.keys())
    await history.recorder.commit([{ kind: "head", batch: name, fields: { removedAt: null } }]);
  const folder = (/** @type {string} */ name, /** @type {string} */ id) =>
    join(home, "batches", name, "executions", id);
  const over = { kind: /** @type {const} */ ("exit"), exitCode: 0, finishedAt: 0, stdoutBytes: 0, stderrBytes: 0 };
  const sizes = { stdoutBytes: 0, stderrBytes: 0 };
  const look = { sizes, cut: false, truncated: [], progress: null, place: null, waitingFor: null };
  const running = () => ({
    ref: { pid: 1 },
    ended: Promise.resolve({ ...over, finishedAt: Date.now() }),
    stopReason: null,
    stop: quiet,
    look: () => Promise.resolve(look),
  });
  const executor = createExecutor({
    clock: systemClock,
    newId: createIds(null),
    recorder: history.recorder,
    reader: history.reader,
    log,
    maxParallel: 8,
    definition: (/** @type {string} */ name) => definitions.get(name) ?? null,
    graph: () => emptyGraph,
    runner: {
      boot: null,
      start(/** @type {any} */ { execution }) {
        mkdirSync(folder(execution.batch, execution.id), { recursive: true });
        return Promise.resolve(running());
      },
      adopt: () => Promise.resolve(new Map()),
      close: () => Promise.resolve(),
    },
  });
  const names = [...definitions.keys()];
  let ever = 0;
  const go = async (/** @type {number} */ until) => {
    while (ever < until) {
      await Promise.all(names.map((name) => executor.manual(name)));
      ever += names.length;
      while (executor.counts().running + executor.counts().queued > 0) await new Promise((done) => setImmediate(done));
    }
  };
  const costs = [];
  await go(1_100); // every history is as full as it gets, and the code is warm
  ever = 0;
  for (const mark of marks) {
    await go(mark);
    const before = process.cpuUsage();
    await go(mark + window);
    const { user, system } = process.cpuUsage(before);
    costs.push((user + system) / 1000 / window);
  }
  await executor.stop(0);
  await history.close();
  return costs;
}
