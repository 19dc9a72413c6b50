// Very many batches of `true` that are due every minute: nothing lost, nothing doubled, nothing grows.
import { join } from "node:path";
import { makeBatches, recordedRows, remove, sleep, startAgent, temporaryFolder } from "../world.mjs";

/** @type {import("../main.mjs").Measure} */
export async function measure({ full }) {
  const count = Number(process.env["BENCH_BATCHES"] ?? (full ? 10_000 : 1_000));
  const minutes = full ? 10 : 3;
  const home = temporaryFolder();
  const [batches, data] = [join(home, "batches.d"), join(home, "data")];
  makeBatches(
    batches,
    count,
    () => 'cron: "* * * * *"\n',
    () => "true\n",
  );
  const agent = await startAgent(batches, data);
  const minuteOf = (/** @type {number} */ at) => Math.floor(at / 60_000);
  // Whole minutes from the next one on; the last one's starts get a minute too.
  const [from, to] = [minuteOf(Date.now()) + 1, minuteOf(Date.now()) + minutes];
  const [rss, fds] = [/** @type {number[]} */ ([]), /** @type {number[]} */ ([])];
  let backlog = 0;
  for (let minute = from; minute <= to; minute++) {
    await sleep((minute + 1) * 60_000 - Date.now() - 300);
    const { details } = await agent.json("/readyz");
    backlog = Math.max(backlog, details.running + details.queued);
    const used = agent.usage();
    rss.push(used.rssMiB);
    fds.push(used.fds);
  }
  const cpu = agent.usage().cpuSeconds / count / minutes;
  await agent.stop();
  /** How often each start was made; 0 for one that only has a row that says why not. */
  const seen = new Map();
  for (const { batch, trigger, status, missed } of recordedRows(data)) {
    const first = minuteOf(Date.parse(missed?.from ?? trigger.dueAt));
    const last = minuteOf(Date.parse(missed?.to ?? trigger.dueAt));
    for (let minute = Math.max(from, first); minute <= Math.min(to, last); minute++) {
      seen.set(`${batch} ${minute}`, (seen.get(`${batch} ${minute}`) ?? 0) + (status === "succeeded" ? 1 : 0));
    }
  }
  remove(home);
  const due = count * (to - from + 1);
  const ran = [...seen.values()].filter((times) => times === 1).length;
  const doubled = [...seen.values()].filter((times) => times > 1).length;
  const what = (/** @type {string} */ of) => `${count} a minute for ${minutes} minutes: ${of}`;
  return [
    { what: what("not run"), unit: "", ours: [due - ran - doubled], goal: "0", met: (lost) => lost === 0 },
    { what: what("run twice"), unit: "", ours: [doubled], goal: "0", met: (twice) => twice === 0 },
    { what: what("neither run nor told why"), unit: "", ours: [due - seen.size], goal: "0", met: (lost) => lost === 0 },
    { what: what("open at a minute's end, most"), unit: "", ours: [backlog] },
    {
      what: what("resident, last beside first minute"),
      unit: "MiB",
      ours: rss.slice(-1),
      plain: rss.slice(0, 1),
      alternative: "first",
      goal: "flat",
      met: (_, ratio) => ratio <= 1.15,
    },
    {
      what: what("descriptors, last beside first"),
      unit: "",
      ours: fds.slice(-1),
      plain: fds.slice(0, 1),
      alternative: "first",
      goal: "flat",
      met: (_, ratio) => ratio <= 1.15,
    },
    { what: what("the agent's CPU a start"), unit: "s", ours: [cpu] },
  ];
}
