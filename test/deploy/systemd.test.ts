// The unit by systemd's own tool, with this Node and this build in place of those it names.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { main } from "../helpers/cli.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

const there = spawnSync("systemd-analyze", ["--version"]).status === 0; // no part of the gate: it needs systemd itself

function complaints(unit: string): string {
  const path = join(temporaryFolder(), "batch-agent.service");
  writeFileSync(path, unit.replace("/usr/bin/node /opt/batch-agent/dist/main.js", `${process.execPath} ${main}`));
  const { stdout, stderr } = spawnSync("systemd-analyze", ["verify", path], { encoding: "utf8" });
  return stdout + stderr;
}

test.runIf(there)("systemd has nothing against the unit, and would have", () => {
  const unit = readFileSync("deploy/systemd/batch-agent.service", "utf8");
  expect(complaints(unit)).toBe("");
  expect(complaints(unit.replace("KillMode=process", "KillMode=proces"))).toContain("proces");
});
