// What batches may name of a cluster.
import { expect, test } from "vitest";
import { matchesGlob } from "../../agent/definitions/allowed.ts";
import { parseBatch } from "../../agent/definitions/batch.ts";
import { folderAt } from "../helpers/folder.ts";
import { temporaryFolder } from "../helpers/tmp.ts";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

test.each([
  ["registry.example.org/tools/postgres:17", "registry.example.org/tools/*", true],
  ["registry.example.org/other/postgres:17", "registry.example.org/tools/*", false],
  ["db-1", "db-?", true],
  ["db-10", "db-?", false],
  ["abc", "*b*", true],
  ["abc", "abc", true],
  ["abcd", "abc", false],
  ["", "*", true],
  ["a".repeat(500), `${"*a".repeat(200)}b`, false],
])("%s by %s: %s", (name, glob, want) => {
  expect(matchesGlob(name, glob)).toBe(want);
});

function problemsOf(kubernetes: string, allowed: Partial<Parameters<typeof parseBatch>[1]["kubernetes"]> = {}) {
  const root = temporaryFolder();
  mkdirSync(join(root, "report"));
  writeFileSync(join(root, "report/script.sh"), "true\n");
  writeFileSync(join(root, "report/batch.yaml"), `cron: "@daily"\n${kubernetes}`);
  const lists = { images: ["batch"], secrets: ["db-*"], configMaps: [], defaultImage: "batch", ...allowed };
  return parseBatch(folderAt(root, "report"), { timeZone: "UTC", kubernetes: lists }).problems;
}

test("what is allowed is no problem", () => {
  expect(problemsOf("")).toEqual([]);
  expect(problemsOf("kubernetes: {image: batch, envFrom: [{secret: db-1}]}\n")).toEqual([]);
});

test("an image, a Secret and a ConfigMap beyond the lists are problems with their places", () => {
  const yaml = "kubernetes:\n  image: evil\n  envFrom:\n    - secret: admin\n    - configMap: x\n";
  expect(problemsOf(yaml)).toMatchObject([
    {
      code: "kubernetes-not-allowed",
      path: "kubernetes.image",
      line: 3,
      hint: "allowed are batch (--kubernetes-images)",
    },
    {
      code: "kubernetes-not-allowed",
      path: "kubernetes.envFrom[0].secret",
      line: 5,
      message: 'the Secret "admin" is not allowed',
    },
    {
      code: "kubernetes-not-allowed",
      path: "kubernetes.envFrom[1].configMap",
      line: 6,
      hint: expect.stringContaining("none are") as string,
    },
  ]);
});

test("no image at all is a problem too", () => {
  expect(problemsOf("", { images: [], defaultImage: null })).toMatchObject([{ code: "kubernetes-not-allowed" }]);
});
