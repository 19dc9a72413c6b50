// Files of one execution's folder. Its script may have put anything in the place of each of them: a pipe, a device, a
// folder, a link in a circle. None of that blocks or throws here; what cannot be read is not there and counts as 0.
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  writeSync,
} from "node:fs";
import { constants as osConstants } from "node:os";
import { join } from "node:path";
import { maxTimesBytes } from "../../logs/port.ts";
import type { FinishedBy } from "../../model/execution.ts";
import type { EpochMs } from "../../model/ids.ts";
import { isPassing } from "../../platform/files.ts";

const { O_RDONLY, O_WRONLY, O_CREAT, O_APPEND, O_TRUNC, O_NONBLOCK, O_NOFOLLOW } = constants;
/** Everything that is read here is shorter. */
const maxBytes = 1024;

const stopReasons: readonly FinishedBy[] = ["timeout", "log-limit", "replaced", "shutdown", "cancelled"];
/** Returns where a number has two names, the first: SIGABRT, not SIGIOT. */
const signalNames = new Map(
  Object.entries(osConstants.signals)
    .reverse()
    .map(([name, number]) => [number, name]),
);

export type ScriptEnd = { kind: "exit"; exitCode: number } | { kind: "signal"; signal: string };
export interface Sizes {
  stdoutBytes: number;
  stderrBytes: number;
}

/** Returns how the script ended and when that was written; null while the line is not whole. */
export function readExit(folder: string): { end: ScriptEnd; at: EpochMs } | null {
  return withPlainFile(join(folder, "exit"), O_RDONLY, (file) => {
    // Wherever the shell could not tidy up, words of its own stand before the line.
    const match = /(?:^|\n)(signal )?(\d{1,3})\n$/.exec(textOf(file, 0));
    if (match === null) return null;
    const number = Number(match[2]);
    const end: ScriptEnd =
      match[1] === undefined
        ? { kind: "exit", exitCode: number }
        : { kind: "signal", signal: signalNames.get(number) ?? `signal ${number}` };
    return { end, at: Math.round(fstatSync(file).mtimeMs) };
  });
}

/** Returns the script's process id; null while it is not written. */
export function readPid(folder: string): number | null {
  return withPlainFile(join(folder, "pid"), O_RDONLY, (file) => {
    const match = /^([1-9]\d{0,9})\n$/.exec(textOf(file, 0));
    return match === null ? null : Number(match[1]);
  });
}

/** Returns why an agent was ending the execution; null where none was. */
export function readStopReason(folder: string): FinishedBy | null {
  return withPlainFile(join(folder, "stop-reason"), O_RDONLY, (file) => {
    const word = textOf(file, 0).trim();
    return stopReasons.find((reason) => reason === word) ?? null;
  });
}

/**
 * Unsynced: it is to outlive the agent, and nothing that is ended outlives the machine. A full disk keeps nothing
 * from being ended.
 */
export function recordStopReason(folder: string, reason: FinishedBy): void {
  withPlainFile(join(folder, "stop-reason"), O_WRONLY | O_CREAT | O_TRUNC, (file) => {
    writeSync(file, `${reason}\n`);
    return null;
  });
}

/** Makes the logs of an execution that could not be started: what follows may read them. */
export function makeLogs(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch {
    return; // what follows finds no logs, and says so
  }
  for (const name of ["stdout.log", "stderr.log"])
    withPlainFile(join(folder, name), O_WRONLY | O_CREAT | O_APPEND, () => null);
}

/** Returns the sizes of both logs. */
export function measure(folder: string): Sizes {
  return { stdoutBytes: sizeOf(join(folder, "stdout.log")), stderrBytes: sizeOf(join(folder, "stderr.log")) };
}

/** Number of bytes before a log's end that are remembered. */
const tailBytes = 64;

/** Returns the bytes of a log just before `end`; empty where they cannot be read. */
export function readTail(folder: string, stream: "stdout" | "stderr", end: number): string {
  const length = Math.min(end, tailBytes);
  const tail = withPlainFile(join(folder, `${stream}.log`), O_RDONLY, (file) => {
    const buffer = Buffer.alloc(length);
    return buffer.toString("latin1", 0, readSync(file, buffer, 0, length, end - length));
  });
  return tail ?? "";
}

/**
 * Cuts each log that is larger than `limit` bytes while it is written: what is written next comes after the cut.
 * `sizes`: as measured. Returns what they are then, and whether one was too large.
 */
export function cutLogs(folder: string, sizes: Sizes, limit: number): { sizes: Sizes; cut: boolean } {
  const left = { ...sizes };
  let cut = false;
  for (const stream of ["stdout", "stderr"] as const) {
    const key = `${stream}Bytes` as const;
    if (sizes[key] <= limit) continue;
    cut = true;
    if (cutLog(folder, stream, limit)) left[key] = limit;
  }
  return { sizes: left, cut };
}

/** Returns false where that failed. */
function cutLog(folder: string, stream: "stdout" | "stderr", limit: number): boolean {
  return (
    withPlainFile(join(folder, `${stream}.log`), O_WRONLY, (file) => {
      ftruncateSync(file, limit);
      return true;
    }) ?? false
  );
}

/** Adds a line to `times`: at this time the logs had these sizes. */
export function appendTime(folder: string, at: EpochMs, { stdoutBytes, stderrBytes }: Sizes): void {
  withPlainFile(join(folder, "times"), O_WRONLY | O_CREAT | O_APPEND, (file) => {
    if (fstatSync(file).size < maxTimesBytes)
      writeSync(file, `${new Date(at).toISOString()} ${stdoutBytes} ${stderrBytes}\n`);
    return null;
  });
}

/** Returns the sizes of the last line of `times`; zeros where there is none. */
export function readLastTime(folder: string): Sizes {
  const sizes = withPlainFile(join(folder, "times"), O_RDONLY, (file) => {
    const lines = textOf(file, Math.max(0, fstatSync(file).size - maxBytes)).split("\n");
    const match = /^\S+ (\d{1,15}) (\d{1,15})$/.exec(lines.at(-2) ?? ""); // the last one that is whole
    return match === null ? null : { stdoutBytes: Number(match[1]), stderrBytes: Number(match[2]) };
  });
  return sizes ?? { stdoutBytes: 0, stderrBytes: 0 };
}

function sizeOf(path: string): number {
  try {
    const info = lstatSync(path, { throwIfNoEntry: false });
    return info?.isFile() === true ? info.size : 0;
  } catch {
    return 0;
  }
}

function textOf(file: number, from: number): string {
  const buffer = Buffer.alloc(maxBytes);
  return buffer.toString("latin1", 0, readSync(file, buffer, 0, maxBytes, from));
}

/** Opens without waiting and without following a link, and only what is a plain file; null on any error. */
function withPlainFile<T>(path: string, flags: number, work: (file: number) => T | null): T | null {
  try {
    const file = openSync(path, flags | O_NONBLOCK | O_NOFOLLOW, 0o600);
    try {
      return fstatSync(file).isFile() ? work(file) : null;
    } finally {
      closeSync(file);
    }
  } catch (error) {
    isPassing(error); // counted: whoever decides something by what is not there asks for the counts
    return null;
  }
}
