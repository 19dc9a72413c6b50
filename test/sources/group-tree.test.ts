// How many batches a folder may hold.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createGroupTree } from "../../agent/sources/group-tree.ts";
import { maxBatchesFor } from "../../agent/sources/room.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

function batch(root: string, path: string): void {
  mkdirSync(join(root, path), { recursive: true });
  writeFileSync(join(root, path, "script.sh"), "true\n");
}
const tree = () => createGroupTree({ archives: true, passesOver: (name) => name.startsWith("."), maxBatches: 3 });

test("a folder with more batches than there is memory for is not read, and is once some are gone", async () => {
  const root = temporaryFolder();
  for (const path of ["a", "g/b", "g/h/c"]) batch(root, path);
  const { list } = tree();
  expect([...(await list(root, null)).entries.keys()].sort()).toEqual(["a", "b", "c"]);
  batch(root, "g/d");
  await expect(list(root, new Set(["g/d"]))).rejects.toThrow("more than 3 batches, for which the memory");
  await expect(list(root, null)).rejects.toThrow("--max-old-space-size");
  rmSync(join(root, "a"), { recursive: true });
  expect([...(await list(root, new Set(["a"]))).entries.keys()].sort()).toEqual(["b", "c", "d"]);
});

test.each([
  ["plain files", (root: string, i: number) => writeFileSync(join(root, `file-${i}`), "")],
  ["empty groups", (root: string, i: number) => mkdirSync(join(root, `group-${i}`))],
  [
    "groups in a group",
    (root: string, i: number) => mkdirSync(join(root, "g", `h${i % 4}`, `i-${i}`), { recursive: true }),
  ],
])("so is one with too many %s", async (_what, make) => {
  const root = temporaryFolder();
  for (let i = 0; i < 13; i++) make(root, i);
  await expect(tree().list(root, null)).rejects.toThrow("more than 12 files and folders");
});

test.each([
  [64 + 48, 4_096],
  [304, 28_672],
  [4_144, 200_000],
  [10, 100],
])("a heap of %i MiB has room for %i batches", (mebibytes, batches) => {
  expect(maxBatchesFor(mebibytes * 1024 * 1024)).toBe(batches);
});
