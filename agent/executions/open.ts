// Opens what starts executions and follows them: the schedule, the executor, lateness, and commands on this machine.
import type { Clock, NewId } from "../async/clock.ts";
import type { InForce } from "../definitions/in-force.ts";
import type { HistoryReader, Recorder } from "../history/port.ts";
import type { Logger } from "../logger.ts";
import type { Notifier } from "../notify/port.ts";
import type { EnsureFolder } from "../platform/folders.ts";
import type { Runner } from "../runners/port.ts";
import { createScheduler, followInForce, type Scheduler } from "../schedule/scheduler.ts";
import { createCommandBox } from "./command-box.ts";
import { createCommandLoop, type CommandLoop } from "./command-loop.ts";
import { createExecutor, type Executor, type ExecutorDeps } from "./executor.ts";
import { createLateness, type Lateness } from "./late-loop.ts";

export interface ExecutionsDeps {
  dataDir: string;
  ensure: EnsureFolder;
  maxParallel: number;
  clock: Clock;
  log: Logger;
  newId: NewId;
  recorder: Recorder;
  reader: HistoryReader;
  runner: Runner;
  inForce: InForce;
  notifier: Notifier;
  checkRevision: NonNullable<ExecutorDeps["checkRevision"]>;
}

export interface Executions {
  executor: Executor;
  scheduler: Scheduler;
  lateness: Lateness;
  commands: CommandLoop;
}

/** Nothing is started before the executor resumes and the loops are started. */
export async function openExecutions(deps: ExecutionsDeps): Promise<Executions> {
  const { dataDir, ensure, clock, log, recorder, reader, inForce, notifier } = deps;
  const batchOf = (name: string) => inForce.definition(name)?.batch ?? null;
  const executor = createExecutor({
    ...deps,
    definition: (name) => inForce.definition(name),
    invalidNames: () => inForce.names().filter((name) => inForce.batch(name)?.state === "invalid"),
    graph: () => inForce.graph(),
    pool: (group, name) => inForce.pool(group, name),
  });
  const scheduler = createScheduler({ clock, onDue: executor.due });
  const lateness = createLateness({
    ...{ clock, log, recorder, reader, notifier },
    graph: () => inForce.graph(),
    inForce: batchOf,
  });
  inForce.subscribe({ onConnected: executor.refresh });
  inForce.subscribe({ onApplied: lateness.applied });
  inForce.subscribe({ onApplied: followInForce(scheduler, (name) => recorder.head(name)?.schedule?.coveredUntil) });
  const box = createCommandBox(dataDir, clock.now, ensure);
  await box.open();
  const commands = createCommandLoop({ clock, log, box, executor, recorder, reader, batchOf });
  return { executor, scheduler, lateness, commands };
}
