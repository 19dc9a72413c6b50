// A batch name that is not there gets "did you mean", everywhere; next of some batches only.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startAgent, workplace } from "../helpers/agent.ts";
import { type } from "../helpers/cli.ts";

test("each command that names a batch", async () => {
  const place = workplace();
  place.put("report", 'cron: "0 2 * * *"\n', "true");
  place.put("mails", "after: report\n", "true");
  place.put("hourly", 'cron: "@hourly"\nenabled: false\n', "true");
  place.put("broken", "cron: nonsense\n", "true");
  const agent = await startAgent(place);
  const url = ["--url", agent.url];
  for (const args of [
    ["next", "batches.d", "reprot"],
    ["next", "reprot"],
    ["exec", "reprot"],
    ["trigger", "reprot"],
    ["cancel", "reprot"],
    ["rerun", "reprot"],
    ["backfill", "reprot", "--from", "2026-01-01", "--to", "2026-01-02"],
    ["status", "reprot", ...url],
    ["logs", "reprot", ...url],
    ["history", "reprot", ...url],
    ["history", "reprot", "--offline"],
  ]) {
    const { code, stderr } = await type(place.home, args);
    expect([args, code, stderr]).toEqual([args, 1, expect.stringMatching(/did you mean report\?/)]);
  }
  for (const [name, says] of [
    ["broken", "broken has problems, and nothing of it was ever valid"],
    ["brokn", "did you mean broken?"],
  ] as const)
    for (const command of ["trigger", "cancel", "rerun"])
      expect((await type(place.home, [command, name])).stderr).toContain(says);
  expect((await type(place.home, ["rerun", "report"])).stderr).toContain("batch-agent history report");

  const next = async (...args: string[]) => {
    const { code, stdout } = await type(place.home, ["next", ...args, "--time-zone", "UTC"]);
    return { code, lines: stdout.trim().split("\n") };
  };
  const all = await next("-n", "2");
  expect(all.lines.filter((line) => line.includes(" report "))).toHaveLength(2);
  const some = await next("report", "-n", "3");
  expect([some.code, some.lines.length]).toEqual([0, 4]);
  expect((await next("batches.d", "mails")).lines).toEqual(["no start is to come", "mails starts after report"]);
  expect((await next("mails", "hourly")).lines).toContain("hourly is disabled");
  expect((await next("broken")).code).toBe(1);
  // A folder of that name is the folder.
  mkdirSync(join(place.home, "report", "other"), { recursive: true });
  writeFileSync(join(place.home, "report", "other", "batch.yaml"), 'cron: "@daily"\n');
  writeFileSync(join(place.home, "report", "other", "script.sh"), "true\n");
  expect((await next("report")).lines.some((line) => line.includes(" other "))).toBe(true);
}, 120_000);
