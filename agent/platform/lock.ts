// One agent a data folder: agent.lock names its holder. A holder that is gone is no holder.
import { randomUUID } from "node:crypto";
import { link, lstat, mkdir, stat, unlink, utimes } from "node:fs/promises";
import { readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { ConfigError, StoreError } from "../errors.ts";
import { errorCode, isPassing, readPlainBytes, readText, quarantine, writeFresh } from "./files.ts";

interface Holder {
  pid: number;
  host: string;
  /** Start time of the process in ticks since boot, and the boot: a pid alone may be another process by now. */
  startTicks: string | null;
  boot: string | null;
  /** Only processes of the same one are seen: containers may share a host's name and nothing else. */
  pidNamespace?: string | null;
  since: string;
  /** Counts the leaders of agents that take turns by a Lease: who has a smaller one leads no more, alive or not. */
  epoch?: number;
}

/** A holder on another host is taken for gone when it has not touched the lock for this long. */
const staleMs = 30_000;
const touchMs = 5_000;
const maxLockBytes = 4_096;
const maxStatBytes = 4_096;

/**
 * Takes the lock of a data folder, made if need be. Throws ConfigError naming the holder's pid and host.
 * The result gives it back. `onLost`: another agent holds it by now, as this one seemed gone (asleep, cut off) to it.
 * `onObstacle`: what was no lock lay in its place, and where that was moved to.
 */
export async function acquireLock(
  dataDir: string,
  boot: string | null,
  now: () => number,
  onLost: (holder: string) => void = () => undefined,
  onObstacle: (quarantined: string) => void = () => undefined,
  epoch?: number,
): Promise<() => Promise<void>> {
  const path = join(dataDir, "agent.lock");
  const self: Holder = {
    pid: process.pid,
    host: hostname(),
    startTicks: startTicks(process.pid),
    boot,
    pidNamespace: pidNamespace(),
    since: new Date(now()).toISOString(),
    ...(epoch === undefined ? {} : { epoch }),
  };
  const isAlive = async (holder: Holder, at: string) =>
    !isOutdone(holder, epoch) && (await isHolderAlive(holder, at, boot, now()));
  const mine = `${path}.${randomUUID()}`; // in containers every agent has pid 1
  try {
    await makeFolder(dataDir, 0o700); // logs, settings and what scripts keep are the agent's alone
    // Written whole beside it first: whoever sees the lock sees all of it.
    await writeFresh(mine, `${JSON.stringify(self)}\n`, { mode: 0o644, flush: true });
    for (let attempt = 0; !(await create(mine, path)); attempt++) {
      const holder = await read(path);
      if (attempt > 100 || (holder !== null && (await isAlive(holder, path)))) {
        throw new ConfigError(
          `the data folder ${dataDir} is in use by the agent with pid ${holder?.pid ?? "?"} on host ` +
            (holder?.host ?? "?"),
          "one agent a data folder: stop that one, or give this one another with --data",
        );
      }
      if (await replaceStale(mine, path, isAlive, now, onObstacle)) break;
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
      onLost(`pid ${holder.pid} on host ${holder.host}`);
      return;
    }
    // Somebody deleted it, or put something else there: it is still ours.
    if (holder === null) {
      await clearObstacle(path, now(), onObstacle);
      const again = `${path}.${randomUUID()}`;
      await writeFresh(again, `${JSON.stringify(self)}\n`, { mode: 0o644 });
      await create(again, path).finally(() => unlink(again));
    }
    const at = new Date(now());
    await utimes(path, at, at);
  }
  // a disk that is full is told of elsewhere
  const touching = setInterval(() => void touch().catch(() => undefined), touchMs);
  touching.unref();
  return async () => {
    clearInterval(touching);
    if (isMine(await read(path).catch(() => null))) await unlink(path).catch(() => undefined);
  };
}

/**
 * One by one: Node's `recursive` calls a read-only disk ENOENT, and tries for ever where a folder that is there takes
 * no other.
 */
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

/**
 * For several that find it stale, only the one that holds the second, short-lived lock may look again and replace it.
 */
async function replaceStale(
  mine: string,
  path: string,
  isAlive: (holder: Holder, path: string) => Promise<boolean>,
  now: () => number,
  onObstacle: (quarantined: string) => void,
): Promise<boolean> {
  const turn = `${path}.takeover`;
  try {
    await link(mine, turn);
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
    const other = await read(turn);
    if (other === null) await clearObstacle(turn, now(), onObstacle);
    else if (!(await isAlive(other, turn))) await unlink(turn).catch(() => undefined);
    return false;
  }
  try {
    const holder = await read(path);
    if (holder !== null && (await isAlive(holder, path))) return false;
    if (holder === null) await clearObstacle(path, now(), onObstacle);
    else await unlink(path).catch(() => undefined);
    return await create(mine, path);
  } finally {
    await unlink(turn).catch(() => undefined);
  }
}

/** Moves away what holds no lock: a lock comes to be whole, so it is none that is only being made. */
async function clearObstacle(path: string, now: number, onObstacle: (quarantined: string) => void): Promise<void> {
  const before = await lstat(path).catch(() => null);
  if (before === null || (await read(path)) !== null) return;
  const after = await lstat(path).catch(() => null);
  if (after === null || after.ino !== before.ino) return;
  onObstacle(await quarantine(path, now));
}

/** Null for what is no lock. Throws where that cannot be told: a lock that cannot be read just now is held. */
async function read(path: string): Promise<Holder | null> {
  try {
    const value: unknown = JSON.parse(await readText(path, maxLockBytes, "refuse"));
    return isHolder(value) ? value : null;
  } catch (error) {
    if (isPassing(error)) throw error;
    return null;
  }
}

/** The pid becomes part of a path. */
function isHolder(value: unknown): value is Holder {
  if (typeof value !== "object" || value === null) return false;
  const { pid, host } = value as Partial<Holder>;
  return Number.isSafeInteger(pid) && (pid as number) > 0 && typeof host === "string";
}

function isOutdone(holder: Holder, epoch: number | undefined): boolean {
  return epoch !== undefined && (holder.epoch ?? -1) < epoch;
}

/** Returns the epoch of who holds a data folder; null where nobody does, or nobody that takes turns. */
export function readEpoch(dataDir: string): number | null {
  try {
    const value: unknown = JSON.parse(
      readPlainBytes(join(dataDir, "agent.lock"), maxLockBytes, "refuse").toString("utf8"),
    );
    return isHolder(value) ? (value.epoch ?? null) : null;
  } catch {
    return null;
  }
}

async function isHolderAlive(holder: Holder, path: string, boot: string | null, now: number): Promise<boolean> {
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

/** Returns whether somebody still touches a lock. Waits for that, no longer than it takes to tell. */
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
    const line = readPlainBytes(`/proc/${pid}/stat`, maxStatBytes).toString("utf8");
    const [state, ...fields] = line.slice(line.lastIndexOf(")") + 2).split(" ");
    return state === "Z" ? "gone" : (fields[18] ?? null); // its parent has not asked for its end yet
  } catch {
    return null;
  }
}
