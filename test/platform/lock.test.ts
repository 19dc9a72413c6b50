import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { acquireLock } from "../../agent/platform/lock.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

const boot = "boot-1";

test("a second agent is refused with the holder's pid and host", async () => {
  const data = temporaryFolder();
  const release = await acquireLock(data, boot, Date.now);
  await expect(acquireLock(data, boot, Date.now)).rejects.toThrow(
    new RegExp(`pid ${process.pid} on host ${hostname()}`),
  );
  await release();
  await (
    await acquireLock(data, boot, Date.now)
  )();
});

test("the lock of a process that is gone is taken over", async () => {
  const data = temporaryFolder();
  const child = spawn("true");
  await once(child, "exit");
  await hold(data, { pid: child.pid, host: hostname(), boot, startTicks: "1" });
  await (
    await acquireLock(data, boot, Date.now)
  )();
});

test("a pid that is another process by now is no holder", async () => {
  const data = temporaryFolder();
  await hold(data, { pid: process.pid, host: hostname(), boot, startTicks: "1" });
  await (
    await acquireLock(data, boot, Date.now)
  )();
});

test("a lock from before a reboot is no lock", async () => {
  const data = temporaryFolder();
  await acquireLock(data, boot, Date.now); // never given back
  await (
    await acquireLock(data, "boot-2", Date.now)
  )();
});

test("another host's lock holds while it is touched, and is taken over when it is not", async () => {
  const data = temporaryFolder();
  await hold(data, { pid: 7, host: "elsewhere", boot: "x", startTicks: "1" });
  await expect(acquireLock(data, boot, Date.now)).rejects.toThrow(/pid 7 on host elsewhere/);
  const old = new Date(Date.now() - 60_000);
  await utimes(join(data, "agent.lock"), old, old);
  await (
    await acquireLock(data, boot, Date.now)
  )();
});

test("a torn lock is taken over", async () => {
  const data = temporaryFolder();
  await writeFile(join(data, "agent.lock"), '{"pi');
  await acquireLock(data, boot, Date.now);
  expect(JSON.parse(await readFile(join(data, "agent.lock"), "utf8"))).toMatchObject({ pid: process.pid });
});

test("a takeover that was cut short is no obstacle", async () => {
  const data = temporaryFolder();
  const child = spawn("true");
  await once(child, "exit");
  const gone = { pid: child.pid, host: hostname(), boot, startTicks: "1" };
  await hold(data, gone);
  await writeFile(join(data, "agent.lock.takeover"), JSON.stringify(gone));
  await (
    await acquireLock(data, boot, Date.now)
  )();
});

test("of ten at once, one gets it", async () => {
  const data = temporaryFolder();
  await hold(data, { pid: 1, host: hostname(), boot: "before", startTicks: "1" });
  const tries = await Promise.allSettled(Array.from({ length: 10 }, () => acquireLock(data, boot, Date.now)));
  expect(tries.filter((attempt) => attempt.status === "fulfilled")).toHaveLength(1);
});

async function hold(data: string, holder: object): Promise<void> {
  await writeFile(join(data, "agent.lock"), JSON.stringify(holder));
}

test("a holder that cannot be seen from here, on the same host, holds while it is touched", async () => {
  const data = temporaryFolder();
  const elsewhere = { pid: 7, host: hostname(), boot, startTicks: "1", pidNamespace: "pid:[1]" };
  await hold(data, elsewhere);
  const path = join(data, "agent.lock");
  const touching = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => undefined), 100);
  await expect(acquireLock(data, boot, () => Date.now() + 5_000)).rejects.toThrow(/pid 7 on host/);
  clearInterval(touching);
  await (
    await acquireLock(data, boot, () => Date.now() + 5_500)
  )(); // nobody touches it: waited for, no longer than it takes to tell
});
