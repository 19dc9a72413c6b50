// Reads /proc for what belongs to an execution: everything that bears its id in its environment, what descends from
// that, and the script's own group. One pass serves all who ask at the same time. Where there is no /proc nothing is
// found; where descriptors run out not all is, and `shortageCount` grows.
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { yieldToEventLoop } from "../../async/yield.ts";
import { isShortage } from "../../platform/files.ts";
import { wrapperVariable } from "./wrapper.ts";

export interface ProcessInfo {
  pid: number;
  parent: number;
  group: number;
  session: number;
  /** In the kernel's ticks since boot: with the pid it names one process for ever. */
  startedAt: string;
  zombie: boolean;
  /** Execution that it bears in its environment; null where it bears none, or is not ours to read. */
  execution: string | null;
  /** A shell or a copier of ours beside a script. */
  isWrapper: boolean;
}

export type Snapshot = ReadonlyMap<number, ProcessInfo>;

export interface ProcessTable {
  /** Reads all processes, begun after it was called. */
  scan: () => Promise<Snapshot>;
}

export function createProcessTable(): ProcessTable {
  let current: Promise<Snapshot> | null = null;
  let next: Promise<Snapshot> | null = null;
  const begin = () => {
    const scan: Promise<Snapshot> = scanProcesses().finally(() => {
      if (current === scan) current = null;
    });
    return (current = scan);
  };
  return {
    scan() {
      if (current === null) return begin();
      // Whatever runs may have passed a process by that has been started since.
      return (next ??= current
        .then(() => undefined)
        .then(() => {
          next = null;
          return begin();
        }));
    },
  };
}

async function scanProcesses(): Promise<Snapshot> {
  const found = new Map<number, ProcessInfo>();
  let names: string[];
  try {
    names = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch (error) {
    isShortage(error);
    return found;
  }
  const user = process.getuid?.() ?? 0;
  const readable: ProcessInfo[] = [];
  for (const name of names) {
    await yieldToEventLoop();
    const info = readStat(name);
    if (info === null) continue;
    found.set(info.pid, info);
    if (!info.zombie && info.pid !== process.pid && (user === 0 || ownerOf(name) === user)) readable.push(info);
  }
  // Not synchronously: the read waits for a process that is just being given memory by a disk that hangs.
  for (let at = 0; at < readable.length; at += 16) {
    await Promise.all(
      readable.slice(at, at + 16).map(async (info) => Object.assign(info, await environmentOf(info.pid))),
    );
  }
  return found;
}

function readStat(pid: string): ProcessInfo | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" "); // a command's name may hold anything
    const number = (at: number) => Number(fields[at]);
    return {
      pid: Number(pid),
      zombie: fields[0] === "Z" || fields[0] === "X",
      parent: number(1),
      group: number(2),
      session: number(3),
      startedAt: fields[19] ?? "",
      execution: null,
      isWrapper: false,
    };
  } catch (error) {
    isShortage(error);
    return null; // it is gone
  }
}

function ownerOf(pid: string): number | null {
  try {
    return statSync(`/proc/${pid}`).uid;
  } catch {
    return null;
  }
}

async function environmentOf(pid: number): Promise<Pick<ProcessInfo, "execution" | "isWrapper">> {
  try {
    const { execution, isWrapper } = parseEnvironment(await readFile(`/proc/${pid}/environ`, "latin1"));
    // A shell that serves one execution after another does not bear the id of any.
    return { execution: isWrapper ? (recordOf(pid) ?? execution) : execution, isWrapper };
  } catch (error) {
    isShortage(error);
    return { execution: null, isWrapper: false };
  }
}

/** Returns the execution whose file `exit` a shell keeps open, as its descriptor 3; null where it keeps none. */
export function recordOf(pid: number): string | null {
  try {
    return /\/executions\/([^/]+)\/exit/.exec(readlinkSync(`/proc/${pid}/fd/3`))?.[1] ?? null;
  } catch (error) {
    isShortage(error);
    return null;
  }
}

