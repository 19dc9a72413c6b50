// Temporary folders, gone after the test, and waiting for a state of the world.
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";

const made: string[] = [];

afterEach(async () => {
  for (const path of made.splice(0)) {
    await rm(path, { recursive: true, force: true, maxRetries: 3 });
  }
});

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
    if (performance.now() > until) throw new Error(`not seen within ${ms} ms; last: ${last instanceof Error ? last.stack : JSON.stringify(last)}`);
    await new Promise((done) => setTimeout(done, 25));
  }
}
