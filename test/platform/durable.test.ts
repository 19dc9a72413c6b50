// What must be on disk is asked of the disk: one by one, and, when very many wait, by one sync for all.
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { syncFile, syncFolder, writeDurably } from "../../agent/platform/durable.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

const path = process.env["PATH"] ?? "";
afterEach(() => void (process.env["PATH"] = path));

/** The real sync, which leaves what it was asked for. */
function countedSync(): () => string[] {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "sync"), `#!/bin/sh\necho "$*" >>${folder}/asked\nPATH='${path}' exec sync "$@"\n`);
  chmodSync(join(folder, "sync"), 0o755);
  process.env["PATH"] = folder;
  return () => readFileSync(join(folder, "asked"), "utf8").trim().split("\n");
}

function manyFiles(): string[] {
  const home = temporaryFolder();
  return Array.from({ length: 300 }, (_, i) => {
    mkdirSync(join(home, String(i)));
    writeFileSync(join(home, String(i), "text"), "old");
    return join(home, String(i), "text");
  });
}

describe("waiting for the disk", () => {
  test("a few are asked for one by one, and what is not there is told", async () => {
    process.env["PATH"] = temporaryFolder();
    const home = temporaryFolder();
    writeFileSync(join(home, "a"), "x");
    await syncFile(join(home, "a"));
    await syncFolder(home);
    await expect(syncFile(join(home, "gone"))).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("very many share one sync of their file system", async () => {
    const asked = countedSync();
    const files = manyFiles();
    await Promise.all(files.map((file) => writeDurably(file, "new")));
    expect(new Set(files.map((file) => readFileSync(file, "utf8")))).toEqual(new Set(["new"]));
    expect(asked().length).toBeLessThanOrEqual(4);
    expect(asked()[0]).toMatch(/^-f \//);
  });

  test("without such a command they are asked for one by one, and one that is gone fails nobody else", async () => {
    process.env["PATH"] = temporaryFolder();
    const files = manyFiles();
    const results = await Promise.allSettled([...files, join(temporaryFolder(), "gone")].map(syncFile));
    expect(results.filter(({ status }) => status === "rejected")).toHaveLength(1);
  });
});
