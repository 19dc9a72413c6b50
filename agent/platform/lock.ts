// One agent a data folder: agent.lock names its holder. A holder that is gone is no holder.
import { randomUUID } from "node:crypto";
import { link, mkdir, readFile, stat, unlink, utimes, writeFile } from "node:fs/promises";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { ConfigError, StoreError } from "../errors.ts";
import { errorCode } from "./files.ts";

interface Holder {
  pid: number;
  host: string;
  /** Start time of the process in ticks since boot, and the boot: a pid alone may be another process by now. */
  startTicks: string | null;
  boot: string | null;
  /** Only processes of the same one are seen: containers may share a host's name and nothing else. */
  pidNamespace?: string | null;
  since: string;
}

/** A holder on another host is taken for gone when it has not touched the lock for this long. */
const staleMs = 30_000;
const touchMs = 5_000;

/**
 * Takes the lock of a data folder, made if need be. Throws ConfigError naming the holder's pid and host.
 * The result gives it back. `onLost`: another agent holds it by now, as this one seemed gone (asleep, cut off) to it.
 */
export async function takeLock(
  dataDir: string,
  boot: string | null,
  now: () => number,
  onLost: (holder: string) => void = () => undefined,
): Promise<() => Promise<void>> {
  const path = join(dataDir, "agent.lock");
  const self: Holder = {
    pid: process.pid,
    host: hostname(),
    startTicks: startTicks(process.pid),
    boot,
    pidNamespace: pidNamespace(),
    since: new Date(now()).toISOString(),
  };
  const mine = `${path}.${randomUUID()}`; // in containers every agent has pid 1
  try {
    await makeFolder(dataDir, 0o700); // logs, settings and what scripts keep are the agent's alone
    // Written whole beside it first: whoever sees the lock sees all of it.
    await writeFile(mine, `${JSON.stringify(self)}\n`, { flush: true });
    for (let attempt = 0; !(await create(mine, path)); attempt++) {
      const holder = await read(path);
      if (attempt > 100 || (holder !== null && (await isAlive(holder, path, boot, now())))) {
        throw new ConfigError(
          `the data folder ${dataDir} is in use by the agent with pid ${holder?.pid ?? "?"} on host ${holder?.host ?? "?"}`,
          "one agent a data folder: stop that one, or give this one another with --data",
        );
      }
      if (await replaceStale(mine, path, boot, now)) break;
      await new Promise((done) => setTimeout(done, 20));
    }
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new StoreError("lock", dataDir, error, "the data folder must be writable; choose another with --data");
  } finally {
    await unlink(mine).catch(() => undefined);
  }
  const isMine = (holder: Holder | null) =>
    holder?.pid === self.pid && holder.host === self.host && holder.since === self.since;
  async function touch(): Promise<void> {
    const holder = await read(path);
    if (holder !== null && !isMine(holder)) {
      clearInterval(touching);
      return onLost(`pid ${holder.pid} on host ${holder.host}`);
    }
    // Somebody deleted it: it is still ours.
    if (holder === null) await writeFile(path, `${JSON.stringify(self)}\n`, { flag: "wx" });
    const at = new Date(now());
    await utimes(path, at, at);
  }
  const touching = setInterval(() => void touch().catch(() => undefined), touchMs); // a disk that is full is told of elsewhere
  touching.unref();
  return async () => {
    clearInterval(touching);
    if (isMine(await read(path))) await unlink(path).catch(() => undefined);
  };
}

/** One by one: Node's `recursive` calls a read-only disk ENOENT, and tries for ever where a folder that is there takes no other. */
async function makeFolder(path: string, mode = 0o777): Promise<void> {
  try {
    await mkdir(path, mode);
  } catch (error) {
    if (errorCode(error) === "EEXIST") return;
    if (errorCode(error) !== "ENOENT" || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    await mkdir(path, mode).catch((again: unknown) => {
      if (errorCode(again) !== "EEXIST") throw again;
    });
  }
}

/** A link comes to be at once with its content, and only where there is none. */
async function create(mine: string, path: string): Promise<boolean> {
  try {
    await link(mine, path);
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  }
}

/** Of several that find it stale, only the one that holds the second, short-lived lock may look again and replace it. */
async function replaceStale(mine: string, path: string, boot: string | null, now: () => number): Promise<boolean> {
  const turn = `${path}.takeover`;
  try {
    await link(mine, turn);
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
    const other = await read(turn);
    if (other !== null && !(await isAlive(other, turn, boot, now()))) await unlink(turn).catch(() => undefined);
    return false;
  }
  try {
    const holder = await read(path);
    if (holder !== null && (await isAlive(holder, path, boot, now()))) return false;
    await unlink(path).catch(() => undefined);
    return await create(mine, path);
  } finally {
    await unlink(turn).catch(() => undefined);
  }
}

async function read(path: string): Promise<Holder | null> {
  try {
    const value: unknown = JSON.parse(await readFile(path, "utf8"));
    return typeof value === "object" && value !== null && "pid" in value && "host" in value ? (value as Holder) : null;
  } catch {
    return null;
  }
}

async function isAlive(holder: Holder, path: string, boot: string | null, now: number): Promise<boolean> {
  if (holder.host !== hostname()) {
    const info = await stat(path).catch(() => null);
    return info !== null && now - info.mtimeMs < staleMs;
  }
  if (holder.boot !== boot) return false;
  if (holder.pidNamespace !== undefined && holder.pidNamespace !== pidNamespace()) return isTouched(path, now);
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if (errorCode(error) !== "EPERM") return false;
  }
  return holder.startTicks === startTicks(holder.pid);
}

/** Whether somebody still touches a lock. Waits for that, no longer than it takes to tell. */
async function isTouched(path: string, now: number): Promise<boolean> {
  const touchedAt = async () => (await stat(path).catch(() => null))?.mtimeMs ?? null;
  const before = await touchedAt();
  const waitMs = before === null ? 0 : Math.min(before + touchMs + 1_000 - now, touchMs + 1_000);
  if (waitMs <= 0) return false;
  await new Promise((done) => setTimeout(done, waitMs));
  const after = await touchedAt();
  return after !== null && after !== before;
}

function pidNamespace(): string | null {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return null;
  }
}

/** Start time of a process in clock ticks since boot, null where /proc cannot tell. */
function startTicks(pid: number): string | null {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [state, ...fields] = line.slice(line.lastIndexOf(")") + 2).split(" ");
    return state === "Z" ? "gone" : (fields[18] ?? null); // its parent has not asked for its end yet
  } catch {
    return null;
  }
}
