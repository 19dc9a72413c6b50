// SOAK_SECONDS=600 npx vitest run test/faults/soak.test.ts: many starts a second for long; nothing may grow.
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { startAgent, usage, workplace } from "../helpers/agent.ts";
import { eventually } from "../helpers/tmp.ts";

const seconds = Number(process.env["SOAK_SECONDS"] ?? 24);

test(
  `${seconds} s at a high rate: memory, descriptors and disk stay flat, no due time is lost`,
  async () => {
    const place = workplace();
    const names = Array.from({ length: 12 }, (_, i) => `b-${i}`);
    for (const name of names)
      place.put(
        name,
        'cron: "* * * * * *"\nkeep: {executions: 5}\nconcurrency: queue\n',
        "echo $BATCH_DUE_AT; echo on stderr >&2\n",
      );
    place.put("follower", "after: b-0\ninput: previous\nkeep: {executions: 5}\n", "cat >/dev/null\n");
    const agent = await startAgent(place);
    const pid = agent.child.pid ?? 0;
    const look = async () => ({
      rssMiB: Math.round(usage(pid).rssBytes / 2 ** 20),
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
      files: Number(execFileSync("bash", ["-c", 'find "$1" -type f 2>/dev/null | wc -l', "bash", place.data])),
      diskKiB: Number(execFileSync("bash", ["-c", 'du -sk "$1" 2>/dev/null | cut -f1', "bash", place.data])),
      rows: (await agent.executions("?limit=500")).length,
    });
    // Past the first third all is warm and every history is full.
    await eventually(async () => (await agent.executions("?limit=500")).length >= names.length * 5, 60_000);
    await new Promise((done) => setTimeout(done, (seconds * 1_000) / 3));
    const begin = await look();
    const first = (await agent.executions("?limit=1"))[0]?.createdAt ?? "";
    await new Promise((done) => setTimeout(done, (seconds * 2_000) / 3));
    const end = await look();
    console.log("soak:", { seconds, begin, end });
    expect(end.rssMiB - begin.rssMiB).toBeLessThan(30);
    expect(end.descriptors).toBeLessThanOrEqual(begin.descriptors + 12); // what runs at the moment
    expect(end.files).toBeLessThanOrEqual(begin.files + 60);
    expect(end.diskKiB).toBeLessThan(begin.diskKiB + 500);
    expect(end.rows).toBeLessThanOrEqual(begin.rows + 20);
    const rows = await agent.executions("?status=aborted&limit=500");
    expect(rows.filter((row) => row.createdAt > first && row.reason === "missed")).toEqual([]);
  },
  90_000 + seconds * 1_000,
);
