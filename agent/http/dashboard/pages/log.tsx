// A bounded piece of an execution's output with colours, and what leads to the rest of it. Scripts make it live
// (client/log.ts).
import type { LogLine, LogWindow } from "../../views/log-reader.ts";
import { isOpen } from "../../../model/execution.ts";
import { plainPen, readLine, type Pen, type Piece } from "../../../text/ansi.ts";
import { absoluteText, bytesText } from "../../../text/relative-time.ts";
import type { ExecutionView } from "../../../views.ts";
import { logViews, type LogView } from "../log-views.ts";
import { executionPath } from "./parts.tsx";

/** Lines with their colours, without numbers. */
export function PlainLines({ lines }: { lines: readonly string[] }) {
  let pen = plainPen;
  return (
    <div class="chunk">
      {lines.map((line) => {
        const read = readLine(line, pen);
        pen = read.pen;
        return (
          <div>
            <Pieces pieces={read.pieces} />
          </div>
        );
      })}
    </div>
  );
}

function Pieces({ pieces }: { pieces: readonly Piece[] }) {
  return <>{pieces.map(({ text, classes }) => (classes === "" ? text : <span class={classes}>{text}</span>))}</>;
}

/** `marked`: the number of the line that tells of an error. Where the time changes, it stands in `data-at`. */
function NumberedLines({
  lines,
  firstLine,
  marked,
  hasTimes,
}: {
  lines: readonly LogLine[];
  firstLine: number;
  marked: number | null;
  hasTimes: boolean;
}) {
  const pens: Record<LogLine["stream"], Pen> = { stdout: plainPen, stderr: plainPen };
  let at = "";
  return (
    <div class="chunk">
      {lines.map((line, index) => {
        const { pieces, pen } = readLine(line.text, pens[line.stream]);
        pens[line.stream] = pen;
        const number = firstLine + index;
        const isNew = line.at !== at;
        at = line.at;
        const classes = [line.stream === "stderr" ? "err" : "", number === marked ? "error-line" : ""].join(" ").trim();
        return (
          <div
            id={`L${number}`}
            {...(classes === "" ? {} : { class: classes })}
            {...(isNew ? { "data-at": line.at } : {})}
          >
            <a class="n" href={`#L${number}`} data-n={String(number)} aria-label={`Line ${number}`} tabindex={-1}></a>
            {hasTimes && (
              <time class="at" datetime={line.at} title={absoluteText(line.at)}>{`${line.at.slice(11, 21)} `}</time>
            )}
            <Pieces pieces={pieces} />
          </div>
        );
      })}
    </div>
  );
}

export interface LogProps {
  execution: ExecutionView & { logsDeleted?: boolean };
  view: LogView;
  window: LogWindow;
  /** Number of the line that tells of the error. */
  marked: number | null;
  hasTimes: boolean;
}

const viewWords: Readonly<Record<LogView, string>> = { merged: "All", stdout: "stdout", stderr: "stderr" };

