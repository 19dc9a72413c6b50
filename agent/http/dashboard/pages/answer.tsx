// The first screen of an execution that failed or did not run: what, why, since when, its last words, and what to do.
import { bytesText } from "../../../text/relative-time.ts";
import type { ExecutionView } from "../../../views.ts";
import type { Changes } from "../../views/changes.ts";
import type { Outline } from "../../../history/port.ts";
import type { Streak } from "../failures.ts";
import { whyText } from "../words.ts";
import { PlainLines } from "./log.tsx";
import { Command, executionPath, Relative, Status, Took, Waiting, When } from "./parts.tsx";

export interface Answer {
  execution: ExecutionView;
  /** The failures in a row up to this one; null for what did not fail. */
  streak: Streak | null;
  /** The first success after it. */
  recovery: Outline | null;
  /** The last lines of stderr, or of stdout where there is none. */
  lastLines: readonly string[];
  lastLinesOf: "stdout" | "stderr";
  /** The last line in which something is written, without colours. */
  lastWord: string | null;
  changes: Changes | null;
  /** Why it cannot be rerun; null where it can. */
  notAgain: string | null;
}

export function AnswerBox({ answer, zone, now }: { answer: Answer; zone: string | null; now: number }) {
  const { execution, streak, recovery, lastLines, lastLinesOf, lastWord, changes, notAgain } = answer;
  const at = execution.finishedAt ?? execution.createdAt;
  return (
    <section class={`box answer ${execution.status}`} aria-label="What happened">
      <p class="what">
        <Status of={execution} /> <Relative at={at} now={now} zone={zone} />{" "}
        <span class="what-why">{whyText(execution)}</span>
      </p>
      {lastWord !== null && <p class="last-word mono">{lastWord}</p>}
      <Since streak={streak} recovery={recovery} zone={zone} now={now} />
      {lastLines.length > 0 && (
        <div
          class="log short"
          tabindex={0}
          role="group"
          aria-label={`Last lines of ${lastLinesOf} of ${execution.batch}`}
        >
          <PlainLines lines={lastLines} />
        </div>
      )}
      {changes !== null && <ChangeSummary changes={changes} />}
      {execution.reason?.startsWith("previous-") === true ? (
        <>
          <p class="dim">To go on from where the run failed, run this on the agent's machine:</p>
          <Command text={`batch-agent rerun ${execution.run}`} />
        </>
      ) : notAgain === null ? (
        <Command text={`batch-agent rerun ${execution.id}`} />
      ) : (
        <p class="dim">It cannot be rerun: {notAgain}.</p>
      )}
    </section>
  );
}

function Since({
  streak,
  recovery,
  zone,
  now,
}: Pick<Answer, "streak" | "recovery"> & { zone: string | null; now: number }) {
  return (
    <>
      {streak !== null && (
        <p>
          {streak.count === 1 ? (
            <>First failure</>
          ) : (
            <>
              <b>{streak.count} failures in a row</b>, the first <When at={streak.since} now={now} zone={zone} />
            </>
          )}
          {streak.lastSuccess === null ? (
            ". It has not succeeded before, as far as the history goes."
          ) : (
            <>
              {" "}
              after{" "}
              <a href={executionPath(streak.lastSuccess.id)}>
                the last success,{" "}
                <Relative at={streak.lastSuccess.finishedAt ?? streak.lastSuccess.createdAt} now={now} />
              </a>
              .
            </>
          )}
        </p>
      )}
      {recovery !== null && (
        <p>
          <a href={executionPath(recovery.id)}>
            <Status of={recovery} word="Succeeded again" />{" "}
            <Relative at={recovery.finishedAt ?? recovery.createdAt} now={now} />
          </a>
        </p>
      )}
    </>
  );
}

/** One line; the differences themselves stand further down. */
function ChangeSummary({ changes: { from, files } }: { changes: Changes }) {
  if (from === null) return null;
  if (files === null) return <p>What changed since the last success is no longer known.</p>;
  if (files.length === 0)
    return <p>Script and settings are the same as at the last success. Look at what it reads and where it runs.</p>;
  return (
    <p>
      <a href="#changes">
        {files.length === 1 ? "1 file has" : `${files.length} files have`} changed since the last success
      </a>
      :{" "}
      {files.slice(0, 4).map(({ path, diff }, index) => (
        <>
          {index > 0 && ", "}
          <span class="mono">{path}</span>
          {diff !== null && <span class="dim">{` ${countText(diff)}`}</span>}
        </>
      ))}
      {files.length > 4 && ` and ${files.length - 4} more`}
    </p>
  );
}

/** `+5 −1`, the lines of a unified diff. */
function countText(diff: string): string {
  const lines = diff.split("\n");
  const count = (mark: string) =>
    lines.filter((line) => line.startsWith(mark) && !line.startsWith(mark.repeat(3))).length;
  return `+${count("+")} −${count("-")}`;
}

/** Returns what is under way, and how to stop it. */
export function OpenBox({ execution, now }: { execution: ExecutionView; now: number }) {
  return (
    <section class="box answer" aria-label="Stop it">
      {execution.status === "queued" && (
        <p>
          <Waiting execution={execution} now={now} />
        </p>
      )}
      {execution.status === "running" && (
        <p>
          Running for{" "}
          <b>
            <Took execution={execution} now={now} />
          </b>
          , {bytesText(execution.stdoutBytes + execution.stderrBytes)} of output so far.
        </p>
      )}
      <p class="dim">{execution.status === "running" ? "To stop it:" : "To take it out of the queue:"}</p>
      <Command text={`batch-agent cancel ${execution.id}`} />
    </section>
  );
}
