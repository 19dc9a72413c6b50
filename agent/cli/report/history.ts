// Table of executions for people, as wide as the terminal is. Pure.
import type { EpochMs } from "../../model/ids.ts";
import { sanitize } from "../../text/glyphs.ts";
import { absoluteText } from "../../text/relative-time.ts";
import { tableLines, type Cell } from "../../text/table.ts";
import type { ExecutionView } from "../../views.ts";
import { statusCell, tookText } from "./execution-cells.ts";

/** With the id of the run a line takes more than a usual terminal has. */
const widthForRuns = 130;
/** Where the terminal is narrower, a status is shortened as other texts are. */
const widthForStatus = 60;

/** One line an execution, ends in a line break. */
export function historyText(
  executions: readonly ExecutionView[],
  { width, colours }: { width: number; colours: boolean },
  now: EpochMs,
): string {
  if (executions.length === 0) return "no executions match\n";
  const hasRuns = width >= widthForRuns;
  const head = ["ID", ...(hasRuns ? ["RUN"] : []), "BATCH", "STATUS", "AT (UTC)", "TOOK", "STARTED BY", "DETAIL"];
  const rows = executions.map((execution): Cell[] => {
    const { id, run, batch, startedAt, createdAt } = execution;
    return [
      id,
      ...(hasRuns ? [run] : []),
      sanitize(batch),
      statusCell(execution),
      absoluteText(startedAt ?? createdAt).replace(" UTC", ""),
      tookText(execution, now),
      triggerText(execution),
      detailText(execution),
    ];
  });
  const table = [head.map((text): Cell => ({ text, colour: "dim" })), ...rows];
  const at = hasRuns ? 4 : 3;
  const names = [at - 2];
  const whole = [0, ...(hasRuns ? [1] : []), ...(width >= widthForStatus ? [at - 1] : []), at, at + 1];
  return tableLines(table, { colours, width, whole, names, leaveOut: [at + 3, at + 2, at + 1, at] })
    .map((line) => `${line}\n`)
    .join("");
}

function triggerText({ trigger: { kind, actor } }: ExecutionView): string {
  return actor === null ? kind : `${kind}, ${sanitize(actor)}`;
}

/** What a status does not say by itself. */
function detailText({ status, reason, message, waitingFor, progress, trigger }: ExecutionView): string {
  const text =
    status === "queued"
      ? waitingFor === null
        ? null
        : `waits for ${waitingFor}`
      : status === "running"
        ? (progress?.message ?? null)
        : reason === "exit"
          ? null
          : message;
  const note = trigger.note === null ? [] : [trigger.note];
  return sanitize([...(text === null ? [] : [text]), ...note].join("; "));
}
