// A bounded piece of a log with colours, and what leads to the rest of it. Scripts make it live (client/log.ts).
import type { LogStream } from "../../../logs/port.ts";
import type { LogSlice } from "../../views/log-window.ts";
import { isOpen } from "../../../model/execution.ts";
import { plainPen, readLine } from "../../../text/ansi.ts";
import { bytesText } from "../../../text/relative-time.ts";
import type { ExecutionView } from "../../../views.ts";
import { executionPath } from "./parts.tsx";

export function LogLines({ lines }: { lines: readonly string[] }) {
  let pen = plainPen;
  return (
    <div class="chunk">
      {lines.map((line) => {
        const read = readLine(line, pen);
        pen = read.pen;
        return (
          <div>
            {read.pieces.map(({ text, classes }) => (classes === "" ? text : <span class={classes}>{text}</span>))}
          </div>
        );
      })}
    </div>
  );
}

interface LogProps {
  execution: ExecutionView;
  stream: LogStream;
  slice: LogSlice;
  /** Whether the slice ends where the log does. */
  atEnd: boolean;
}

export function Log({ execution, stream, slice, atEnd }: LogProps) {
  const source = `/api/executions/${execution.id}/${stream}`;
  const growing = isOpen(execution) && atEnd;
  return (
    <section class="box" aria-labelledby="log-title">
      <div class="log-head">
        <h2 id="log-title">Log</h2>
        <nav class="tabs" aria-label="Streams" id="log-tabs" data-live>
          {(["stdout", "stderr"] as const).map((name) => (
            <a
              href={`${executionPath(execution.id)}?log=${name}`}
              {...(name === stream ? { "aria-current": "page" as const } : {})}
            >
              {name}{" "}
              <span class="dim">{bytesText(name === "stdout" ? execution.stdoutBytes : execution.stderrBytes)}</span>
            </a>
          ))}
        </nav>
        <div class="tools" id="log-tools" hidden>
          <label>
            <span class="hidden">Search in the lines shown</span>
            <input type="search" placeholder="search these lines" autocomplete="off" aria-describedby="log-found" />
          </label>
          <span id="log-found" role="status"></span>
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
        data-start={String(slice.start)}
        data-end={String(slice.end)}
        data-growing={String(growing)}
      >
        <a
          class="earlier"
          href={`${executionPath(execution.id)}?log=${stream}&before=${slice.start}#log`}
          hidden={slice.start === 0}
        >
          Load earlier lines ({bytesText(slice.start)} above)
        </a>
        <LogLines lines={slice.lines} />
        {slice.lines.length === 0 && !growing && <span class="none">Nothing was written to {stream}.</span>}
      </div>
      <p id="log-note" role="status">
        {!atEnd && (
          <>
            Bytes {slice.start} to {slice.end} of {slice.size}.{" "}
            <a href={`${executionPath(execution.id)}?log=${stream}#log`}>To the end of the log</a>
          </>
        )}
      </p>
    </section>
  );
}
