// Readers of one execution's logs who come back wherever they were broken off: as plain text, as events and by the
// command line. What each has read at the end is all there is, or a byte was lost or given twice.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Execution } from "../../../agent/model/execution.ts";
import { main } from "../../helpers/cli.ts";
import { readEvents } from "../../helpers/sse.ts";
import { eventually } from "../../helpers/tmp.ts";

const againMs = 100;
const pause = () => new Promise((done) => setTimeout(done, againMs));

export interface Followers {
  /** Resolves once each of them has read more than before. */
  progress: () => Promise<void>;
  /** Resolves once all were told of the end; fails unless each has read every byte of `folder`'s logs once. */
  expectWhole: (folder: string, exitCode: number) => Promise<void>;
}

/** `url`: where the agent serves, before and after it is restarted. */
export function follow(url: string, id: string): Followers {
  const path = `${url}/api/executions/${id}`;
  const plain = followPlain(path);
  const events = followEvents(path);
  const command = followByCommand(url, id);
  const readers = [plain, events, command];
  const broken = Promise.race(readers.map(({ ended }) => ended.then(() => new Promise<never>(() => undefined))));
  broken.catch(() => undefined); // whoever waits hears of it
  return {
    async progress() {
      const before = readers.map(({ bytes }) => bytes());
      const seen = eventually(() => readers.every(({ bytes }, i) => bytes() > (before[i] ?? 0)), 60_000);
      await Promise.race([broken, seen]);
    },
    async expectWhole(folder, exitCode) {
      const [text, said, typed] = await Promise.all([plain.ended, events.ended, command.ended]);
      const [stdout, stderr] = ["stdout.log", "stderr.log"].map((name) => readFileSync(join(folder, name)));
      for (const [name, got, want] of [
        ["plain", text, stdout],
        ["events", said.text, stdout],
        ["logs -f, stdout", typed.stdout, stdout],
        ["logs -f, stderr", typed.stderr, stderr],
      ] as const)
        expect([name, firstDifference(got, want ?? Buffer.alloc(0))]).toEqual([name, null]);
      expect(said.end).toMatchObject({ id, exitCode });
      expect(typed.code).toBe(exitCode);
    },
  };
}

/** The first byte at which two differ, and some text around it; null where they are equal. */
function firstDifference(got: Buffer, want: Buffer) {
  if (got.equals(want)) return null;
  let at = 0;
  while (at < got.length && got[at] === want[at]) at++;
  const around = (bytes: Buffer) => bytes.subarray(Math.max(0, at - 40), at + 40).toString();
  return { at, sizes: [got.length, want.length], got: around(got), want: around(want) };
}

async function isOver(path: string): Promise<boolean> {
  const response = await fetch(path);
  return response.ok && ((await response.json()) as Execution).finishedAt !== null;
}

/** An answer that ends in order is the end of the log; anything else is broken off, and goes on at the next byte. */
function followPlain(path: string) {
  const parts: Buffer[] = [];
  const bytes = () => parts.reduce((sum, { length }) => sum + length, 0);
  async function run(): Promise<Buffer> {
    for (; ; await pause()) {
      try {
        const response = await fetch(`${path}/stdout?follow=1`, { headers: { "Last-Event-ID": String(bytes()) } });
        if (!response.ok || response.body === null) continue;
        for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) parts.push(Buffer.from(chunk));
      } catch {
        continue;
      }
      expect(["an answer that ended in order", await isOver(path)]).toEqual(["an answer that ended in order", true]);
      return Buffer.concat(parts);
    }
  }
  return { bytes, ended: run() };
}

function followEvents(path: string) {
  let text = "";
  let lastId = "0";
  let end: Execution | null = null;
  async function run() {
    for (; end === null; await pause()) {
      await readEvents(
        `${path}/stdout?follow=1`,
        ({ event, data, id }) => {
          if (event === "end") end = JSON.parse(data) as Execution;
          if (event !== "message") return event === "end";
          // A line has its end, but for a last one that never got any.
          const line = Number(id) - Number(lastId) === Buffer.byteLength(data) ? data : `${data}\n`;
          text += line;
          lastId = id;
          return false;
        },
        { lastId },
      ).catch(() => undefined);
    }
    return { text: Buffer.from(text), end };
  }
  return { bytes: () => Buffer.byteLength(text), ended: run() };
}

function followByCommand(url: string, id: string) {
  const child = spawn(process.execPath, [main, "logs", "-f", id, "--url", url], { stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
  const ended = once(child, "close").then(([code]) => ({
    code: code as number | null,
    stdout: Buffer.concat(stdout),
    // What the command says for itself is not the script's.
    stderr: Buffer.from(
      Buffer.concat(stderr)
        .toString()
        .replace(/^batch-agent: .*\n/gm, ""),
    ),
  }));
  return { bytes: () => stdout.reduce((sum, { length }) => sum + length, 0), ended };
}

/**
 * A script that writes both logs in pieces of lines until a file `stop` is in its state folder, and then fails with
 * this code.
 */
export const chatter = (exitCode: number) => `i=0
while [ ! -e "$BATCH_STATE_DIR/stop" ]; do
  printf 'half %d ' $i
  echo "err $i" >&2
  echo "out $i grüße"
  i=$((i + 1))
  sleep 0.05
done
printf 'last, without an end'
exit ${exitCode}
`;
