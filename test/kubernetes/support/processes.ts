// Programs that a test starts and ends: their output goes to a file each, and none outlives the test.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

export interface Programs {
  start: (name: string, command: string, args: readonly string[], env?: Record<string, string>) => ChildProcess;
  kill: (name: string, signal?: NodeJS.Signals) => Promise<void>;
  /** Starts one again as it was started. */
  again: (name: string) => void;
  log: (name: string) => string;
  stopAll: () => Promise<void>;
}

/** `home`: where their output goes. */
export function createPrograms(home: string): Programs {
  const running = new Map<string, ChildProcess>();
  const known = new Map<string, () => ChildProcess>();
  async function kill(name: string, signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = running.get(name);
    running.delete(name);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }
  return {
    start(name, command, args, env = {}) {
      const start = () => {
        const log = openSync(join(home, `${name}.log`), "a");
        const child = spawn(command, args, { stdio: ["ignore", log, log], env: { ...process.env, ...env } });
        running.set(name, child);
        return child;
      };
      known.set(name, start);
      return start();
    },
    again: (name) => void known.get(name)?.(),
    kill,
    log: (name) => readFileSync(join(home, `${name}.log`), "utf8").slice(-4_000),
    async stopAll() {
      for (const name of [...running.keys()].reverse()) await kill(name);
    },
  };
}

/** A port that is free and stays so: below those that the kernel gives to connections of other tests meanwhile. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((done) => {
      server.once("error", () => done(false));
      server.listen(port, "127.0.0.1", () => done(true));
    });
    if (!isFree) continue;
    await new Promise((done) => server.close(done));
    return port;
  }
}
