// A run over its time: a line for each execution with its waiting and its work, and the path that took longest.
import { spanText } from "../../../text/relative-time.ts";
import { ganttWidth, type Gantt, type GanttRow } from "../drawing/gantt.ts";
import { whyText } from "../words.ts";
import { BatchLink, executionPath } from "./parts.tsx";

const rowHeight = 20;

export function GanttBox({ gantt }: { gantt: Gantt }) {
  const { rows, totalMs, critical } = gantt;
  const hasWaits = rows.some(({ wait }) => wait !== null);
  return (
    <section class="box" aria-labelledby="gantt-title">
      <h2 id="gantt-title">Time</h2>
      <p>
        Total time {spanText(totalMs)}
        {critical.length > 1 && (
          <>
            ; critical path <b>{critical.join(" → ")}</b>
          </>
        )}
      </p>
      <table class="timeline gantt">
        <caption class="hidden">Waiting and work of each execution</caption>
        <thead>
          <tr>
            <th scope="col">Batch</th>
            <th scope="col">Time</th>
            {hasWaits && (
              <th scope="col" class="number">
                Waited
              </th>
            )}
            <th scope="col" class="number">
              Took
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr {...(row.isCritical ? { class: "critical" } : {})}>
              <th scope="row" title={row.execution.batch}>
                <BatchLink name={row.execution.batch} />
                {row.execution.attempt > 1 && <span class="badge">attempt {row.execution.attempt}</span>}
              </th>
              <td>
                <Bar row={row} />
              </td>
              {hasWaits && <td class="number">{row.wait === null ? "" : spanText(row.waitedMs)}</td>}
              <td class="number">{row.tookMs === null ? "did not run" : spanText(row.tookMs)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="legend">
        {hasWaits && (
          <span>
            <svg class="swatch" viewBox="0 0 10 10" aria-hidden="true">
              <rect class="waiting" width="10" height="10" rx="2" />
            </svg>
            waiting
          </span>
        )}
        <span>Outlined: on the critical path, which decides the total time.</span>
      </p>
    </section>
  );
}

function Bar({ row: { execution, tone, wait, bar, waitedMs, tookMs } }: { row: GanttRow }) {
  const why = whyText(execution);
  const words = [
    `${execution.batch} ${execution.status}${why === "" ? "" : `: ${why}`}`,
    ...(wait === null ? [] : [`waited ${spanText(waitedMs)}`]),
    ...(tookMs === null ? [] : [`took ${spanText(tookMs)}`]),
  ].join(", ");
  return (
    <svg viewBox={`0 0 ${ganttWidth} ${rowHeight}`} preserveAspectRatio="none" role="group" aria-label={words}>
      <a href={executionPath(execution.id)} aria-label={words}>
        <title>{words}</title>
        {wait !== null && <rect class="waiting" x={String(wait.x)} y="7" width={String(wait.width)} height="6" />}
        {bar !== null && <rect class={tone} x={String(bar.x)} y="2" width={String(bar.width)} height="16" />}
      </a>
    </svg>
  );
}
