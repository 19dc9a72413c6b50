// A machine that withholds what the agent needs: files it may not read, descriptors, watches, bash, the right time.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Problem } from "../../agent/model/problem.ts";
import { startAgent, workplace, type RunningAgent } from "../helpers/agent.ts";
import { type } from "../helpers/cli.ts";
import { doubled, ownDueTimes, uncovered } from "../helpers/ledger.ts";
import { eventually } from "../helpers/tmp.ts";

const everySecond = 'cron: "* * * * * *"\nkeep: {executions: 1000}\n';
const problems = async (agent: RunningAgent) => (await agent.json<{ items: Problem[] }>("/api/problems")).items;
const count = async (agent: RunningAgent, query = "?status=succeeded&limit=500") =>
  (await agent.executions(query)).length;
const details = async (agent: RunningAgent) =>
  (await agent.json<{ details: { watch: { mode: string } } }>("/readyz")).details;

test("a batch folder that may not be read stays in force, and is followed again once it may", async () => {
  const place = workplace();
  const nobody = 65_534;
  const asRoot = process.getuid?.() === 0;
  if (asRoot) {
    for (const path of [place.home, place.batches]) chmodSync(path, 0o755);
    mkdirSync(place.data);
    chownSync(place.data, nobody, nobody);
  }
  place.put("secret", everySecond, "echo one\n");
  place.put("open", everySecond, "true\n");
  const agent = await startAgent(place, ["--resync", "1s"], asRoot ? { uid: nobody } : {});
  await eventually(async () => (await count(agent, "?batch=secret&status=succeeded")) > 0);
  place.put("secret", null, "echo two\n");
  chmodSync(join(place.batches, "secret"), 0);
  await eventually(async () =>
    (await problems(agent)).find(
      ({ code, batch, message }) => code === "unreadable" && batch === "secret" && message.includes("EACCES"),
    ),
  );
  const before = await count(agent, "?batch=secret&status=succeeded&limit=500");
  await eventually(async () => (await count(agent, "?batch=secret&status=succeeded&limit=500")) >= before + 2);
  expect((await agent.batch("secret")).state).toBe("scheduled");
  chmodSync(join(place.batches, "secret"), 0o755);
  await eventually(async () => {
    const [newest] = await agent.executions("?batch=secret&status=succeeded");
    return (await (await agent.get(`/api/executions/${newest?.id}/stdout`)).text()) === "two\n";
  });
  expect(await problems(agent)).toEqual([]);
});

/** Sets what a running process may open; 3 is nothing at all beside what it has open already. */
const setDescriptors = (pid: number | undefined, limit: number) =>
  void execFileSync("prlimit", ["--pid", String(pid), `--nofile=${limit}:`]);
/** The agent touches its lock this often, and some more. */
const lockTouchedMs = 7_000;

test("out of file descriptors: nothing is taken for gone or damaged, and all goes on once there are some", async () => {
  const place = workplace();
  place.put("beat", everySecond, "true\n");
  place.put("slow", "cron: '@yearly'\n", `until [ -e ${place.home}/go ]; do sleep 0.1; done; kill -TERM $$\n`);
  const agent = await startAgent(place, ["--resync", "1s"]);
  await eventually(async () => (await count(agent)) >= 1);
  expect(await type(place.home, ["trigger", "slow", "--data", place.data])).toMatchObject({ code: 0 });
  const slow = await eventually(async () => (await agent.executions("?batch=slow&status=running"))[0]);
  const lock = readFileSync(join(place.data, "agent.lock"), "utf8");
  setDescriptors(agent.child.pid, 3);
  await eventually(() => /EMFILE/.test(agent.log()));
  writeFileSync(join(place.home, "go"), "");
  await new Promise((done) => setTimeout(done, lockTouchedMs));
  setDescriptors(agent.child.pid, 4_096);
  const ended = await eventually(async () => (await agent.executions("?batch=slow&status=failed"))[0]);
  expect(ended).toMatchObject({ id: slow.id, reason: "signal", signal: "SIGTERM" });
  const before = await count(agent);
  await eventually(async () => (await count(agent)) >= before + 2);
  place.put("late", everySecond, "true\n");
  await eventually(async () => (await count(agent, "?batch=late&status=succeeded")) >= 1);
  expect(readFileSync(join(place.data, "agent.lock"), "utf8")).toBe(lock);
  const quarantined = readdirSync(place.data, { recursive: true, encoding: "utf8" }).filter((path) =>
    path.includes(".corrupt-"),
  );
  expect(quarantined).toEqual([]);
  const rows = await agent.executions("?batch=beat&limit=500");
  const own = ownDueTimes(rows, "beat");
  expect(doubled(rows, "beat")).toEqual([]);
  expect(uncovered(rows, "beat", own[0] ?? 0, own.at(-1) ?? 0)).toEqual([]);
  expect((await agent.exit("SIGTERM")).code).toBe(0);
}, 60_000);

