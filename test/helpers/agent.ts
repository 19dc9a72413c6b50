// The built program on temporary folders, as a user would run it.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach } from "vitest";
import type { Execution } from "../../agent/model/execution.ts";
import { eventually, temporaryFolder } from "./tmp.ts";

const main = join(import.meta.dirname, "../../dist/main.js");
const started: ChildProcess[] = [];

afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill("SIGKILL");
    await once(child, "exit");
  }
});

interface BatchJson {
  name: string;
  state: string;
  revision: string | null;
  next: string[];
  definition: Record<string, unknown> | null;
  lastExecution: Execution | null;
  problems: { code: string; file: string; line: number; column: number; message: string; hint: string }[];
}

export interface RunningAgent {
  child: ChildProcess;
  url: string;
  /** Everything it has said. */
  log: () => string;
  get: (path: string) => Promise<Response>;
  json: <T>(path: string) => Promise<T>;
  batch: (name: string) => Promise<BatchJson>;
  executions: (query?: string) => Promise<Execution[]>;
  /** Waits for its end. */
  exit: (signal?: NodeJS.Signals) => Promise<{ code: number | null; signal: string | null }>;
}

/** A folder of batches and a data folder. */
export function workplace() {
  const home = temporaryFolder();
  const batches = join(home, "batches.d");
  mkdirSync(batches);
  return {
    home,
    batches,
    data: join(home, "data"),
    /** Writes a batch as an editor does: by rename. */
    put(name: string, yaml: string | null, script: string | null) {
      mkdirSync(join(batches, name), { recursive: true });
      for (const [file, text] of [
        ["script.sh", script],
        ["batch.yaml", yaml],
      ] as const) {
        if (text === null) continue;
        writeFileSync(join(batches, name, `.${file}.swp`), text);
        renameSync(join(batches, name, `.${file}.swp`), join(batches, name, file));
      }
    },
    drop(name: string) {
      rmSync(join(batches, name), { recursive: true });
    },
  };
}

/** How else than plainly the agent is started: a command that execs it, variables of its own, another user. */
export interface StartedBy {
  before?: readonly string[];
  env?: Readonly<Record<string, string>>;
  uid?: number;
  /** Path of the main.js to run, where it is not the built one. */
  program?: string;
  /** false: without the folder of batches. */
  folder?: false;
  /** How long it may take to serve, for folders with much in them. */
  patienceMs?: number;
}

export async function startAgent(
  place: { home: string; batches: string; data: string },
  args: string[] = [],
  by: StartedBy = {},
): Promise<RunningAgent> {
  const [command = "", ...words] = [
    ...(by.before ?? []),
    process.execPath,
    by.program ?? main,
    "run",
    ...(by.folder === false ? [] : [place.batches]),
    "--data",
    place.data,
    "--port",
    "0",
    ...args,
  ];
  const child = spawn(command, words, {
    cwd: place.home,
    env: { ...process.env, ...by.env },
    stdio: ["ignore", "pipe", "pipe"],
    ...(by.uid === undefined ? {} : { uid: by.uid, gid: by.uid }),
  });
  started.push(child);
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const url = await eventually(
    () => /"url":"([^"]+)"/.exec(said)?.[1] ?? (child.exitCode === null ? null : "ended"),
    by.patienceMs,
  );
  if (url === "ended") throw new Error(`the agent ended:\n${said}`);
  const get = (path: string) => fetch(url + path);
  const json = async <T>(path: string) => (await get(path)).json() as Promise<T>;
  return {
    child,
    url,
    log: () => said,
    get,
    json,
    batch: (name) => json<BatchJson>(`/api/batches/${name}`),
    executions: async (query = "") => (await json<{ items: Execution[] }>(`/api/executions${query}`)).items,
    async exit(signal) {
      const ended = once(child, "exit");
      if (signal !== undefined) child.kill(signal);
      const [code, by] = (await ended) as [number | null, string | null];
      return { code, signal: by };
    },
  };
}

/** CPU seconds used and resident bytes of a process. */
export function usage(pid: number): { cpuSeconds: number; rssBytes: number } {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return { cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100, rssBytes: Number(fields[21]) * 4096 };
}

/** Whether a process is there and no zombie that nobody has reaped yet. */
export function isAlive(pid: number | string): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}

/** Kills a script's group and, before it, the shell that would record how it ended. */
export function killUnrecorded(pid: number): void {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  process.kill(Number(stat.slice(stat.lastIndexOf(")")).split(" ")[2]), "SIGKILL");
  process.kill(-pid, "SIGKILL");
}

/** The process that starts scripts for the agent `pid`; null while there is none. */
export function launcherOf(pid: number): number | null {
  const found = readdirSync("/proc").find((name) => {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      if (Number(stat.slice(stat.lastIndexOf(")")).split(" ")[2]) !== pid) return false;
      return readFileSync(`/proc/${name}/cmdline`, "latin1").includes("launcher-main");
    } catch {
      return false; // it has gone meanwhile, or is no process
    }
  });
  return found === undefined ? null : Number(found);
}
