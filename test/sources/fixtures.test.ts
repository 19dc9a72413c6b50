// The fixtures whose problem shows while a folder is read, or over all batches, as `validate` sees them. (`unsettled`
// is the reconciler's: see its test.)
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadAll } from "../../agent/definitions/load-all.ts";
import type { Problem } from "../../agent/model/problem.ts";
import { createUnpacker } from "../../agent/sources/archive/unpack.ts";
import { createSource } from "../../agent/sources/folder.ts";
import { atHome, codesOfChains, codesOfGroups, codesOfReading, invalidFixtures, layOut } from "../helpers/folder.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

async function problemsIn(root: string): Promise<Problem[]> {
  const { entries: looks, groupProblems } = await loadAll(
    createSource(root, { unpack: createUnpacker(temporaryFolder(), { entries: 100, bytes: 1_000_000 }) }),
    { timeZone: "UTC", now: Date.now() },
  );
  return atHome([...groupProblems, ...looks.flatMap(({ problems }) => problems)], root);
}

// Root may read everything.
const skipped = ["unsettled", "group-invalid", ...(process.getuid?.() === 0 ? ["unreadable"] : [])];
const fixtures = invalidFixtures().filter(
  ({ code }) => [...codesOfReading, ...codesOfChains, ...codesOfGroups].includes(code) && !skipped.includes(code),
);

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
  expect(await problemsIn(root)).toMatchObject([
    { batch: "loop", code: "unreadable", hint: expect.stringContaining("stays in force") as string },
  ]);
});
