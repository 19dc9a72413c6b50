// The page at /: all batches, the latest executions, the problems. Rendered on the server; text never becomes markup.
import type { Problem } from "../../core/model.ts";
import type { batchView, ExecutionView } from "../../core/views.ts";

type BatchView = ReturnType<typeof batchView>;

export interface Overview {
  version: string;
  now: number;
  batches: readonly BatchView[];
  executions: readonly ExecutionView[];
  problems: readonly Problem[];
  /** How many more there are than are shown. */
  hidden: { batches: number; problems: number };
}

const refreshSeconds = 5;

/** A whole HTML document. */
export function overviewPage({ version, now, batches, executions, problems, hidden }: Overview) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta http-equiv="refresh" content={String(refreshSeconds)} />
        <title>batch-agent</title>
        <link rel="stylesheet" href="/style.css" />
      </head>
      <body>
        <h1>
          batch-agent <span class="dim">{version}</span>
        </h1>
        {problems.length > 0 && <Problems problems={problems} hidden={hidden.problems} />}
        <h2>Batches</h2>
        <div class="scroll">
          <table>
            <tr>
              <th>name</th>
              <th>state</th>
              <th>last execution</th>
              <th>next start</th>
              <th>problems</th>
              <th>description</th>
            </tr>
            {batches.map((batch) => (
              <BatchRow batch={batch} now={now} />
            ))}
          </table>
        </div>
        <Hidden count={hidden.batches} />
        <h2>Latest executions</h2>
        <div class="scroll">
          <table>
            <tr>
              <th>batch</th>
              <th>status</th>
              <th>due</th>
              <th>took</th>
              <th>logs</th>
              <th>message</th>
            </tr>
            {executions.map((execution) => (
              <ExecutionRow execution={execution} now={now} />
            ))}
          </table>
        </div>
      </body>
    </html>
  );
}

function BatchRow({ batch, now }: { batch: BatchView; now: number }) {
  const last = batch.lastExecution;
  return (
    <tr>
      <td>
        <a href={`/api/batches/${encodeURIComponent(batch.name)}`}>{batch.name}</a>
      </td>
      <td class={batch.state}>{batch.state}</td>
      <td>{last === null ? <span class="dim">never</span> : <Ending execution={last} now={now} />}</td>
      <td>{batch.next[0] === undefined ? <span class="dim">none</span> : <Moment at={batch.next[0]} now={now} />}</td>
      <td class={batch.problems.length > 0 ? "failed" : "dim"}>{batch.problems.length}</td>
      <td class="wide dim">{batch.definition?.description ?? ""}</td>
    </tr>
  );
}

function ExecutionRow({ execution, now }: { execution: ExecutionView; now: number }) {
  const path = `/api/executions/${execution.id}`;
  return (
    <tr>
      <td>
        <a href={path}>{execution.batch}</a>
      </td>
      <td class={execution.status}>{execution.status}</td>
      <td>
        <Moment at={execution.trigger.dueAt} now={now} />
      </td>
      <td>{execution.durationMs === null ? "" : span(execution.durationMs)}</td>
      <td>
        <a href={`${path}/stdout`}>stdout</a> <a href={`${path}/stderr`}>stderr</a>
      </td>
      <td class="wide dim">{execution.message ?? ""}</td>
    </tr>
  );
}

function Problems({ problems, hidden }: { problems: readonly Problem[]; hidden: number }) {
  return (
    <section>
      <h2>Problems</h2>
      {problems.map((problem) => (
        <p>
          <span class="failed">{problem.code}</span>{" "}
          <code>{[problem.file, problem.line, problem.column].filter((part) => part !== null).join(":")}</code> {problem.message}
          {problem.hint !== null && <span class="dim"> — {problem.hint}</span>}
        </p>
      ))}
      <Hidden count={hidden} />
    </section>
  );
}

function Hidden({ count }: { count: number }) {
  return count > 0 ? <p class="dim">and {count} more</p> : null;
}

function Ending({ execution, now }: { execution: Pick<ExecutionView, "status" | "createdAt" | "finishedAt">; now: number }) {
  return (
    <>
      <span class={execution.status}>{execution.status}</span> <Moment at={execution.finishedAt ?? execution.createdAt} now={now} />
    </>
  );
}

function Moment({ at, now }: { at: string; now: number }) {
  const ms = Date.parse(at) - now;
  return (
    <time datetime={at} title={at}>
      {ms >= 0 ? `in ${span(ms)}` : `${span(-ms)} ago`}
    </time>
  );
}

function span(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}
