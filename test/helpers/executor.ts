// The executor on a real history in a temporary folder, with a clock and a runner that the test moves.
import { buildGraph, type Graph } from "../../agent/definitions/chain-graph.ts";
import { createExecutor } from "../../agent/executions/executor.ts";
import type { DeclaredPool } from "../../agent/executions/pools.ts";
import type { Batch } from "../../agent/model/batch.ts";
import type { Execution } from "../../agent/model/execution.ts";
import type { Revision } from "../../agent/model/ids.ts";
import { createIds } from "../../agent/platform/clock.ts";
import { fakeClock, fakeRunner } from "./fakes.ts";
import { openTestHistory } from "./history.ts";
import { batch, t0 } from "./make.ts";
import { quietLog } from "./quiet.ts";
import { eventually, temporaryFolder } from "./tmp.ts";

export const minute = 60_000;
export const iso = (at: number) => new Date(at).toISOString();

/** `data`: a folder that an earlier one left. */
export async function setUp(
  options: {
    maxParallel?: number;
    batches?: Batch[];
    before?: Execution[];
    logsCut?: () => boolean;
    data?: string;
    graph?: () => Graph;
    pool?: (group: string, name: string) => DeclaredPool | undefined;
  } = {},
) {
  const logsCut = options.logsCut ?? (() => false);
  const progress: { text: string | null } = { text: null };
  const sizes = { stdoutBytes: 1, stderrBytes: 2 };
  const clock = fakeClock(t0);
  const log = quietLog();
  const data = options.data ?? temporaryFolder();
  const history = await openTestHistory(data, { clock, log });
  const runner = fakeRunner(clock, () => ({
    sizes,
    cut: logsCut(),
    progress: progress.text === null ? null : { text: progress.text, changedAt: clock.now() },
  }));
  const known = new Map((options.batches ?? [batch()]).map((one) => [one.name, one]));
  if (options.data === undefined)
    await Promise.all(
      [...known.keys()].map((name) => history.amend(name, { schedule: { key: "k", coveredUntil: iso(t0) } })),
    );
  for (const row of options.before ?? []) await history.save(row);
  const executor = createExecutor({
    clock,
    newId: createIds(history.newestId()),
    recorder: history.recorder,
    reader: history.reader,
    runner,
    log,
    maxParallel: options.maxParallel ?? 4,
    definition: (name) =>
      ((one) => (one === undefined ? null : { batch: one, revision: "aaaaaaaaaaaa" as Revision, commit: null }))(
        known.get(name),
      ),
    pool: (group, name) => options.pool?.(group, name),
    graph: options.graph ?? (() => buildGraph([...known.values()], new Set(known.keys()))),
  });
  function due(
    at: number,
    one = batch(),
    missed: { from: number; to: number; count: number } | null = null,
    start: number | null = at,
  ): void {
    executor.due(one, { start, before: null, missed, coveredUntil: at, next: null });
  }
  const rows = (name = "report") => history.rows(name);
  const started = (count: number) => eventually(() => runner.orders.length >= count);
  const status = (index: number, want: string, name = "report") => eventually(() => rows(name)[index]?.status === want);
  return { clock, data, history, runner, executor, known, due, rows, started, status, progress, sizes };
}
