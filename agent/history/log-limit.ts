// Keeps the logs of all executions within a size: above it those of the oldest ended ones go, their records stay.
import type { Clock } from "../async/clock.ts";
import { periodic } from "../async/periodic.ts";
import { messageOf } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { BatchName, ExecutionId } from "../model/ids.ts";
import type { HistoryReader, Recorder } from "./port.ts";

const checkMs = 20_000;
/** Executions whose logs go together. */
const atOnce = 200;

export interface LogLimit {
  start: () => void;
  stop: () => Promise<void>;
}

export function createLogLimit(deps: {
  clock: Clock;
  log: Logger;
  recorder: Recorder;
  reader: Pick<HistoryReader, "find">;
  /** null for none. */
  maxBytes: number | null;
  /** Returns the length of what running executions have written by now. */
  runningBytes: () => Promise<number>;
  /** Returns whether something may still read what a run has put out, by the run's key. */
  isRunRead: (runKey: number) => boolean;
}): LogLimit {
  const { clock, log, recorder, reader, maxBytes } = deps;
  let stopped = false;
  const checks = periodic(
    clock,
    () => checkMs,
    check,
    (error) => log.error("cannot keep logs within --keep-logs", { error: messageOf(error) }),
  );

  async function check(): Promise<void> {
    const limit = maxBytes ?? Infinity;
    let excess = recorder.logBytes() + (await deps.runningBytes()) - limit;
    let gone = 0;
    while (excess > 0 && !stopped) {
      const chosen: { id: ExecutionId; bytes: number }[] = [];
      for (const { id, outputBytes, isNotifyDue, runKey } of recorder.oldestLogs()) {
        if (excess <= 0 || chosen.length === atOnce) break;
        if (isNotifyDue || deps.isRunRead(runKey)) continue;
        chosen.push({ id, bytes: outputBytes });
        excess -= outputBytes;
      }
      if (chosen.length === 0) break; // all the rest is still needed
      gone += await removeLogs(chosen.map(({ id }) => id));
    }
    if (gone > 0) log.info("logs deleted, to stay within --keep-logs", { executions: gone });
  }

  /** First on record, then on the disk: what a crash leaves in between goes with the orphans at the next start. */
  async function removeLogs(ids: readonly ExecutionId[]): Promise<number> {
    const marked: { batch: BatchName; id: ExecutionId }[] = [];
    for (const id of ids) {
      const read = recorder.current(id) ?? (await reader.find(id));
      // It may have gone, or be done again, meanwhile.
      const key = recorder.runKeyOf(id);
      if (read === undefined || key === undefined || deps.isRunRead(key)) continue;
      const execution = { ...(recorder.current(id) ?? read), logsDeleted: true as const };
      void recorder.commit([{ kind: "put", execution, silent: true }]);
      marked.push({ batch: execution.batch, id });
    }
    await recorder.durable();
    for (const { batch, id } of marked) await recorder.deleteLogs(batch, id);
    return marked.length;
  }

  return {
    start() {
      if (maxBytes !== null) checks.start();
    },
    stop() {
      stopped = true;
      return checks.stop();
    },
  };
}