/** Returns what an environment as /proc shows it says of an execution. */
function parseEnvironment(text: string): Pick<ProcessInfo, "execution" | "isWrapper"> {
  const execution = /(?:^|\0)BATCH_EXECUTION_ID=([^\0]*)/.exec(text)?.[1] ?? null;
  return { execution, isWrapper: new RegExp(`(?:^|\\0)${wrapperVariable}=`).test(text) };
}

/**
 * Returns what an execution started and is still there. `leader` is the script's pid; what is in its group or session
 * counts only while something is there that shows the number is still the script's.
 */
export function membersOf(snapshot: Snapshot, execution: string, leader: number | null): ProcessInfo[] {
  const wrappers = wrappersOf(snapshot, execution);
  const members = new Set<ProcessInfo>();
  for (const info of snapshot.values()) {
    const isScript = info.pid === leader && wrappers.some(({ pid }) => pid === info.parent);
    if (isScript || (info.execution === execution && !info.isWrapper)) members.add(info);
  }
  const children = new Map<number, ProcessInfo[]>();
  for (const info of snapshot.values()) children.set(info.parent, [...(children.get(info.parent) ?? []), info]);
  const isOfLeader = (info: ProcessInfo) => info.group === leader || info.session === leader;
  if (leader !== null && [...members].some(isOfLeader))
    for (const info of snapshot.values()) if (isOfLeader(info) && !wrappers.includes(info)) members.add(info);
  // a Set is walked to what is added meanwhile
  for (const member of members) for (const child of children.get(member.pid) ?? []) members.add(child);
  return [...members].filter(({ zombie, pid }) => !zombie && pid !== process.pid);
}

/** Returns the shell and the copiers beside an execution's script. */
export function wrappersOf(snapshot: Snapshot, execution: string): ProcessInfo[] {
  return [...snapshot.values()].filter((info) => info.isWrapper && info.execution === execution && !info.zombie);
}

/** Returns whether a process has a log of the execution open; its id is in the path. */
export function holdsLog(pid: number, execution: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        const path = readlinkSync(`/proc/${pid}/fd/${fd}`);
        return path.includes(`/executions/${execution}/std`);
      } catch {
        return false;
      }
    });
  } catch (error) {
    isShortage(error);
    return false;
  }
}

/** Returns whether this system shows its processes in /proc. */
export function hasProcesses(): boolean {
  return existsSync("/proc/self/environ");
}

/**
 * Returns whether a process with this number is there and bears the execution's id, which no other one with a reused
 * number does.
 */
export function isOurs(pid: number, execution: string): boolean {
  try {
    return parseEnvironment(readFileSync(`/proc/${pid}/environ`, "latin1")).execution === execution;
  } catch (error) {
    isShortage(error);
    return false;
  }
}

export function isGroupAlive(leader: number): boolean {
  try {
    process.kill(-leader, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/**
 * Sends a signal to a process, or with a negative number to a group; what is gone, or another user's, is passed over.
 * SIGTERM wakes whatever is stopped, as it could not clean up before its SIGKILL else.
 */
export function sendSignal(pid: number, signal: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(pid, signal);
    if (signal === "SIGTERM") process.kill(pid, "SIGCONT");
  } catch {
    // ESRCH, EPERM
  }
}

/**
 * Looks for orphans of scripts without a full pass: they are children of an ancestor of the agent, mostly of process 1.
 * Costs a few microseconds, so that it can be asked at the end of every execution.
 */
export function createOrphanSearch(): (execution: string) => boolean {
  const adopters: number[] = [];
  for (let pid = process.pid; pid > 0 && !adopters.includes(pid); pid = readStat(String(pid))?.parent ?? 0)
    adopters.push(pid);
  let strangers = new Set<number>();
  return (execution) => {
    const seen = new Set<number>();
    let found = false;
    for (const adopter of adopters) {
      for (const pid of childrenOf(adopter)) {
        if (!strangers.has(pid) && isOurs(pid, execution)) found = true;
        else if (strangers.has(pid) || !bearsAny(pid)) seen.add(pid);
      }
    }
    strangers = seen;
    return found;
  };
}

/** Returns whether a process bears the id of any execution; also one that cannot be read may come to. */
function bearsAny(pid: number): boolean {
  try {
    return parseEnvironment(readFileSync(`/proc/${pid}/environ`, "latin1")).execution !== null;
  } catch {
    return false;
  }
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