test("few file descriptors: clients cannot take those that the agent needs", async () => {
  const place = workplace();
  place.put("beat", everySecond, "true\n");
  const agent = await startAgent(place, ["--resync", "1s", "--host", "0.0.0.0"], {
    before: ["bash", "-c", 'ulimit -n 256; exec "$@"', "bash"],
  });
  await eventually(async () => (await count(agent)) >= 1);
  const port = Number(new URL(agent.url).port);
  const sockets: Socket[] = Array.from({ length: 400 }, () => connect(port, "127.0.0.1"));
  const open = new Set(sockets);
  for (const socket of sockets) {
    socket.on("error", () => undefined);
    socket.on("close", () => open.delete(socket));
  }
  await eventually(() => open.size > 0 && open.size < 20);
  const probe = () =>
    new Promise<number | undefined>((done, fail) => {
      const options = { host: "127.0.0.1", port, path: "/api/executions?status=succeeded&limit=500" };
      request({ ...options, localAddress: "127.0.0.2" }, (response) => done(response.resume().statusCode))
        .on("error", fail)
        .end();
    });
  expect(await eventually(probe)).toBe(200);
  place.put("late", everySecond, "true\n");
  const started = () => agent.log().split('"batch":"late"').length;
  await eventually(() => started() > 4);
  expect(agent.log()).not.toMatch(/EMFILE/);
  for (const socket of sockets) socket.destroy();
  await eventually(async () => (await count(agent, "?batch=late&status=succeeded")) >= 2);
});

test("out of inotify watches: it says so, polls, and still follows the folder", async () => {
  const place = workplace();
  for (let i = 0; i < 20; i++) place.put(`b-${i}`, "cron: '@yearly'\n", "true\n");
  // A user namespace has a limit of its own.
  const few = {
    before: [
      "unshare",
      "--user",
      "--map-root-user",
      "bash",
      "-c",
      'echo 5 >/proc/sys/user/max_inotify_watches; exec "$@"',
      "bash",
    ],
  };
  const agent = await startAgent(place, [], few);
  await eventually(async () => (await details(agent)).watch.mode === "poll");
  expect(agent.log()).toMatch(/going over to polling/);
  place.put("late", everySecond, "true\n");
  await eventually(async () => (await count(agent, "?batch=late&status=succeeded")) >= 1);
  place.drop("b-0");
  await eventually(async () => (await agent.batch("b-0")).state === "removed");
});

test("no bash on the PATH: each start fails with the reason, it is said everywhere, and ends by itself", async () => {
  const place = workplace();
  const bin = join(place.home, "bin");
  mkdirSync(bin);
  for (const tool of ["sh", "cat"]) symlinkSync(`/bin/${tool}`, join(bin, tool));
  place.put("beat", everySecond, "true\n");
  const agent = await startAgent(place, [], { env: { PATH: bin } });
  const failed = await eventually(async () => (await agent.executions("?status=failed"))[0]);
  expect(failed).toMatchObject({
    reason: "spawn",
    message: expect.stringContaining("bash is not on the agent's PATH") as string,
    pid: null,
  });
  const ready = await agent.get("/readyz");
  expect([ready.status, ((await ready.json()) as { reasons: string[] }).reasons[0]]).toEqual([
    503,
    expect.stringContaining("bash"),
  ]);
  expect(await problems(agent)).toMatchObject([{ code: "no-bash", batch: "" }]);
  expect(agent.log()).toMatch(/bash is not on/);
  cpSync("/bin/bash", join(bin, "bash"));
  await eventually(async () => (await count(agent)) >= 2);
  expect((await agent.get("/readyz")).status).toBe(200);
  expect(await problems(agent)).toEqual([]);
});

const libraries = ["x86_64", "aarch64"].map((arch) => `/usr/lib/${arch}-linux-gnu/faketime/libfaketime.so.1`);
const faketime = libraries.find((path) => existsSync(path));

describe.skipIf(faketime === undefined)("the machine's clock", () => {
  test.each([3_600, -3_600])(
    "is set by %d s while a script runs: no due time twice, and timeouts are time that passes",
    async (seconds) => {
      const place = workplace();
      const offset = join(place.home, "offset");
      writeFileSync(offset, "+0\n");
      place.put("beat", everySecond, "true\n");
      place.put("slow", 'cron: "* * * * * *"\ntimeout: 4s\n', "sleep 300\n");
      const env = {
        LD_PRELOAD: faketime ?? "",
        FAKETIME_TIMESTAMP_FILE: offset,
        FAKETIME_NO_CACHE: "1",
        FAKETIME_DONT_FAKE_MONOTONIC: "1",
      };
      const agent = await startAgent(place, [], { env });
      await eventually(
        async () =>
          (await count(agent, "?batch=beat&status=succeeded")) >= 2 &&
          (await count(agent, "?batch=slow&status=running")) === 1,
      );
      const began = performance.now();
      writeFileSync(offset, `${seconds > 0 ? "+" : ""}${seconds}\n`);
      const slow = await eventually(async () => (await agent.executions("?batch=slow&status=failed"))[0]);
      expect(slow.reason).toBe("timeout");
      expect(performance.now() - began).toBeLessThan(7_000);
      if (seconds > 0) {
        const gap = await eventually(async () =>
          (await agent.executions("?batch=beat&status=aborted")).find((row) => row.reason === "missed"),
        );
        expect(gap.missed?.count).toBeGreaterThan(3_590);
        const before = await count(agent, "?batch=beat&status=succeeded&limit=500");
        await eventually(async () => (await count(agent, "?batch=beat&status=succeeded&limit=500")) >= before + 2);
      }
      // Back to where it was: those times are done with, and come again only once they are over.
      writeFileSync(offset, "+0\n");
      await new Promise((done) => setTimeout(done, 2_500));
      const rows = await agent.executions("?batch=beat&limit=500");
      expect(doubled(rows, "beat")).toEqual([]);
      const own = ownDueTimes(rows, "beat");
      expect(uncovered(rows, "beat", own[0] ?? 0, own.at(-1) ?? 0)).toEqual([]);
      expect((await agent.get("/readyz")).status).toBe(200);
    },
  );
});
