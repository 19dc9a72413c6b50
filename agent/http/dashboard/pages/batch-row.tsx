// A line of the list of batches: its name, schedule, last result and next start.
import type { Listed } from "../batch-list.ts";
import type { Execution } from "../../../model/execution.ts";
import type { Mark } from "../drawing/sparkline.ts";
import type { ExecutionView } from "../../../views.ts";
import { scheduleWords } from "../schedule-words.ts";
import { whyText } from "../words.ts";
import { zoneOf } from "../zones.ts";
import { BatchLink, Clock, executionPath, Relative, Status, Sparkline, ToneMark, Took, Waiting } from "./parts.tsx";

export interface ListRow extends Listed {
  /** Its latest executions, oldest first. */
  recent: readonly Mark[];
  /** How its latest finished one ended. */
  result: Execution | null;
  next: string | null;
  live: ExecutionView | null;
}

export function Row({ row, now }: { row: ListRow; now: number }) {
  const { status, recent, result, next, live } = row;
  const file = status.batch?.file;
  const description = file?.description;
  return (
    <tr id={`b-${status.name}`}>
      <th scope="row" {...(description === undefined ? {} : { title: description })}>
        <BatchLink name={status.name} />
        {status.state !== "scheduled" && status.state !== "chained" && (
          <span class={`badge ${status.state}`}>{status.state}</span>
        )}
        {status.problems.length > 0 && status.state !== "invalid" && (
          <span class="badge invalid">last edit has problems</span>
        )}
        {status.batch !== null && status.batch.group !== "" && (
          <a class="tag group" href={`/?group=${encodeURIComponent(status.batch.group)}`}>
            {`${status.batch.group}/`}
          </a>
        )}
        {file?.tags.slice(0, 3).map((tag) => (
          <a class="tag" href={`/?tag=${encodeURIComponent(tag)}`}>
            {tag}
          </a>
        ))}
        {description !== undefined && <span class="about">{description.slice(0, 120)}</span>}
      </th>
      <td class="schedule wide">
        <ScheduleText row={row} />
      </td>
      <td>
        {live !== null && (
          <a class="line" data-row-link href={executionPath(live.id)}>
            <Status of={live} /> {live.status === "running" && <Took execution={live} now={now} />}{" "}
            <SmallProgress execution={live} />
            {live.status === "queued" && (
              <span class="why">
                <Waiting execution={live} now={now} />
              </span>
            )}
            {live.late && <span class="badge odd">late</span>}
          </a>
        )}
        {result !== null && (
          <a class="line" {...(live === null ? { "data-row-link": true } : {})} href={executionPath(result.id)}>
            <Status of={result} />{" "}
            <Relative at={result.finishedAt ?? result.createdAt} now={now} zone={zoneOf(status.batch)} />
            {result.late === true && <span class="badge odd">late</span>}
            {result.status === "succeeded" && result.durationMs !== null && (
              <span class="dim">
                , took <Took execution={result} now={now} />
              </span>
            )}
            {result.status !== "succeeded" && (
              <span class="why" title={whyText(result)}>
                {whyText(result)}
              </span>
            )}
          </a>
        )}
        {live === null && result === null && <ToneMark tone="none" word="never ran" />}
      </td>
      <td class="wide strip-cell">
        <Sparkline executions={recent} now={now} />
      </td>
      <td>
        <NextStart row={row} next={next} now={now} />
      </td>
    </tr>
  );
}

/** Its own schedule, or what it follows. */
function ScheduleText({ row }: { row: ListRow }) {
  const { batch, state } = row.status;
  if (batch === null) return null;
  if (batch.schedule !== null) {
    const words = scheduleWords(batch.schedule);
    const zone = batch.schedule.timeZone;
    const written = batch.schedule.patterns.map(({ text }) => text).join(", ");
    return (
      <span title={`${words} (${written}, ${zone})`}>
        {words}
        {/\d:\d\d/.test(words) && (
          <span class="dim" data-unless-zone={zone}>
            {` ${zone}`}
          </span>
        )}
      </span>
    );
  }
  const after = batch.after.slice(0, maxNames).join(", ");
  const more = batch.after.length - maxNames;
  if (batch.after.length > 0)
    return (
      <span class="dim" title={`after ${batch.after.join(", ")}`}>
        {`after ${after}${more > 0 ? ` and ${more} more` : ""}`}
      </span>
    );
  return state === "chained" ? <span class="dim">when another batch fails</span> : null;
}

const maxNames = 3;

function SmallProgress({ execution }: { execution: ExecutionView }) {
  if (execution.progress === null) return null;
  const { percent, message } = execution.progress;
  return (
    <span class="dim" title={message ?? ""}>
      <progress max="100" value={String(percent)} aria-label={`progress of ${execution.batch}`} />
      {` ${Math.round(percent)} %`}
    </span>
  );
}

function NextStart({ row, next, now }: { row: ListRow; next: string | null; now: number }) {
  const { blockedBy } = row.status;
  if (blockedBy.length > 0)
    return (
      <span class="dim" title={blockedBy.join(", ")}>
        blocked by {blockedBy.slice(0, maxNames).join(", ")}
        {blockedBy.length > maxNames && ` and ${blockedBy.length - maxNames} more`}
      </span>
    );
  if (next === null) return <span class="dim">–</span>;
  return (
    <>
      <Relative at={next} now={now} zone={zoneOf(row.status.batch)} />{" "}
      <span class="dim wide">
        <Clock at={next} now={now} zone={zoneOf(row.status.batch)} />
      </span>
    </>
  );
}
