// Small files of the data folder: what is damaged is set aside and said, what cannot be read just now is not absent.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { StoreError } from "../../agent/errors.ts";
import { systemClock } from "../../agent/platform/clock.ts";
import { readState } from "../../agent/platform/state-file.ts";
import { fakeClock } from "../helpers/fakes.ts";
import { t0 } from "../helpers/make.ts";
import { isRoot, obstacles } from "../helpers/obstacles.ts";
import { quietLog } from "../helpers/quiet.ts";
import { eventually, temporaryFolder } from "../helpers/tmp.ts";

const what = "the note";
const parse = (text: string) => {
  const { a } = JSON.parse(text) as { a: number };
  if (typeof a !== "number") throw new Error("it holds no number");
  return a;
};

function set() {
  const home = temporaryFolder();
  const log = quietLog();
  const path = join(home, "note.json");
  const read = (of = path) => readState({ path: of, what, maxBytes: 1_000, parse }, { clock: systemClock, log });
  return { home, log, path, read };
}

test("what is there is read, and nothing where there is none", async () => {
  const { path, read, log } = set();
  expect(await read()).toBeNull();
  writeFileSync(path, '{"a":1}');
  expect(await read()).toBe(1);
  expect(await read(join(path, "below"))).toBeNull();
  expect(log.said).toEqual([]);
});

test.each(["{", "null", "[]", '{"a":"x"}', "", "x".repeat(2_000)])("damaged: %j", async (text) => {
  const { home, path, read, log } = set();
  writeFileSync(path, text);
  expect(await read()).toBeNull();
  const [left = ""] = readdirSync(home);
  expect(left).toMatch(/^note\.json\.corrupt-/);
  expect(readFileSync(join(home, left), "utf8")).toBe(text);
  expect(log.said).toMatchObject([{ level: "error", message: "the note cannot be read; it was set aside" }]);
});

test.each(Object.keys(obstacles))("%s in its place", async (kind) => {
  const { path, read, log } = set();
  obstacles[kind]?.(path);
  expect(await read()).toBeNull();
  expect(existsSync(path)).toBe(false);
  expect(log.said.map(({ level }) => level)).toEqual(["error"]);
});

test.skipIf(isRoot)("rights that were taken away are given back", async () => {
  const { path, read } = set();
  writeFileSync(path, '{"a":2}', { mode: 0o000 });
  expect(await read()).toBe(2);
});

test("a disk that fails is asked again, and then it is no absence: the file stays as it is", async () => {
  const clock = fakeClock(t0);
  const log = quietLog();
  // To read the first page of a process is an I/O error.
  const path = "/proc/self/mem";
  const reading = readState({ path, what, maxBytes: 1_000, parse }, { clock, log }).catch((error: unknown) => error);
  let thrown: unknown = null;
  void reading.then((error) => (thrown = error));
  await eventually(async () => {
    await clock.advance(200);
    return thrown;
  });
  expect(thrown).toBeInstanceOf(StoreError);
  expect(String(thrown)).toMatch(/cannot read \/proc\/self\/mem: EIO/);
  expect(log.said).toEqual([]);
});
