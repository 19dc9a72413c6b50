// `validate` over folders with groups: each problem stands in the file that must be mended, with its line shown.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { validate } from "../../agent/cli/validate.ts";
import type { Problem } from "../../agent/model/problem.ts";
import { createSource } from "../../agent/sources/folder.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

const allowed = { images: ["tools:*"], secrets: [], configMaps: [], defaultImage: "tools:1" };

async function report(files: Record<string, string>, format: "text" | "json" = "text", kubernetes = false) {
  const root = temporaryFolder();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    if (path.endsWith("/batch.yaml")) writeFileSync(join(root, dirname(path), "script.sh"), "true\n");
  }
  let text = "";
  const source = createSource(root, { shownAs: "b" });
  const deps = { source, now: Date.parse("2026-11-28"), write: (part: string) => (text += part) };
  const code = await validate(root, { format, timeZone: "UTC", kubernetes: kubernetes ? allowed : null }, deps);
  return { code, text };
}

async function problems(files: Record<string, string>, kubernetes = false): Promise<Problem[]> {
  return (JSON.parse((await report(files, "json", kubernetes)).text) as { items: Problem[] }).items;
}

const nightly = 'cron: "0 3 * * *"\n';

test("a problem of a group's file shows its line, and counts as one of a file", async () => {
  const { code, text } = await report({
    "a/_group.yaml": "description: x\ndefaults:\n  timout: 1h\n",
    "a/one/batch.yaml": nightly,
  });
  expect(code).toBe(1);
  expect(text).toBe(
    "b/a/_group.yaml:3:3: unknown-key: unknown key defaults.timout\n    timout: 1h\n    ^\n" +
      "  hint: did you mean `timeout`?\n" +
      "1 problem in 1 _group.yaml\n",
  );
});

test.each([
  ["a list", "\n- pools\n", 2, 1],
  ["a text", "  pools\n", 1, 3],
  ["a number", "7\n", 1, 1],
])("a group's file that is %s has a place", async (_what, text, line, column) => {
  const found = await problems({ "a/_group.yaml": text, "a/one/batch.yaml": nightly });
  expect(found).toMatchObject([{ file: "b/a/_group.yaml", code: "schema", line, column, path: null }]);
  expect(found[0]?.hint).toMatch(/defaults:/);
});

test.each([[""], [" \n"]])("an empty group's file (%j) is no folder to take out", async (text) => {
  const found = await problems({ "a/_group.yaml": text, "a/one/batch.yaml": nightly });
  expect(found).toMatchObject([{ code: "empty-file", hint: "write it, or take the file out" }]);
});

test.each([
  ["skipOn: holidys", "unknown-calendar", "defaults.skipOn", 5, 11],
  ["onlyOn: [weekend, holidys]", "unknown-calendar", "defaults.onlyOn[1]", 5, 21],
  ["pool: db", "unknown-pool", "defaults.pool", 5, 9],
  ["kubernetes: { image: other:1 }", "kubernetes-not-allowed", "defaults.kubernetes.image", 5, 24],
  [
    "kubernetes: { envFrom: [{ secret: a }] }",
    "kubernetes-not-allowed",
    "defaults.kubernetes.envFrom[0].secret",
    5,
    37,
  ],
])("what %s brings to a batch is told in the group's file", async (text, code, path, line, column) => {
  const group = `calendars: { holidays: { dates: ["01-01"] }, weekend: { weekdays: [sat] } }\npools:\n  other: 1\ndefaults:\n  ${text}\n`;
  const files = { "_group.yaml": group, "a/in/batch.yaml": nightly };
  const found = await problems(files, true);
  expect(found).toMatchObject([{ batch: "in", file: "b/_group.yaml", code, path, line, column }]);
  expect(found[0]?.message).toContain("a default that in inherits");
  expect((await report(files, "text")).text).toContain(
    code === "kubernetes-not-allowed" ? "no problems" : `\n    ${text}\n`,
  );
  // What the batch says itself is told in its own file.
  const own = await problems(
    { "_group.yaml": group.slice(0, group.indexOf("defaults")), "a/in/batch.yaml": `${nightly}${text}\n` },
    true,
  );
  expect(own).toMatchObject([{ file: "b/a/in/batch.yaml", code, path: path.replace("defaults.", ""), line: 2 }]);
});

test("an index in a list is that of the file, whatever is inherited before it", async () => {
  const files = { "_group.yaml": "defaults: { tags: [a, b] }\n", "in/batch.yaml": `${nightly}tags: [c, 5, c]\n` };
  expect(await problems(files)).toMatchObject([
    {
      file: "b/in/batch.yaml",
      path: "tags[1]",
      message: "tags[1] must be a string, not a number",
      line: 2,
      column: 11,
    },
    { path: "tags[2]", message: "tags holds the same entry twice", line: 2, column: 14 },
  ]);
});

test.each([
  ["skipOn: [every]", "skipOn: []"],
  ["onlyOn: [never]", "onlyOn: []"],
  ["onlyOn: never", "onlyOn: every"],
  ["envFile: [relative]", "envFile: []"],
])("an empty list takes the inherited %j away", async (outer, inner) => {
  const group = `calendars:\n  every: { weekdays: [mon, tue, wed, thu, fri, sat, sun] }\n  never: { dates: ["1999-01-01"] }\n`;
  const given = outer.replace("relative", "/run/x.env");
  const top = `${group}defaults: { ${given} }\n`;
  const below = (yaml: string) => ({ "_group.yaml": top, "a/in/batch.yaml": `${nightly}${yaml}\n` });
  if (!outer.includes("envFile")) expect(await problems(below(""))).toMatchObject([{ code: "never-due" }]);
  expect(await problems(below(inner))).toEqual([]);
  // A nearer group does the same for all of its batches.
  expect(await problems({ ...below(""), "a/_group.yaml": `defaults: { ${inner} }\n` })).toEqual([]);
});
