// Shells that serve one script after another: real ones, with orders written by hand.
import { afterEach, expect, test } from "vitest";
import { createShellPool, type ShellOutcome, type ShellPool } from "../../../agent/runners/local/shell-pool.ts";
import { isSettable } from "../../../agent/runners/local/wrapper.ts";

const opened: ShellPool[] = [];
afterEach(() => {
  for (const pool of opened.splice(0)) pool.close();
});

function open(sh = "/bin/sh") {
  const pool = createShellPool(sh);
  opened.push(pool);
  const submit = (order: string) => {
    let starts = 0;
    const ended = new Promise<ShellOutcome | "none free">((done) => {
      if (!pool.submit(order, () => (starts += 1), done)) done("none free");
    });
    return ended.then((outcome) => ({ outcome, starts }));
  };
  return submit;
}

test.each([
  ["an end", "echo s; echo d 3\n", { kind: "ended", code: 3, signal: null }],
  ["one that ends by itself before the start", "exit 2\n", { kind: "refused" }],
  ["one that cannot open what it is to", "exec 3>>/nowhere/at/all\necho s\n", { kind: "refused" }],
  ["one that is killed before it says so", "kill -9 $$\n", { kind: "ended", code: null, signal: "SIGKILL" }],
  ["one that is killed after it", "echo s; kill -9 $$\n", { kind: "ended", code: null, signal: "SIGKILL" }],
  ["one that ends by itself after it", "echo s; exit 2\n", { kind: "ended", code: null, signal: null }],
])("%s", async (_, order, outcome) => {
  const submit = open();
  await submit("echo s; echo d 0\n");
  expect(await submit(order)).toEqual({ outcome, starts: 1 });
  expect(await submit("echo s; echo d 0\n")).toEqual({ outcome: { kind: "ended", code: 0, signal: null }, starts: 1 });
});

test("a program that is not there", async () => {
  expect(await open("/nowhere/sh")("echo s; echo d 0\n")).toEqual({ outcome: "none free", starts: 0 });
});

test("where the first order is refused, no other is tried", async () => {
  const submit = open("/bin/false");
  expect(await submit("echo s; echo d 0\n")).toEqual({ outcome: { kind: "refused" }, starts: 1 });
  expect(await submit("echo s; echo d 0\n")).toEqual({ outcome: "none free", starts: 0 });
});

test("no more shells than 32 at a time, and the same ones again", async () => {
  const submit = open();
  const busy = Array.from({ length: 32 }, () => submit("echo s; sleep 0.5; echo d 0\n"));
  expect((await submit("echo s; echo d 0\n")).outcome).toBe("none free");
  for (const { outcome } of await Promise.all(busy)) expect(outcome).toMatchObject({ code: 0 });
  expect((await submit("echo s; echo d 0\n")).outcome).toMatchObject({ code: 0 });
});

test.each([
  [{ PLAIN: "1", _x9: "" }, true],
  [{ "spring.datasource.url": "x" }, false],
  [{ "9a": "x" }, false],
  [{ PPID: "1" }, false],
  [{ NUL: "a\0b" }, false],
  [{ LONG: "x".repeat(100_000) }, false],
  [{ LONG: "x".repeat(99_000) }, true],
  [{ LONG: "€".repeat(40_000) }, false],
])("an environment that a shell can set to the letter: %o", (env, want) => {
  expect(isSettable(env as Record<string, string>)).toBe(want);
});
