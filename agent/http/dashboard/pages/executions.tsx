// Executions as a table, for a batch's history and for a run.
import { bytesText } from "../../../text/relative-time.ts";
import type { ExecutionView } from "../../../views.ts";
import { Absolute, BatchLink, executionPath, Progress, Relative, Status, Took } from "./parts.tsx";

export function ExecutionTable({
  caption,
  executions,
  now,
  withBatch = false,
}: {
  caption: string;
  executions: readonly ExecutionView[];
  now: number;
  withBatch?: boolean;
}) {
  return (
    <table>
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
              <a class="line" href={executionPath(execution.id)}>
                <Status of={execution} />{" "}
                {execution.attempt > 1 && <span class="badge">attempt {execution.attempt}</span>}
                {execution.status !== "succeeded" && <span class="why">{execution.message}</span>}
              </a>
              <Progress execution={execution} now={now} />
            </td>
            <td>
              <Relative at={execution.startedAt ?? execution.createdAt} now={now} />
              <span class="about wide">
                <Absolute at={execution.startedAt ?? execution.createdAt} />
              </span>
            </td>
            <td class="number">
              <Took execution={execution} now={now} />
            </td>
            <td class="wide">{execution.trigger.kind}</td>
            <td class="wide mono">{execution.revision ?? ""}</td>
            <td class="wide number">{bytesText(execution.stdoutBytes + execution.stderrBytes)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
