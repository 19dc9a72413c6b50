import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ensureFolder, Folders } from "../../agent/platform/folders.ts";
import { quietLog } from "../helpers/quiet.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

const now = Date.parse("2026-11-24T02:00:00.000Z");
const stamp = "2026-11-24T02-00-00.000Z";

const obstacles: Record<string, (path: string) => void> = {
  "a file": (path) => writeFileSync(path, "x"),
  "a FIFO": (path) => void execFileSync("mkfifo", [path]),
  "a link to itself": (path) => symlinkSync(path, path),
  "a link to nowhere": (path) => symlinkSync("/nowhere/at/all", path),
  "a link to a file": (path) => symlinkSync("/etc/passwd", path),
};

test.each(Object.entries(obstacles))("%s is moved aside, at any depth", (_name, put) => {
  const base = temporaryFolder();
  mkdirSync(join(base, "batches"));
  put(join(base, "batches/a"));
  const mended = ensureFolder(base, join(base, "batches/a/executions/1"), now);
  expect(mended.map(({ path }) => path)).toEqual(
    ["batches/a", "batches/a/executions", "batches/a/executions/1"].map((path) => join(base, path)),
  );
  expect(mended[0]?.quarantined).toBe(join(base, `batches/a.corrupt-${stamp}`));
  expect(readdirSync(join(base, "batches"))).toEqual(["a", `a.corrupt-${stamp}`]);
  expect(lstatSync(join(base, "batches/a/executions/1")).isDirectory()).toBe(true);
  expect(ensureFolder(base, join(base, "batches/a/executions/1"), now)).toEqual([]);
});

test("what is moved aside at the same moment is kept as well", () => {
  const base = temporaryFolder();
  for (const text of ["1", "2"]) {
    writeFileSync(join(base, "journal"), text);
    ensureFolder(base, join(base, "journal"), now);
    rmSync(join(base, "journal"), { recursive: true });
  }
  expect(readdirSync(base)).toEqual([`journal.corrupt-${stamp}`, `journal.corrupt-${stamp}-2`]);
});

test("a link to a folder is one", () => {
  const base = temporaryFolder();
  const elsewhere = temporaryFolder();
  symlinkSync(elsewhere, join(base, "batches"));
  expect(ensureFolder(base, join(base, "batches"), now)).toEqual([]);
  ensureFolder(base, join(base, "batches/a"), now);
  expect(readdirSync(elsewhere)).toEqual(["a"]);
});

function opened(base = join(temporaryFolder(), "data")) {
  mkdirSync(base, { recursive: true });
  const log = quietLog();
  const folders = new Folders(base, { now: () => now, log });
  folders.open(["batches", "journal"]);
  return { base, folders, said: log.said, messages: () => folders.problems().map(({ message }) => message) };
}

test("what a batch's folder was replaced by is a problem of the batch, until it is deleted", () => {
  const { base, folders, said } = opened();
  writeFileSync(join(base, "batches/a"), "x");
  expect(folders.ensure(join(base, "batches/a/executions"))).toBe(true);
  const aside = join(base, `batches/a.corrupt-${stamp}`);
  expect(folders.problems()).toMatchObject([{ code: "data-folder-replaced", batch: "a", file: aside }]);
  expect(said).toHaveLength(1);
  rmSync(aside);
  expect(folders.problems()).toEqual([]);
});

test("a folder that is always there is looked at unasked: gone, replaced, or another one", () => {
  const { base, folders, messages } = opened();
  folders.check();
  expect(messages()).toEqual([]);
  rmSync(join(base, "journal"), { recursive: true });
  renameSync(join(base, "batches"), join(base, "other"));
  mkdirSync(join(base, "batches"));
  folders.check();
  expect(existsSync(join(base, "journal"))).toBe(true);
  expect(messages()).toEqual([
    "the folder batches is not the folder that it was",
    "the folder journal was gone; it was made anew",
  ]);
  expect(folders.trouble()).toBe(null);
  // Not told again, and not of a new agent.
  folders.check();
  expect(messages()).toHaveLength(2);
  expect(opened(base).messages()).toEqual([]);
});

test("the data folder itself is made anew, for its owner alone", () => {
  const { base, folders, messages } = opened();
  renameSync(base, `${base}.moved`);
  folders.check();
  expect(lstatSync(base).mode & 0o777).toBe(0o700);
  expect(readdirSync(base).sort()).toEqual(["batches", "journal"]);
  expect(messages()[0]).toContain("the data folder");
});

test("what an earlier agent moved aside is told by the next one", () => {
  const { base, folders } = opened();
  rmSync(join(base, "journal"), { recursive: true });
  writeFileSync(join(base, "journal"), "x");
  folders.check();
  expect(opened(base).folders.problems()).toMatchObject([
    { code: "data-folder-replaced", batch: "", file: join(base, `journal.corrupt-${stamp}`) },
  ]);
});

test("what cannot be put right is told until it can", () => {
  const { base, folders, said } = opened();
  // Too long a name to be moved aside.
  const name = "n".repeat(250);
  writeFileSync(join(base, "batches", name), "x");
  const path = join(base, "batches", name);
  expect(() => folders.ensure(path)).toThrow("cannot use the folder");
  expect(() => folders.ensure(path)).toThrow("cannot use the folder");
  expect(said).toHaveLength(1);
  expect(folders.problems()).toMatchObject([{ code: "data-folder-replaced", batch: name }]);
  rmSync(path);
  folders.check();
  expect(folders.problems()).toEqual([]);
});
