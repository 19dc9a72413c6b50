// What changed since the last success, over real revisions.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Changes } from "../../agent/http/views/changes.ts";
import type { Execution } from "../../agent/model/execution.ts";
import type { Revision, BatchName } from "../../agent/model/ids.ts";
import { createSource } from "../../agent/sources/folder.ts";
import { serve } from "../helpers/http.ts";
import { execution } from "../helpers/make.ts";

const yaml = (secret: string) => `cron: "@daily"\nenv:\n  TOKEN: ${secret}\n`;

async function setUp() {
  const served = await serve();
  const root = join(served.data, "batches.d");
  mkdirSync(join(root, "report/lib"), { recursive: true });
  return {
    ...served,
    /** A revision of these files over those before; null takes one away. */
    async revise(files: Record<string, string | Uint8Array | null>): Promise<Revision> {
      for (const [path, content] of Object.entries(files)) {
        if (content === null) rmSync(join(root, "report", path));
        else writeFileSync(join(root, "report", path), content);
      }
      const loaded = await createSource(root).load("report");
      if (loaded.kind !== "found" || !(await served.revisions.store(loaded.folder))) throw new Error("not stored");
      return loaded.folder.digest;
    },
    ran: (status: Execution["status"], revision: Revision | null, fields: Partial<Execution> = {}) =>
      served.add(execution({ status, revision, ...fields })),
    changes: (id: string) => served.json<Changes>(`/api/executions/${id}/changes`),
  };
}

test("files that were changed, added and removed since the last success, both commits, and no secret", async () => {
  const { revise, ran, changes } = await setUp();
  const first = await revise({
    "batch.yaml": yaml("topsecret1"),
    "script.sh": "echo one\necho two\n",
    "lib/gone.csv": "1\n",
    "lib/data.bin": Uint8Array.from([0, 1]),
  });
  await ran("succeeded", first, { commit: "a".repeat(40) });
  const good = await ran("succeeded", first, { commit: "b".repeat(40) });
  const second = await revise({
    "batch.yaml": yaml("topsecret2"),
    "script.sh": "echo one\nexit 3\n",
    "lib/gone.csv": null,
    "lib/new.csv": "2\n",
    "lib/data.bin": Uint8Array.from([0, 2]),
  });
  await ran("failed", second);
  const bad = await ran("failed", second, { commit: "c".repeat(40) });
  await ran("succeeded", second); // later ones are no matter
  const seen = await changes(bad.id);
  expect(JSON.stringify(seen)).not.toContain("topsecret");
  expect(seen).toEqual({
    from: { execution: good.id, revision: first, commit: "b".repeat(40) },
    to: { execution: bad.id, revision: second, commit: "c".repeat(40) },
    files: [
      {
        path: "batch.yaml",
        kind: "changed",
        diff: '--- a/batch.yaml\n+++ b/batch.yaml\n@@ -1,3 +1,3 @@\n cron: "@daily"\n env:\n-  TOKEN: ***\n+  TOKEN: *** (changed)\n',
      },
      { path: "lib/data.bin", kind: "changed", diff: null },
      { path: "lib/gone.csv", kind: "removed", diff: "--- a/lib/gone.csv\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n" },
      { path: "lib/new.csv", kind: "added", diff: "--- /dev/null\n+++ b/lib/new.csv\n@@ -0,0 +1 @@\n+2\n" },
      {
        path: "script.sh",
        kind: "changed",
        diff: "--- a/script.sh\n+++ b/script.sh\n@@ -1,2 +1,2 @@\n echo one\n-echo two\n+exit 3\n",
      },
    ],
  });
});

test("nothing succeeded before; the same revision; a revision that is gone or never was", async () => {
  const { revise, ran, changes, revisions } = await setUp();
  const revision = await revise({ "batch.yaml": yaml("x"), "script.sh": "false\n" });
  const first = await ran("failed", revision, { batch: "report" as BatchName });
  expect(await changes(first.id)).toEqual({
    from: null,
    to: { execution: first.id, revision, commit: null },
    files: null,
  });
  await ran("succeeded", revision);
  const same = await ran("failed", revision);
  expect((await changes(same.id)).files).toEqual([]);
  expect((await changes((await ran("aborted", null)).id)).files).toBeNull();
  const next = await revise({ "script.sh": "true\n" });
  const other = await ran("failed", next);
  expect((await changes(other.id)).files).toHaveLength(1);
  await revisions.collect(() => new Set([next]));
  expect(await changes(other.id)).toMatchObject({ from: { revision }, to: { revision: next }, files: null });
});

test("what is too large is named and not compared", async () => {
  const { revise, ran, changes } = await setUp();
  const large = (word: string) => `${word}\n`.repeat(300_000);
  await ran(
    "succeeded",
    await revise({
      "batch.yaml": yaml("x"),
      "script.sh": "true\n",
      "lib/large.csv": large("one!"),
      "lib/same.csv": large("same"),
    }),
  );
  const bad = await ran("failed", await revise({ "lib/large.csv": large("two!") }));
  expect((await changes(bad.id)).files).toEqual([{ path: "lib/large.csv", kind: "changed", diff: null }]);
});
