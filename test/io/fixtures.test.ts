// The fixtures whose problem shows while a folder is read, read for real. (`unsettled` is the reconciler's: see its test.)
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseBatch } from "../../agent/core/batch.ts";
import type { Problem } from "../../agent/core/model.ts";
import { createSource } from "../../agent/io/source.ts";
import { atHome, codesOfReading, invalidFixtures, layOut } from "../helpers/folder.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

async function problemsIn(root: string): Promise<Problem[]> {
  const source = createSource(root);
  const found: Problem[] = [];
  for (const name of (await source.list()).sort()) {
    const loaded = await source.load(name);
    if (loaded.kind === "unreadable") found.push(loaded.problem);
    if (loaded.kind === "found") found.push(...parseBatch(loaded.folder, { timeZone: "UTC" }).problems);
  }
  return atHome(found, root);
}

// Root may read everything.
const skipped = ["unsettled", ...(process.getuid?.() === 0 ? ["unreadable"] : [])];
const fixtures = invalidFixtures().filter(({ code }) => codesOfReading.includes(code) && !skipped.includes(code));

test.each(fixtures)("$name", async (fixture) => {
  const root = temporaryFolder();
  layOut(fixture, root);
  const found = await problemsIn(root);
  expect(found).toMatchObject(fixture.expected);
  expect(found).toHaveLength(fixture.expected.length);
});

test("an entry that cannot be read is told, for root too", async () => {
  const root = temporaryFolder();
  symlinkSync("loop", join(root, "loop"));
  expect(await problemsIn(root)).toMatchObject([{ batch: "loop", code: "unreadable", hint: expect.stringContaining("stays in force") as string }]);
});
