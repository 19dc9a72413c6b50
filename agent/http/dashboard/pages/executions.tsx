// Executions as a table, for a batch's history and for a run.
import { bytesText } from "../../../text/relative-time.ts";
import type { ExecutionView } from "../../../views.ts";
import { whyText } from "../words.ts";
import { Absolute, BatchLink, executionPath, Progress, Relative, Status, Took, Waiting } from "./parts.tsx";

const triggerWords: Readonly<Record<string, string>> = {
  cron: "schedule",
  after: "after another batch",
  onFailure: "another batch failed",
  retry: "retry",
  manual: "by hand",
  rerun: "rerun",
};

export function ExecutionTable({
  caption,
  executions,
  now,
  zoneOf,
  withBatch = false,
}: {
  caption: string;
  executions: readonly ExecutionView[];
  now: number;
  /** The zone of a batch, for the time there. */
  zoneOf: (batch: string) => string | null;
  withBatch?: boolean;
}) {
  return (
    <table class={withBatch ? "executions with-batch" : "executions"}>
      <caption>{caption}</caption>
      <thead>
        <tr>
          {withBatch && <th scope="col">Batch</th>}
          <th scope="col">Result</th>
          <th scope="col">When</th>
          <th scope="col" class="number">
            Took
          </th>
          <th scope="col" class="wide">
            Trigger
          </th>
          <th scope="col" class="wide">
            Revision
          </th>
          <th scope="col" class="wide number">
            Output
          </th>
        </tr>
      </thead>
      <tbody>
        {executions.map((execution) => (
          <tr>
            {withBatch && (
              <td>
                <BatchLink name={execution.batch} />
              </td>
            )}
            <td>
              <a class="line" data-row-link href={executionPath(execution.id)}>
                <Status of={execution} />{" "}
                {execution.attempt > 1 && <span class="badge">attempt {execution.attempt}</span>}
                {execution.late && <span class="badge odd">late</span>}
                <span class="why">
                  {execution.status === "queued" ? <Waiting execution={execution} now={now} /> : whyText(execution)}
                </span>
              </a>
              <Progress execution={execution} now={now} />
            </td>
            <td>
              <Relative at={execution.startedAt ?? execution.createdAt} now={now} zone={zoneOf(execution.batch)} />
              {withBatch && (
                <span class="about narrow">
                  <Took execution={execution} now={now} />
                </span>
              )}
              <span class="about wide">
                <Absolute at={execution.startedAt ?? execution.createdAt} zone={zoneOf(execution.batch)} />
              </span>
            </td>
            <td class="number">
              <Took execution={execution} now={now} />
            </td>
            <td class="wide">{triggerWords[execution.trigger.kind] ?? execution.trigger.kind}</td>
            <td class="wide mono">{execution.revision ?? ""}</td>
            <td class="wide number">{bytesText(execution.stdoutBytes + execution.stderrBytes)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
