// A bounded piece of a log with colours, and what leads to the rest of it. Scripts make it live (client/log.ts).
import type { LogStream } from "../../../logs/port.ts";
import type { NumberedSlice } from "../../views/log-window.ts";
import { isOpen } from "../../../model/execution.ts";
import { plainPen, readLine } from "../../../text/ansi.ts";
import { bytesText } from "../../../text/relative-time.ts";
import type { ExecutionView } from "../../../views.ts";
import { logViews } from "../log-views.ts";
import { executionPath } from "./parts.tsx";

/**
 * `firstLine`: the number of the first of them; without it they have none. `marked`: index of the one that tells of
 * an error.
 */
export function LogLines({
  lines,
  firstLine,
  marked,
}: {
  lines: readonly string[];
  firstLine?: number;
  marked?: number | null;
}) {
  let pen = plainPen;
  return (
    <div class="chunk">
      {lines.map((line, index) => {
        const read = readLine(line, pen);
        pen = read.pen;
        const pieces = read.pieces.map(({ text, classes }) =>
          classes === "" ? text : <span class={classes}>{text}</span>,
        );
        if (firstLine === undefined) return <div>{pieces}</div>;
        const number = String(firstLine + index);
        return (
          <div id={`L${number}`} {...(index === marked ? { class: "error-line" } : {})}>
            <a class="n" href={`#L${number}`} data-n={number} aria-label={`Line ${number}`} tabindex={-1}></a>
            {pieces}
          </div>
        );
      })}
    </div>
  );
}

interface LogProps {
  execution: ExecutionView;
  stream: LogStream;
  slice: NumberedSlice;
  /** True when the slice ends where the log does. */
  atEnd: boolean;
  errorLine: number | null;
  canSearch: boolean;
}

export function Log({ execution, stream, slice, atEnd, errorLine, canSearch }: LogProps) {
  const source = `/api/executions/${execution.id}/${stream}`;
  const page = `${executionPath(execution.id)}?log=${stream}`;
  const growing = isOpen(execution) && atEnd;
  return (
    <section class="box" aria-labelledby="log-title">
      <div class="log-head">
        <h2 id="log-title">Log</h2>
        <nav class="tabs" aria-label="Streams" id="log-tabs" data-live>
          {logViews.map((name) => (
            <a
              href={`${executionPath(execution.id)}?log=${name}`}
              {...(name === stream ? { "aria-current": "page" as const } : {})}
            >
              {name}{" "}
              <span class="dim">{bytesText(name === "stdout" ? execution.stdoutBytes : execution.stderrBytes)}</span>
            </a>
          ))}
        </nav>
        <div class="tools needs-scripts" id="log-tools">
          <label>
            <span class="hidden">Search the log</span>
            <input
              type="search"
              placeholder={canSearch ? "search the log" : "search these lines"}
              autocomplete="off"
              aria-describedby="log-found"
            />
          </label>
          <button type="button" data-step="-1" aria-label="Previous match">
            ↑
          </button>
          <button type="button" data-step="1" aria-label="Next match">
            ↓
          </button>
          <span id="log-found" role="status"></span>
          <button type="button" data-wrap aria-pressed="true">
            Wrap
          </button>
          {growing && (
            <button type="button" data-follow aria-pressed="false">
              Follow
            </button>
          )}
        </div>
        <span>
          <a href={source}>plain text</a> · <a href={`/api/executions/${execution.id}/logs`}>download</a>
        </span>
      </div>
      <div
        id="log"
        class="log"
        tabindex={0}
        role="log"
        aria-live="off"
        aria-label={`${stream} of ${execution.batch}`}
        data-source={source}
        data-page={page}
        data-start={String(slice.start)}
        data-end={String(slice.end)}
        data-first={String(slice.firstLine)}
        data-growing={String(growing)}
        {...(canSearch ? { "data-search": `/api/executions/${execution.id}/search`, "data-stream": stream } : {})}
      >
        <a class="earlier" href={`${page}&before=${slice.start}#log`} hidden={slice.start === 0}>
          Load earlier lines ({bytesText(slice.start)} above)
        </a>
        <LogLines lines={slice.lines} firstLine={slice.firstLine} marked={errorLine} />
        {slice.lines.length === 0 && !growing && <span class="none">Nothing was written to {stream}.</span>}
      </div>
      <p id="log-note" role="status">
        {!atEnd && (
          <>
            Bytes {slice.start} to {slice.end} of {slice.size}. <a href={`${page}#log`}>To the end of the log</a>
          </>
        )}
      </p>
    </section>
  );
}
