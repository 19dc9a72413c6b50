import { appendFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { transition } from "../../agent/executions/execution.ts";
import type { Execution } from "../../agent/model/execution.ts";
import { systemClock } from "../../agent/platform/clock.ts";
import { serve } from "../helpers/http.ts";
import { execution, t0 } from "../helpers/make.ts";

const iso = (second: number) => new Date(t0 + second * 1000).toISOString();

/** An ended execution whose logs were written step by step: stdout and stderr of each. */
async function written(steps: readonly [string, string][], rest: [string, string] = ["", ""]) {
  const served = await serve();
  const row = await served.add(
    { ...execution({ status: "failed" }), finishedAt: iso(99) },
    {
      stdout: steps.map(([out]) => out).join("") + rest[0],
      stderr: steps.map(([, err]) => err).join("") + rest[1],
    },
  );
  const sizes = [0, 0];
  const times = steps.map((step, i) => {
    step.forEach((text, stream) => (sizes[stream] = (sizes[stream] ?? 0) + Buffer.byteLength(text)));
    return `${iso(i)} ${sizes[0]} ${sizes[1]}\n`;
  });
  const folder = join(served.data, "batches", row.batch, "executions", row.id);
  writeFileSync(join(folder, "times"), times.join(""));
  return {
    ...served,
    row,
    folder,
    get: async (query = "") => (await served.app.request(`/api/executions/${row.id}/log${query}`)).text(),
  };
}

test.each<[string, [string, string][], [string, string], string]>([
  ["nothing", [], ["", ""], ""],
  ["no times", [], ["a\nb\n", "E\n"], "99 a|99 b|99 E"],
  [
    "streams take turns",
    [
      ["a\n", ""],
      ["", "E\n"],
      ["b\n", ""],
    ],
    ["", ""],
    "0 a|1 E|2 b",
  ],
  [
    "stdout first within a step",
    [
      ["a\n", "E\n"],
      ["b\n", "F\n"],
    ],
    ["", ""],
    "0 a|0 E|1 b|1 F",
  ],
  [
    "a line over two steps",
    [
      ["a", "E\n"],
      ["b\n", "F\n"],
    ],
    ["", ""],
    "0 E|1 ab|1 F",
  ],
  ["ends without newlines", [["a\n", ""]], ["x", "y"], "0 a|99 x|99 y"],
  [
    "characters of several bytes",
    [
      ["ä€\n", ""],
      ["", "😀\n"],
    ],
    ["", ""],
    "0 ä€|1 😀",
  ],
  [
    "empty lines",
    [
      ["\n\n", ""],
      ["", "E\n"],
    ],
    ["", ""],
    "0 |0 |1 E",
  ],
])("%s", async (_what, steps, rest, want) => {
  const { get } = await written(steps, rest);
  const lines = want === "" ? [] : want.split("|");
  const items = lines.map((line) => ({ at: iso(Number(/^\d+/.exec(line)?.[0])), text: line.replace(/^\d+ /, "") }));
  const parsed = (await get("?format=ndjson"))
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as object);
  expect(parsed).toMatchObject(items);
  const text = items.map((item) => `${item.text}\n`).join("");
  const ended = (all: string) => (all === "" || all.endsWith("\n") ? all : `${all}\n`);
  expect(ended(await get())).toBe(text);
  expect(ended(await get("?timestamps=1"))).toBe(items.map(({ at, text: line }) => `${at} ${line}\n`).join(""));
  for (const tail of [1, 2, 3])
    expect(ended(await get(`?tail=${tail}`))).toBe(
      items
        .slice(-tail)
        .map((item) => `${item.text}\n`)
        .join(""),
    );
});

test("long logs are whole, in order and take little memory; a line of 300 KiB is whole as text", async () => {
  const steps = Array.from({ length: 300 }, (_, i): [string, string] => [
    Array.from({ length: 1000 }, (_x, n) => `out ${i} ${n}\n`).join(""),
    i === 150 ? `${"x".repeat(300 * 1024)}\n` : `err ${i}\n`,
  ]);
  const { get } = await written(steps);
  expect(await get()).toBe(steps.map(([out, err]) => out + err).join(""));
  expect(await get("?tail=1001")).toBe(steps.slice(-1).flat().join(""));
});

