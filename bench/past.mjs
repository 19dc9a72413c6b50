// Data folders with a long past, written as the agent writes them.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ulid } from "ulid";
import { batchName } from "./world.mjs";

/**
 * `batches` histories with `each` executions, one a minute; the last is a minute old. @param {string} data @param
 * {number} batches @param {number} each
 */
export function writePast(data, batches, each) {
  const now = Date.now();
  const iso = (/** @type {number} */ at) => new Date(at).toISOString();
  for (let b = 0; b < batches; b++) {
    const name = batchName(b);
    const rows = Array.from({ length: each }, (_, i) => {
      const at = now - (each - i) * 60_000;
      const id = ulid(at);
      const failed = i % 20 === 0;
      const outcome = failed
        ? { status: "failed", reason: "exit", message: "exit code 3", exitCode: 3 }
        : { status: "succeeded", reason: null, message: null, exitCode: 0 };
      const trigger = { kind: "cron", dueAt: iso(at), by: null };
      const times = { createdAt: iso(at), startedAt: iso(at + 5), finishedAt: iso(at + 1_205), durationMs: 1_200 };
      const rest = {
        progress: null,
        estimatedEndAt: null,
        stdoutBytes: 120,
        stderrBytes: 0,
        unusual: null,
        boot: "6f2bf7e0-0a3c-4b6c-8d30-2f6f3ed7a001",
      };
      return JSON.stringify({
        id,
        run: id,
        batch: name,
        revision: "3f9ac01b2d4e",
        commit: null,
        trigger,
        attempt: 1,
        ...outcome,
        signal: null,
        pid: 4_711 + i,
        ...times,
        ...rest,
      });
    });
    const head = JSON.stringify({
      name,
      firstSeenAt: iso(now - 1e9),
      removedAt: null,
      revision: null,
      commit: null,
      schedule: null,
    }).slice(0, -1);
    mkdirSync(join(data, "batches", name), { recursive: true });
    writeFileSync(join(data, "batches", name, "history.json"), `${head},"executions":[\n${rows.join(",\n")}\n]}\n`);
  }
}
