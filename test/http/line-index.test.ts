import { expect, test } from "vitest";
import { createLineIndex } from "../../agent/http/views/line-index.ts";
import type { LogStore } from "../../agent/logs/port.ts";
import { createLogStore } from "../../agent/logs/store.ts";
import { serve } from "../helpers/http.ts";
import { execution } from "../helpers/make.ts";

/** A log of a given text on disk, and how many bytes of it were read. */
async function indexOf(text: string) {
  const { add, data } = await serve();
  const row = await add(execution({ status: "succeeded" }), { stdout: text });
  const store = createLogStore(data);
  let read = 0;
  const logs: Pick<LogStore, "stat" | "read"> = {
    stat: store.stat,
    read: (batch, id, stream, start, end) => {
      read += end - start;
      return store.read(batch, id, stream, start, end);
    },
  };
  const index = createLineIndex(logs);
  return {
    line: (offset: number) => index.lineAt(row, "stdout", offset),
    offset: (line: number) => index.offsetOf(row, "stdout", line),
    bytesRead: () => read,
  };
}

test.each([
  ["nothing", "", [[1, 0]]],
  [
    "one line",
    "a\n",
    [
      [1, 0],
      [2, 2],
      [9, 2],
    ],
  ],
  [
    "no line break at the end",
    "a\nbc",
    [
      [1, 0],
      [2, 2],
      [3, 4],
    ],
  ],
  [
    "empty lines",
    "\n\n\n",
    [
      [1, 0],
      [2, 1],
      [3, 2],
      [4, 3],
    ],
  ],
] as const)("%s: where lines begin", async (_name, text, want) => {
  const { offset } = await indexOf(text);
  for (const [line, at] of want) expect([line, await offset(line)]).toEqual([line, at]);
});

test("lines and offsets are inverse over several MiB, and what was counted is not read again", async () => {
  const lines = Array.from({ length: 60_000 }, (_, i) => `${"x".repeat(i % 120)} ${i}`);
  const text = `${lines.join("\n")}\n`;
  const starts = [0];
  for (const line of lines) starts.push((starts.at(-1) ?? 0) + line.length + 1);
  const { line, offset, bytesRead } = await indexOf(text);
  for (const number of [60_001, 1, 2, 17_123, 30_000, 59_999, 60_000]) {
    const at = starts[number - 1] ?? -1;
    expect([number, await offset(number), await line(at)]).toEqual([number, at, number]);
  }
  await line(starts[2] ?? 0); // what lies behind stays known
  const before = bytesRead();
  await line(starts[59_990] ?? 0);
  expect(bytesRead() - before).toBeLessThanOrEqual(1024 * 1024);
});
