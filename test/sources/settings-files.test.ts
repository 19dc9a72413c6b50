// The settings files that problems show a line of.
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createSettingsFiles } from "../../agent/sources/settings-files.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

function folder(): string {
  const root = temporaryFolder();
  mkdirSync(join(root, "a"));
  writeFileSync(join(root, "a/batch.yaml"), "cron: no\n");
  return root;
}

test("is read by the name that problems give it, also where the root goes by another name", async () => {
  const root = folder();
  expect(await createSettingsFiles(`${root}/`).read("a", `${root}/a/batch.yaml`)).toBe("cron: no\n");
  for (const [shownAs, file] of [
    [".", "./a/batch.yaml"],
    ["deploy/batches", "deploy/batches/a/batch.yaml"],
  ] as const) {
    expect(await createSettingsFiles(root, shownAs).read("a", file)).toBe("cron: no\n");
    expect(await createSettingsFiles(root, shownAs).read("a", `${root}/a/batch.yaml`)).toBeNull();
  }
});

test("of a batch in a group too", async () => {
  const root = folder();
  mkdirSync(join(root, "billing/eu/b"), { recursive: true });
  writeFileSync(join(root, "billing/eu/b/batch.yml"), "cron: none\n");
  const { read } = createSettingsFiles(root, "batches.d");
  expect(await read("b", "batches.d/billing/eu/b/batch.yml")).toBe("cron: none\n");
  expect(await read("a", "batches.d/billing/eu/b/batch.yml")).toBeNull();
  expect(await read("a", "batches.d/billing/../a/batch.yaml")).toBeNull();
  expect(await read("a", "batches.d//a/batch.yaml")).toBeNull();
});

test("reads nothing else, and nothing outside the root", async () => {
  const root = folder();
  writeFileSync(join(root, "a/script.sh"), "echo\n");
  symlinkSync("/etc", join(root, "out"));
  mkdirSync(join(root, "led"));
  symlinkSync("/etc/passwd", join(root, "led/batch.yaml"));
  const { read } = createSettingsFiles(root, ".");
  expect(await read("a", "./a/script.sh")).toBeNull();
  expect(await read("out", "./out/batch.yaml")).toBeNull();
  expect(await read("led", "./led/batch.yaml")).toBeNull();
  expect(await read("..", "./../batch.yaml")).toBeNull();
  expect(await read("gone", "./gone/batch.yaml")).toBeNull();
});
