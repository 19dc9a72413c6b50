// The agent's claim on an execution that it gives up: certain, or not made.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { claimForAgent, readClaim } from "../../../agent/runners/kubernetes/folder.ts";
import { canMount, smallDisk } from "../../helpers/disk.ts";
import { t0 } from "../../helpers/make.ts";
import { temporaryFolder } from "../../helpers/tmp.ts";

test("is made once, and never over a pod's", () => {
  const folder = temporaryFolder();
  expect([claimForAgent(folder, t0), claimForAgent(folder, t0 + 1_000)]).toEqual([true, true]);
  expect([readdirSync(folder), readClaim(folder, t0)]).toEqual([["claim"], null]);
  const taken = temporaryFolder();
  writeFileSync(join(taken, "claim"), "1795957778 node-1 pod-1\n");
  expect(claimForAgent(taken, t0)).toBe(false);
  expect(readFileSync(join(taken, "claim"), "utf8")).toBe("1795957778 node-1 pod-1\n");
  expect(readdirSync(taken)).toEqual(["claim"]);
});

test("a folder that is gone, or none any more, starts nothing", () => {
  const home = temporaryFolder();
  writeFileSync(join(home, "file"), "");
  expect([claimForAgent(join(home, "gone"), t0), claimForAgent(join(home, "file"), t0)]).toEqual([true, true]);
});

test.runIf(canMount)("on a full disk nothing is claimed, and nothing is certain", () => {
  const disk = smallDisk();
  const folder = join(disk.path, "execution");
  mkdirSync(folder);
  disk.fill();
  expect(claimForAgent(folder, t0)).toBe(false);
  expect([readdirSync(folder), readClaim(folder, t0)]).toEqual([[], null]);
});
