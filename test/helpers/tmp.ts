// Temporary folders, gone after the test with whatever still runs in them, and waiting for a state of the world.
import { mkdtempSync, readdirSync, readlinkSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";

const made: string[] = [];

afterEach(async () => {
  for (const path of made.splice(0)) {
    endWhatRunsIn(path);
    await rm(path, { recursive: true, force: true, maxRetries: 3 });
  }
});

/**
 * Scripts outlive their agent; one that waits for a file that nobody will make any more would take its share of the
 * machine for ever.
 */
function endWhatRunsIn(folder: string): void {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      if (readlinkSync(`/proc/${pid}/cwd`).startsWith(`${folder}/`)) process.kill(Number(pid), "SIGKILL");
    } catch {
      // gone, or another user's
    }
  }
}

export function temporaryFolder(): string {
  const path = mkdtempSync(join(tmpdir(), "batch-agent-"));
  made.push(path);
  return path;
}

type Falsy = undefined | null | false | "" | 0;

/** Asks again and again until `look` gives something; fails with what it saw last. */
export async function eventually<T>(look: () => T | Falsy | Promise<T | Falsy>, ms = 15_000): Promise<T> {
  const until = performance.now() + ms;
  let last: unknown;
  for (;;) {
    try {
      const seen = await look();
      if (seen) return seen;
      last = seen;
    } catch (error) {
      last = error;
    }
    if (performance.now() > until)
      throw new Error(`not seen within ${ms} ms; last: ${last instanceof Error ? last.stack : JSON.stringify(last)}`);
    await new Promise((done) => setTimeout(done, 25));
  }
}
