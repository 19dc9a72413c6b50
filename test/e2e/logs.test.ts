// logs as typed: both streams in their order, times, and connections that break at any byte.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { startAgent, workplace } from "../helpers/agent.ts";
import { main, type, typeOnTerminal } from "../helpers/cli.ts";
import { eventually } from "../helpers/tmp.ts";

const yearly = 'cron: "@yearly"\n';
const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** Passes a connection on, and breaks it off after so many bytes of the answer. */
async function breaking(url: string, limit: () => number): Promise<string> {
  const port = Number(new URL(url).port);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const agent = connect(port, "127.0.0.1");
    let left = limit();
    for (const socket of [client, agent]) {
      sockets.add(socket);
      socket.on("error", () => undefined).on("close", () => [client, agent].forEach((one) => one.destroy()));
    }
    client.pipe(agent);
    agent.on("data", (bytes: Buffer) => {
      client.write(bytes.subarray(0, left));
      left -= bytes.length;
      if (left <= 0) client.end();
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  closing.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const turns = 'echo one; sleep 0.4; echo two >&2; sleep 0.4; echo three; sleep 0.4; printf "four" >&2';

test("both streams in the order they were written, with times, on a terminal and joined in a file", async () => {
  const place = workplace();
  place.put("turns", yearly, turns);
  const agent = await startAgent(place);
  await type(place.home, ["trigger", "turns", "--follow"]);
  const there = { BATCH_AGENT_URL: agent.url };
  const joined = spawn("bash", ["-c", `'${process.execPath}' '${main}' logs turns 2>&1`], {
    cwd: place.home,
    env: { ...process.env, ...there },
    stdio: ["ignore", "pipe", "inherit"],
  });
  expect(Buffer.concat(await joined.stdout.toArray()).toString()).toBe("one\ntwo\nthree\nfour");
  const timed = await type(place.home, ["logs", "turns", "--timestamps"], { env: there });
  const time = "\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z";
  expect(timed.stdout).toMatch(new RegExp(`^${time} one\n${time} three\n$`));
  expect(timed.stderr).toMatch(new RegExp(`^${time} two\n${time} four$`));
  const last = await type(place.home, ["logs", "turns", "--tail", "2"], { env: there });
  expect([last.stdout, last.stderr]).toEqual(["three\n", "four"]);
  expect((await typeOnTerminal(place.home, ["logs", "turns"], there)).stdout).toBe("one\ntwo\nthree\nfour");
}, 60_000);

test("a line that is not finished is shown while it is followed; bytes that are no text come through", async () => {
  const place = workplace();
  place.put(
    "ask",
    yearly,
    'printf "name? \\xff\\x00"; until [ -e "$BATCH_STATE_DIR/go" ]; do sleep 0.1; done; echo " x"',
  );
  const agent = await startAgent(place);
  await type(place.home, ["trigger", "ask"]);
  const child = spawn(process.execPath, [main, "logs", "-f", "ask", "--url", agent.url], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let seen = Buffer.alloc(0);
  child.stdout.on("data", (bytes: Buffer) => (seen = Buffer.concat([seen, bytes])));
  await eventually(() => seen.toString("latin1") === "name? \xff\0");
  mkdirSync(join(place.data, "batches/ask/state"), { recursive: true });
  writeFileSync(join(place.data, "batches/ask/state/go"), "");
  await once(child, "close");
  expect(seen.toString("latin1")).toBe("name? \xff\0 x\n");
}, 60_000);

test("connections that break at any byte lose and repeat nothing, followed or not, from a tail too", async () => {
  const place = workplace();
  place.put("long", yearly, 'for i in $(seq 400); do echo "out $i"; echo "err $i" >&2; sleep 0.005; done');
  const agent = await startAgent(place);
  await type(place.home, ["trigger", "long"]);
  let breaks = 0;
  const url = await breaking(agent.url, () => 3_000 + ((breaks++ * 977) % 1_500));
  const followed = await type(place.home, ["logs", "-f", "long", "--url", url]);
  expect(breaks).toBeGreaterThan(4);
  const lines = (word: string, from: number) =>
    Array.from({ length: 401 - from }, (_, i) => `${word} ${i + from}\n`).join("");
  expect([followed.code, followed.stdout, followed.stderr]).toEqual([0, lines("out", 1), lines("err", 1)]);
  const tail = await type(place.home, ["logs", "long", "--tail", "300", "--url", url]);
  const all = tail.stdout.split("\n").length - 1 + tail.stderr.split("\n").length - 1;
  expect(all).toBe(300);
  expect(lines("out", 1).endsWith(tail.stdout)).toBe(true);
  expect(lines("err", 1).endsWith(tail.stderr)).toBe(true);
}, 120_000);

test("a log that got shorter is said, while it is followed and afterwards", async () => {
  const place = workplace();
  place.put(
    "cut",
    yearly,
    'seq 1000; until [ -e "$BATCH_STATE_DIR/go" ]; do sleep 0.1; done; echo more; sleep 1; echo end',
  );
  const agent = await startAgent(place);
  const id = (await type(place.home, ["trigger", "cut"])).stdout.trim();
  const child = spawn(process.execPath, [main, "logs", "-f", "cut", "--url", agent.url], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [out, err] = ["", ""];
  child.stdout.on("data", (bytes: Buffer) => (out += bytes.toString()));
  child.stderr.on("data", (bytes: Buffer) => (err += bytes.toString()));
  await eventually(() => out.endsWith("1000\n"));
  const log = join(place.data, "batches/cut/executions", id, "stdout.log");
  truncateSync(log, 100);
  await eventually(async () => (await agent.executions())[0]?.stdoutBytes === 100);
  await eventually(() => err.includes("got shorter")); // said at once, not with the next line
  mkdirSync(join(place.data, "batches/cut/state"), { recursive: true });
  writeFileSync(join(place.data, "batches/cut/state/go"), "");
  await once(child, "close");
  expect(out.endsWith("more\nend\n")).toBe(true);
  expect(err).toMatch(/stdout got shorter, from 3893 to \d+ bytes; going on from its new end/);
  expect(err).toContain("this is not all of its output");
  expect((await type(place.home, ["logs", id, "--url", agent.url])).stdout).toBe(readFileSync(log, "utf8"));
}, 60_000);