export function Log(props: LogProps) {
  const { execution, view, window } = props;
  const page = executionPath(execution.id);
  const ofView = `${page}?log=${view}`;
  const isGrowing = isOpen(execution) && window.end >= window.size;
  if (execution.logsDeleted === true) return <Deleted />;
  const source = `/api/executions/${execution.id}/${view === "merged" ? "log" : view}`;
  return (
    <section class="box" aria-labelledby="log-title" id="log-box">
      <div class="log-head">
        <h2 id="log-title">Log</h2>
        <Tabs execution={execution} view={view} />
        <Tools {...props} isGrowing={isGrowing} />
      </div>
      <div
        id="log"
        class="log"
        tabindex={0}
        role="log"
        aria-live="off"
        aria-label={`${view === "merged" ? "Output" : view} of ${execution.batch}`}
        data-page={page}
        data-view={view}
        data-start={String(window.start)}
        data-end={String(window.end)}
        data-size={String(window.size)}
        data-first={String(window.firstLine)}
        data-next={`${window.next.stdout}-${window.next.stderr}`}
        data-growing={String(isGrowing)}
      >
        <a class="more earlier" href={`${ofView}&before=${window.start}#log`} hidden={window.start === 0}>
          Load earlier lines
        </a>
        <NumberedLines
          lines={window.lines}
          firstLine={window.firstLine}
          marked={props.marked}
          hasTimes={props.hasTimes}
        />
        {window.lines.length === 0 && !isGrowing && <span class="none">{nothingText(props)}</span>}
        <a class="more later" href={`${ofView}&after=${window.end}#log`} hidden={window.end >= window.size}>
          Load later lines
        </a>
      </div>
      <div class="log-foot">
        <span id="log-note" role="status"></span>
        {execution.outputTruncated && <span>Its output got shorter while it ran: something overwrote it.</span>}
        {view === "merged" && execution.stderrBytes > 0 && (
          <span>
            <span class="err-mark" aria-hidden="true"></span> written to stderr
          </span>
        )}
        <span class="links">
          <a href={`${ofView}&line=1#L1`}>First line</a> · <a href={`${ofView}#log`}>Last line</a> ·{" "}
          <a href={source}>Plain text</a> · <a href={`/api/executions/${execution.id}/logs`}>Download</a>
        </span>
      </div>
    </section>
  );
}

function nothingText({ execution, view, window }: LogProps): string {
  if (window.size > 0) return "There is no whole line here.";
  if (view !== "merged") return `Nothing was written to ${view}.`;
  return execution.startedAt === null ? "It did not start, so it wrote nothing." : "It wrote nothing.";
}

function Tabs({ execution, view }: Pick<LogProps, "execution" | "view">) {
  const { stdoutBytes, stderrBytes } = execution;
  const bytes = { merged: stdoutBytes + stderrBytes, stdout: stdoutBytes, stderr: stderrBytes };
  return (
    <nav class="tabs" aria-label="Streams" id="log-tabs" data-live>
      {logViews.map((name) => (
        <a
          href={`${executionPath(execution.id)}?log=${name}`}
          {...(name === view ? { "aria-current": "page" as const } : {})}
        >
          {viewWords[name]} <span class="dim">{bytesText(bytes[name])}</span>
        </a>
      ))}
    </nav>
  );
}

function Tools({ execution, view, window, hasTimes, isGrowing }: LogProps & { isGrowing: boolean }) {
  return (
    <div class="tools" id="log-tools">
      <label class="needs-scripts">
        <span class="hidden">Search the log</span>
        <input type="search" placeholder="Search the log" autocomplete="off" aria-describedby="log-found" />
      </label>
      <button type="button" class="needs-scripts" data-step="-1" aria-label="Previous match">
        ↑
      </button>
      <button type="button" class="needs-scripts" data-step="1" aria-label="Next match">
        ↓
      </button>
      <span id="log-found" role="status"></span>
      <form method="get" action={`${executionPath(execution.id)}#log`}>
        <input type="hidden" name="log" value={view} />
        {window.end < window.size && <input type="hidden" name="line" value={String(window.firstLine)} />}
        <button
          data-times
          {...(hasTimes ? {} : { name: "times", value: "1" })}
          aria-pressed={hasTimes ? "true" : "false"}
        >
          Times
        </button>
      </form>
      <button type="button" class="needs-scripts" data-wrap aria-pressed="true">
        Wrap
      </button>
      {isGrowing && (
        <button type="button" class="needs-scripts" data-follow aria-pressed="false">
          Follow
        </button>
      )}
    </div>
  );
}

function Deleted() {
  return (
    <section class="box" aria-labelledby="log-title" id="log-box">
      <h2 id="log-title">Log</h2>
      <p>
        The logs of this execution were deleted: all logs together had grown beyond <code>--keep-logs</code>, and the
        oldest go first. Its record stays.
      </p>
    </section>
  );
}
