// The other composition root: one batch, or one chain, here and now on a data folder that is thrown away.
import { sleep } from "../async/sleep.ts";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { emptyGraph } from "../definitions/chain-graph.ts";
import { loadAll } from "../definitions/load-all.ts";
import { ConfigError } from "../errors.ts";
import { createExecutor } from "../executions/executor.ts";
import { openHistory } from "../history/open.ts";
import type { Logger } from "../logger.ts";
import type { Batch } from "../model/batch.ts";
import { runState, type Execution } from "../model/execution.ts";
import type { Revision, ExecutionId, BatchName } from "../model/ids.ts";
import { createIds, systemClock } from "../platform/clock.ts";
import { baseEnvironment } from "../runners/environment.ts";
import { createRunner } from "../runners/local/runner.ts";
import type { ArchiveLimits } from "../sources/archive/inventory.ts";
import { createUnpacker } from "../sources/archive/unpack.ts";
import { missingBatch } from "./names.ts";
import { createSource } from "../sources/folder.ts";
import { createRevisionGuard } from "../sources/revision-guard.ts";
import { createRevisions } from "../sources/revisions.ts";

export interface ForegroundRun {
  executions: () => readonly Execution[];
  /** Absolute path of an execution's folder. */
  folder: (execution: Execution) => string;
  /** Resolves when the run is over, or stopped. */
  ended: Promise<void>;
  stop: () => Promise<void>;
  /** Deletes all it made. */
  clean: () => Promise<void>;
}

const pollMs = 20;
const quiet: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/**
 * Runs one batch of the folder `dir` at once, and with `chain` what follows it, on a data folder that is thrown away.
 * Without `chain` there is one attempt only. Throws ConfigError when there is no such batch or it has problems.
 */
export async function runInForeground(
  name: string,
  dir: string,
  options: { chain: boolean; params: Readonly<Record<string, string>> },
  deps: { env: Readonly<Record<string, string | undefined>>; timeZone: string; archives: ArchiveLimits },
): Promise<ForegroundRun> {
  const clock = systemClock;
  const dataDir = await mkdtemp(join(tmpdir(), "batch-agent-exec-"));
  const unpack = createUnpacker(join(dataDir, "revisions"), deps.archives);
  const revisions = createRevisions(dataDir, dir, createSource, unpack);
  const clean = async () => {
    await revisions.collect(() => new Set()); // read-only folders hold on to their files
    await rm(dataDir, { recursive: true, force: true });
  };
  try {
    const history = await openHistory(dataDir, { clock, log: quiet });
    const source = createSource(dir, { unpack });
    const scope = { timeZone: deps.timeZone, now: clock.now() };
    const loaded = await loadAll(source, options.chain ? scope : { ...scope, only: [name] });
    const entries = new Map(loaded.entries.map((entry) => [entry.name, entry]));
    const root = entries.get(name);
    if (root === undefined) throw missingBatch(name, dir, await source.list());
    if (root.definition === null)
      throw new ConfigError(`${name} has problems: ${root.problems[0]?.message ?? ""}`, `batch-agent validate ${dir}`);
    const graph = options.chain ? loaded.graph : emptyGraph;
    const definitions = new Map<string, { batch: Batch; revision: Revision; commit: null }>();
    for (const { folder, definition: batch } of entries.values()) {
      if (folder === null || batch === null || graph.problems.has(batch.name)) continue;
      if (!(await revisions.store(folder))) continue;
      const asked = batch.name === name ? { ...batch, enabled: true } : batch;
      definitions.set(batch.name, {
        batch: options.chain ? asked : { ...asked, retry: null, onFailure: null },
        revision: folder.digest,
        commit: null,
      });
    }
    const folderOf = (batch: BatchName, id: ExecutionId) => join(dataDir, "batches", batch, "executions", id);
    const baseEnv = baseEnvironment(deps.env);
    const runner = createRunner(dataDir, { clock, log: quiet, baseEnv, logLimitBytes: Infinity });
    const executor = createExecutor({
      clock,
      newId: createIds(null),
      recorder: history.recorder,
      reader: history.reader,
      runner,
      log: quiet,
      maxParallel: 4,
      definition: (of) => definitions.get(of) ?? null,
      graph: () => graph,
      pool: () => undefined, // each batch's as it was read
      checkRevision: createRevisionGuard({
        revisions,
        reload: (of) => Promise.resolve(entries.get(of)?.folder ?? null),
        log: quiet,
      }).check,
    });
    const answer = await executor.manual(name, options);
    if ("error" in answer) throw new ConfigError(answer.error);
    const run = (await history.reader.find(answer.id))?.run ?? "";
    let executions = await history.reader.run(run);
    let stopped = false;
    const over = async () => {
      while (!stopped && runState((executions = await history.reader.run(run))) === "running")
        await sleep(clock, pollMs);
    };
    return {
      executions: () => executions,
      folder: ({ batch, id }) => folderOf(batch, id),
      ended: over(),
      async stop() {
        await executor.stop(0);
        await runner.close();
        stopped = true; // what is still queued starts no more
        executions = await history.reader.run(run);
      },
      async clean() {
        await runner.close();
        await history.close();
        await clean();
      },
    };
  } catch (error) {
    await clean();
    throw error;
  }
}
