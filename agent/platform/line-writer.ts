// Writes lines to a descriptor that may fail or take nothing for as long as it likes: a full disk, a pipe whose
// reader is gone, slow or stopped, a terminal that someone has stopped with Ctrl-S. Never throws, never waits, keeps
// a bounded number of bytes.
import { messageOf } from "../errors.ts";
import { constants, fstatSync, openSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { errorCode } from "./files.ts";

export interface LineWriter {
  write: (line: string) => void;
  /** Resolves when all is written, or after `ms`. */
  flush: (ms: number) => Promise<void>;
}

/** Maximum number of bytes that wait for a reader; what comes beyond is lost, and counted. */
const maxWaitingBytes = 1024 * 1024;
const retryMs = 100;
const again = ["EAGAIN", "EWOULDBLOCK"];

/** @param onLost called once lines are taken again after some were lost: how many, and why */
export function openLineWriter(fd: number, onLost: (lost: number, why: string) => void): LineWriter {
  const target = openTarget(fd);
  const waiting: Buffer[] = [];
  let waitingBytes = 0;
  let timer: NodeJS.Timeout | null = null;
  let lost = 0;
  let why = "";
  /** True when the last line was cut off: the next one begins a line of its own all the same. */
  let cut = false;
  /** True when the last line was taken whole. */
  let taken = false;

  function lose(reason: string): void {
    lost += 1;
    why = reason;
  }

  function write(line: string): void {
    const bytes = Buffer.from(line);
    if (waitingBytes + bytes.length > maxWaitingBytes) return lose("whoever reads the log takes nothing");
    waiting.push(bytes);
    waitingBytes += bytes.length;
    drain();
  }

  /** Writes what is taken without waiting. */
  function drain(): void {
    for (let bytes = waiting.shift(); bytes !== undefined; bytes = waiting.shift()) {
      waitingBytes -= bytes.length;
      const left = put(cut ? Buffer.concat([Buffer.from("\n"), bytes]) : bytes);
      if (left === null) continue;
      waiting.unshift(left);
      waitingBytes += left.length;
      timer ??= setTimeout(() => {
        timer = null;
        drain();
      }, retryMs);
      timer.unref();
      return;
    }
    // Told only once a line has been taken, or the word about it would be lost for ever in turn.
    if (lost === 0 || !taken) return;
    const [count, reason] = [lost, why];
    lost = 0;
    onLost(count, reason);
  }

  /** Returns what of a line is still to be written; null when it is done with, also as it is lost. */
  function put(bytes: Buffer): Buffer | null {
    let at = 0;
    try {
      while (at < bytes.length) {
        const written = target.write(bytes, at);
        if (written === 0) break;
        at += written;
      }
      cut = false;
      taken = at === bytes.length;
      return taken ? null : bytes.subarray(at);
    } catch (error) {
      if (again.includes(errorCode(error))) {
        if (at > 0) cut = false;
        return bytes.subarray(at);
      }
      if (at > 0) cut = true;
      taken = false;
      lose(messageOf(error));
      return null;
    }
  }

  async function flush(ms: number): Promise<void> {
    const until = performance.now() + ms;
    while (waiting.length > 0 && performance.now() < until) {
      await new Promise((done) => setTimeout(done, 10));
      drain();
    }
  }

  return { write, flush };
}

interface Target {
  /** How many bytes it took, 0 when it takes none now. Throws the system's error. */
  write: (bytes: Buffer, at: number) => number;
}

/**
 * A terminal or a pipe is opened anew, so that it can be told not to wait without telling so to everybody who shares
 * the descriptor. What cannot be, as a socket of systemd's journal, is written by libuv, which waits in the background.
 */
function openTarget(fd: number): Target {
  const info = fstatSync(fd);
  if (info.isFIFO() || info.isCharacterDevice()) {
    try {
      const own = openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
      return { write: (bytes, at) => writeSync(own, bytes, at) };
    } catch {
      // Another user's, or a system without /proc.
    }
  }
  return info.isFIFO() || info.isSocket() ? viaSocket(fd) : { write: (bytes, at) => writeSync(fd, bytes, at) };
}

function viaSocket(fd: number): Target {
  const socket = new Socket({ fd, readable: false, writable: true });
  socket.unref();
  let failure: Error | null = null;
  socket.on("error", (error) => (failure = error));
  return {
    write(bytes, at) {
      if (failure !== null) throw failure;
      if (socket.writableLength > maxWaitingBytes) return 0;
      socket.write(bytes.subarray(at));
      return bytes.length - at;
    },
  };
}
