// A real history with what tests ask of it: rows as last decided, in one go, and commits of single rows.
import type { Clock } from "../../agent/async/clock.ts";
import type { Head } from "../../agent/history/document.ts";
import { openHistory } from "../../agent/history/open.ts";
import type { Logger } from "../../agent/logger.ts";
import type { Execution } from "../../agent/model/execution.ts";
import type { BatchName, ExecutionId } from "../../agent/model/ids.ts";
import { systemClock } from "../../agent/platform/clock.ts";
import { recordedRows } from "./ledger.ts";
import { quietLog } from "./quiet.ts";

export async function openTestHistory(data: string, deps: { clock: Clock; log: Logger }) {
  const history = await openHistory(data, deps);
  const { recorder } = history;
  return {
    ...history,
    save: (...rows: Execution[]) => recorder.commit(rows.map((execution) => ({ kind: "put", execution }))),
    amend: (name: string, fields: Partial<Omit<Head, "name">>) =>
      recorder.commit([{ kind: "head", batch: name as BatchName, fields }]),
    drop: (name: string, ids: readonly ExecutionId[]) =>
      recorder.commit([{ kind: "delete", batch: name as BatchName, ids }]),
    /** As last decided, oldest first: whole while memory holds them, else what the index knows. */
    rows(name = "report"): Execution[] {
      const past = [...recorder.recent(name)].reverse();
      return past.map((outline) => recorder.current(outline.id) ?? (outline as unknown as Execution));
    },
  };
}

/** Changes rows of a data folder that no agent uses right now. */
export async function editRecord(data: string, edit: (row: Execution) => Execution): Promise<void> {
  const history = await openTestHistory(data, { clock: systemClock, log: quietLog() });
  await history.save(...recordedRows(data).map(edit));
  await history.close();
}
