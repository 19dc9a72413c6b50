// Passes on both logs of an execution from its folder, while they grow.
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { readFlags } from "../platform/files.ts";

export interface LogCopyDeps {
  stdout: (bytes: Uint8Array) => void;
  stderr: (bytes: Uint8Array) => void;
}

/**
 * Passes on what has been added to both logs since it was last called, and at most so many bytes of each; whether
 * there is more.
 */
export function createLogCopy(folder: string, deps: LogCopyDeps): (maxPieces: number) => boolean {
  const streams = [
    { name: "stdout.log", write: deps.stdout, at: 0 },
    { name: "stderr.log", write: deps.stderr, at: 0 },
  ];
  const buffer = new Uint8Array(64 * 1024);
  return (maxPieces) => {
    let more = false;
    for (const stream of streams) {
      let file: number;
      try {
        file = openSync(join(folder, stream.name), readFlags | constants.O_NOFOLLOW);
      } catch {
        continue; // not there yet
      }
      const info = fstatSync(file);
      // anything may lie there, and what comes meanwhile is for the next call: a script may be quicker than who reads
      // it
      const size = info.isFile() ? info.size : 0;
      const end = Math.min(size, stream.at + maxPieces);
      while (stream.at < end) {
        const count = readSync(file, buffer, 0, Math.min(buffer.length, end - stream.at), stream.at);
        if (count === 0) break;
        stream.at += count;
        stream.write(buffer.slice(0, count));
      }
      closeSync(file);
      if (stream.at < size) more = true;
    }
    return more;
  };
}
