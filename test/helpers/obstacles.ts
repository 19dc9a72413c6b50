// What somebody else may put in the place of a file or a folder that the agent uses.
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const isRoot = process.getuid?.() === 0;
/** To root no file is without rights. */
export const nobody = 65534;

export type Obstacle = [name: string, make: (path: string) => void];

export const obstacles: Record<string, Obstacle[1]> = {
  "a FIFO": (path) => void execFileSync("mkfifo", [path], { stdio: "pipe" }),
  "a device": (path) => {
    if (isRoot) execFileSync("mknod", ["-m", "666", path, "c", "1", "5"], { stdio: "pipe" });
    else symlinkSync("/dev/zero", path);
  },
  "a link to itself": (path) => symlinkSync(path, path),
  "a folder": (path) => {
    mkdirSync(path);
    writeFileSync(join(path, "inside"), "x");
  },
  "a gigabyte of holes": (path) => {
    writeFileSync(path, "");
    truncateSync(path, 1024 ** 3);
  },
  "a file without rights": (path) => {
    writeFileSync(path, "x");
    chmodSync(path, 0);
  },
};

/** Puts an obstacle in the place of whatever lies at `path`. */
export function put([, make]: Obstacle, path: string): void {
  // The agent makes some of them anew at once, and may write into a folder while it is deleted.
  for (let tries = 0; ; tries++) {
    try {
      rmSync(path, { recursive: true, force: true });
      return make(path);
    } catch (error) {
      if (tries > 50) throw error;
    }
  }
}

/** Gives all below a path to the user that the agent runs as. */
export function giveAway(path: string): void {
  if (!isRoot) return;
  try {
    execFileSync("chown", ["-hR", `${nobody}:${nobody}`, path], { stdio: "pipe" });
  } catch {
    // The agent may have moved it away already.
  }
}

/** Does work for all kinds at once, each with an agent of its own: most of it is waiting. Fails with all failures. */
export async function forEachKind(
  kinds: Readonly<Record<string, Obstacle[1]>>,
  work: (kind: Obstacle) => Promise<void>,
): Promise<void> {
  const entries = Object.entries(kinds);
  const results = await Promise.allSettled(entries.map(work));
  const failures = results.flatMap((result, index) =>
    result.status === "fulfilled" ? [] : [`${entries[index]?.[0]}: ${String((result.reason as Error).stack)}`],
  );
  if (failures.length > 0) throw new Error(failures.join("\n\n"));
}
