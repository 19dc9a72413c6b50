// What the agent reads and writes in an execution's folder: its own claim is certain, or not made; what cannot be read
// is not missing.
import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  claimForAgent,
  isReadable,
  prepareFolder,
  readClaim,
  readManifest,
} from "../../../agent/runners/kubernetes/folder.ts";
import { PodClaim } from "../../../agent/runners/kubernetes/pod-claim.ts";
import { PodLogs } from "../../../agent/runners/kubernetes/pod-logs.ts";
import { canMount, smallDisk } from "../../helpers/disk.ts";
import { t0 } from "../../helpers/make.ts";
import { temporaryFolder } from "../../helpers/tmp.ts";
import { bindMount } from "../../helpers/volume.ts";

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

test("a pod's claim stays as it was first seen, and so does the start that is told", () => {
  const folder = temporaryFolder();
  const claim = new PodClaim(folder, { startedAt: null, askedAt: new Date(t0).toISOString() });
  expect([claim.find(t0), claim.startedAt]).toEqual([null, null]);
  writeFileSync(join(folder, "claim"), `${t0 / 1_000 - 600} n1 pod-1\n`); // a clock that is 10 min behind
  claim.find(t0 + 5_000);
  expect([claim.seen?.node, claim.startedAt]).toEqual(["n1", t0 + 5_000]);
  rmSync(join(folder, "claim"));
  claim.find(t0 + 9_000);
  expect([claim.seen?.node, claim.startedAt]).toEqual(["n1", t0 + 5_000]);
  expect(claim.endedAt(t0 - 600_000 + 4_000, t0 + 20_000)).toBe(t0 + 9_000);
  expect([claim.endedAt(t0 + 600_000, t0 + 20_000), claim.endedAt(null, t0 + 20_000)]).toEqual([
    t0 + 20_000,
    t0 + 20_000,
  ]);
  expect(claim.endedAt(t0 - 900_000, t0 + 20_000)).toBe(t0 + 5_000);
});

function folderWithLogs(stdout: string): string {
  const folder = temporaryFolder();
  for (const [name, text] of Object.entries({ "stdout.log": stdout, "stderr.log": "", exit: "0\n" }))
    writeFileSync(join(folder, name), text);
  return folder;
}

test("a folder whose files cannot be read is told from one that holds none", () => {
  expect([isReadable(folderWithLogs("")), isReadable(temporaryFolder())]).toEqual([true, true]);
  expect(isReadable(join(temporaryFolder(), "gone"))).toBe(true);
});

test("a log that got shorter is said, and one beyond its limit is cut", () => {
  const folder = folderWithLogs("0123456789");
  const logs = new PodLogs(folder, 8);
  expect(logs.look(t0)).toEqual({ sizes: { stdoutBytes: 8, stderrBytes: 0 }, cut: true, truncated: [] });
  truncateSync(join(folder, "stdout.log"), 3);
  expect(logs.look(t0)).toEqual({ sizes: { stdoutBytes: 3, stderrBytes: 0 }, cut: false, truncated: ["stdout"] });
});

test.runIf(canMount)("a log on a volume that cannot be read keeps its size", () => {
  const folder = folderWithLogs("0123456789");
  const logs = new PodLogs(folder, 100);
  logs.look(t0);
  // Reads of it give EIO, as of a volume that is away.
  bindMount(`/proc/${process.pid}/mem`, join(folder, "exit"));
  expect(isReadable(folder)).toBe(false);
  rmSync(join(folder, "stdout.log"));
  expect(logs.look(t0)).toEqual({ sizes: { stdoutBytes: 10, stderrBytes: 0 }, cut: false, truncated: [] });
});

describe("what a pod is started with is whole", () => {
  const files = { environment: "\0A=1\0\0", manifest: '{"kind":"Pod"}' };
  const left = {
    "an empty environment": (folder: string) => writeFileSync(join(folder, "env"), ""),
    "half a manifest": (folder: string) => writeFileSync(join(folder, "pod.json"), '{"kind":'),
    "files that were still being written": (folder: string) => {
      writeFileSync(join(folder, "env.new"), "\0A");
      writeFileSync(join(folder, "pod.json.new"), "{");
    },
    "folders in their places": (folder: string) => {
      for (const name of ["env", "env.new", "pod.json", "pod.json.new"])
        mkdirSync(join(folder, name, "in"), { recursive: true });
    },
  };
  test.each(Object.entries(left))("where an agent that died left %s", (_, leave) => {
    const folder = temporaryFolder();
    leave(folder);
    expect(readManifest(folder)).toBeNull();
    prepareFolder(folder, files, null);
    expect(readFileSync(join(folder, "env"), "utf8")).toBe(files.environment);
    expect(readManifest(folder)).toEqual({ kind: "Pod" });
    expect(readdirSync(folder).sort()).toEqual(["env", "exit", "pod.json", "stderr.log", "stdout.log"]);
  });

  test.runIf(canMount)("or is not there, on a full disk", () => {
    const disk = smallDisk();
    const folder = join(disk.path, "execution");
    mkdirSync(folder);
    for (const name of ["stdout.log", "stderr.log", "exit"]) writeFileSync(join(folder, name), "");
    disk.fill();
    expect(() => prepareFolder(folder, { ...files, environment: "x".repeat(100_000) }, null)).toThrow("ENOSPC");
    expect(readdirSync(folder).sort()).toEqual(["exit", "stderr.log", "stdout.log"]);
  });
});