test("what is no line of times, or none at all, is passed over", async () => {
  const { get, folder } = await written([["a\n", "E\n"]]);
  writeFileSync(
    join(folder, "times"),
    `junk\n${iso(5)} 2 0\n${"y".repeat(50_000)}\nnever 9 9\n${iso(6)} 2 2\n${iso(7)} 2`,
  );
  expect(await get("?timestamps=1")).toBe(`${iso(5)} a\n${iso(6)} E\n`);
});

test.each([
  "?format=xml",
  "?timestamps=2",
  "?tail=0",
  "?follow=x",
  "?stream=both",
  "?from=1",
  "?from=1,x",
  "?from=1,2&tail=3",
  "?streams=x",
])("%s is a 400", async (query) => {
  const { app, row } = await written([]);
  expect((await app.request(`/api/executions/${row.id}/log${query}`)).status).toBe(400);
});

test.each([
  ["a few ms behind the clock, and the end is the time of the last step", 2, [0, 2, 2]],
  ["far before the last step: the clock was set back, and stands as it was read", -3_600_000, [0, 2, -3_600]],
])("the end of an execution is %s", async (_what, aheadMs, want) => {
  const served = await serve();
  const finishedAt = aheadMs > 0 ? new Date(t0 + 2_000 - aheadMs).toISOString() : iso(-3_600);
  const logs = { stdout: "a\nb\n", stderr: "E\n" };
  const row = await served.add({ ...execution({ status: "failed" }), finishedAt }, logs);
  const folder = join(served.data, "batches", row.batch, "executions", row.id);
  writeFileSync(join(folder, "times"), `${iso(0)} 2 0\n${iso(2)} 4 0\n`);
  const text = await (await served.app.request(`/api/executions/${row.id}/log?format=ndjson`)).text();
  const times = text.trim().split("\n");
  expect(times.map((line) => (JSON.parse(line) as { at: string }).at)).toEqual(want.map(iso));
  const page = await served.app.request(`/executions/${row.id}/lines?log=merged`);
  expect(((await page.json()) as { lines: { at: string }[] }).lines.map(({ at }) => at)).toEqual(want.map(iso));
});

test.each<[string, (path: string) => void]>([
  ["a gigabyte of holes", (path) => truncateSync(path, 1024 ** 3)],
  ["a gigabyte of holes after its lines", (path) => (appendFileSync(path, "x"), truncateSync(path, 1024 ** 3))],
  ["longer than it is ever written", (path) => appendFileSync(path, `${iso(50)} 3 0\n`.repeat(100_000))],
])("no more of its times is read than is ever written, though they are %s", async (_what, make) => {
  const { app, folder, row, get } = await written([
    ["a\n", ""],
    ["", "E\n"],
  ]);
  make(join(folder, "times"));
  expect(await get()).toBe("a\nE\n");
  const page = await app.request(`/executions/${row.id}/lines?log=merged`);
  expect(await page.json()).toMatchObject({ lines: [{ text: "a" }, { text: "E" }] });
});

test("followed, it goes on until the execution ends, in order", async () => {
  const { app, add, data, history } = await serve({ clock: systemClock });
  const row = await add(execution({ status: "running" }), { stdout: "a\n", stderr: "" });
  const folder = join(data, "batches", row.batch, "executions", row.id);
  const step = (at: number, out: number, err: number) =>
    appendFileSync(join(folder, "times"), `${iso(at)} ${out} ${err}\n`);
  step(1, 2, 0);
  const reader = (await app.request(`/api/executions/${row.id}/log?follow=1&timestamps=1`)).body?.getReader();
  let seen = "";
  const until = async (want: string) => {
    while (!seen.includes(want)) {
      const chunk = await reader?.read();
      if (chunk?.value === undefined) throw new Error(`it ended after ${seen}`);
      seen += Buffer.from(chunk.value as Uint8Array).toString();
    }
  };
  await until("a\n");
  appendFileSync(join(folder, "stderr.log"), "E\n");
  step(2, 2, 2);
  await until("E\n");
  appendFileSync(join(folder, "stdout.log"), "late\n"); // no word of it in times
  await until("late\n");
  appendFileSync(join(folder, "stderr.log"), "end");
  const ended: Execution = transition(row, {
    kind: "succeed",
    exitCode: 0,
    at: t0 + 60_000,
    bytes: { stdoutBytes: 7, stderrBytes: 5 },
  });
  await history.save(ended);
  await until("end");
  expect((await reader?.read())?.done).toBe(true);
  expect(seen).toMatch(new RegExp(`^${iso(1)} a\n${iso(2)} E\n\\S+ late\n${iso(60)} end$`));
});
