// The page of one execution. Its first screen answers: how it stands, and of a failure why, since when and what
// changed.
import { bytesText } from "../../../text/relative-time.ts";
import type { ExecutionView } from "../../../views.ts";
import type { Changes } from "../../views/changes.ts";
import { Chain, ChainLegend } from "./chain.tsx";
import { AnswerBox, OpenBox, type Answer } from "./answer.tsx";
import { ChangesBox } from "./changes.tsx";
import { Commit } from "./commit.tsx";
import { Log, type LogProps } from "./log.tsx";
import { Absolute, BatchLink, executionPath, Progress, runPath, shortId, Status, Took, When } from "./parts.tsx";
import type { RunPicture } from "./run.tsx";
import { Shell, type AgentState } from "./shell.tsx";

export interface ExecutionPage {
  agent: AgentState;
  execution: ExecutionView;
  log: Omit<LogProps, "execution">;
  picture: RunPicture;
  /** Every attempt of its batch in this run, in order. */
  attempts: readonly Pick<ExecutionView, "id" | "attempt" | "status" | "unusual">[];
  /** The execution that caused this one. */
  cause: Pick<ExecutionView, "id" | "batch" | "status" | "unusual"> | null;
  neighbours: { earlier: string | null; later: string | null };
  /** Only of a failed one. */
  changes: Changes | null;
  /** Zone of its batch's schedule; null without one. */
  timeZone: string | null;
  /** Only of what failed or was aborted. */
  answer: Answer | null;
}

export function executionPage(view: ExecutionPage) {
  const { agent, execution, picture } = view;
  const open = execution.status === "running" || execution.status === "queued";
  const log = execution.logsDeleted ? (
    <section class="box" aria-labelledby="log-title">
      <h2 id="log-title">Log</h2>
      <p class="dim">Its logs are no longer kept: all logs together were longer than --keep-logs allows.</p>
    </section>
  ) : (
    <Log execution={execution} {...view.log} />
  );
  return (
    <Shell
      title={`${execution.batch} ${execution.status}`}
      agent={agent}
      refresh={`run:${execution.run}`}
      scripts={["log"]}
      {...(open ? { reloadSeconds: 10 } : {})}
    >
      <div class="head">
        <p class="crumbs">
          <a href="/">Batches</a> / <BatchLink name={execution.batch} /> / execution
        </p>
        <h1>
          {execution.batch} <span class="dim mono">{shortId(execution.id)}</span>
        </h1>
        <span id="standing" data-live>
          <Status of={execution} />
        </span>
        <nav class="beside" aria-label="Executions of this batch">
          {view.neighbours.earlier !== null && <a href={executionPath(view.neighbours.earlier)}>← earlier</a>}{" "}
          {view.neighbours.later !== null && <a href={executionPath(view.neighbours.later)}>later →</a>}
        </nav>
      </div>
      <div class="columns">
        <div id="answer" data-live>
          {view.answer !== null && <AnswerBox answer={view.answer} zone={view.timeZone} now={agent.now} />}
          {open && (
            <>
              <Progress execution={execution} now={agent.now} />
              <OpenBox execution={execution} now={agent.now} />
            </>
          )}
          {view.answer === null && !open && <FactsBox view={view} now={agent.now} />}
        </div>
        <section class="box" aria-labelledby="run-title" id="run-box" data-live>
          <h2 id="run-title">
            Run: <a href={runPath(execution.run)}>{picture.state}</a>
          </h2>
          <Chain
            label="The run of this execution"
            nodes={picture.nodes.map((node) => ({ ...node, here: node.name === execution.batch }))}
            edges={picture.edges}
          />
          <ChainLegend edges={picture.edges} />
        </section>
      </div>
      {open && log}
      <div id="more" data-live>
        {(view.answer !== null || open) && (
          <div class="columns">
            {view.changes !== null && <ChangesBox changes={view.changes} />}
            <FactsBox view={view} now={agent.now} />
          </div>
        )}
      </div>
      {!open && log}
    </Shell>
  );
}

function FactsBox({ view, now }: { view: ExecutionPage; now: number }) {
  return (
    <section class="box" id="facts" aria-label="Facts">
      <Facts view={view} now={now} />
    </section>
  );
}

function Facts({ view: { execution, attempts, cause, timeZone }, now }: { view: ExecutionPage; now: number }) {
  const { startedAt, finishedAt, trigger } = execution;
  return (
    <>
      <dl>
        {execution.message !== null && (
          <>
            <dt>{execution.reason === null ? "Note" : "Reason"}</dt>
            <dd class={execution.status === "failed" ? "reason failed" : "reason"}>{execution.message}</dd>
          </>
        )}
        {execution.unusual !== null && (
          <>
            <dt>Unusual</dt>
            <dd>{unusualSentence[execution.unusual]}</dd>
          </>
        )}
        {execution.late && (
          <>
            <dt>Late</dt>
            <dd>Its batch had not succeeded within its lateAfter of the due time.</dd>
          </>
        )}
        <dt>Triggered</dt>
        <dd>
          <Trigger kind={trigger.kind} cause={cause} />
          {trigger.actor !== null && `, ${trigger.actor}`}
          {trigger.note !== null && `: ${trigger.note}`}
        </dd>
        <dt>Due</dt>
        <dd>
          <When at={trigger.dueAt} now={now} zone={timeZone} />
        </dd>
        {startedAt !== null && (
          <>
            <dt>Started</dt>
            <dd>
              <When at={startedAt} now={now} zone={timeZone} />
            </dd>
          </>
        )}
        {finishedAt !== null && (
          <>
            <dt>Finished</dt>
            <dd>
              <When at={finishedAt} now={now} zone={timeZone} />
            </dd>
          </>
        )}
        {startedAt !== null && (
          <>
            <dt>Took</dt>
            <dd>
              <Took execution={execution} now={now} />
            </dd>
          </>
        )}
        {execution.missed !== undefined && (
          <>
            <dt>Missed</dt>
            <dd>
              {execution.missed.count} due {execution.missed.count === 1 ? "time" : "times"}, from{" "}
              <Absolute at={execution.missed.from} zone={timeZone} /> to{" "}
              <Absolute at={execution.missed.to} zone={timeZone} />
            </dd>
          </>
        )}
        {attempts.length > 1 && (
          <>
            <dt>Attempts</dt>
            <dd>
              {attempts.map((attempt) => (
                <a
                  class="attempt"
                  href={executionPath(attempt.id)}
                  {...(attempt.id === execution.id ? { "aria-current": "page" as const } : {})}
                >
                  {attempt.attempt}: <Status of={attempt} />
                </a>
              ))}
            </dd>
          </>
        )}
        {Object.keys(execution.params).length > 0 && (
          <>
            <dt>Parameters</dt>
            <dd class="mono">
              {Object.entries(execution.params)
                .map(([name, value]) => `${name}=${value}`)
                .join(" ")}
            </dd>
          </>
        )}
        {execution.place !== null && (
          <>
            <dt>Place</dt>
            <dd class="mono">
              {execution.place.node} / {execution.place.pod}
            </dd>
          </>
        )}
        <dt>Revision</dt>
        <dd class="mono">{execution.revision ?? "none"}</dd>
        {execution.commit !== null && (
          <>
            <dt>Commit</dt>
            <dd>
              <Commit commit={execution.commit} info={execution.commitInfo} now={now} />
            </dd>
          </>
        )}
        <dt>Output</dt>
        <dd>
          {bytesText(execution.stdoutBytes)} stdout, {bytesText(execution.stderrBytes)} stderr
        </dd>
        <dt>Process</dt>
        <dd>
          {execution.pid === null ? "none" : `pid ${execution.pid}`}
          {execution.exitCode !== null && `, exit code ${execution.exitCode}`}
          {execution.signal !== null && `, ${execution.signal}`}
        </dd>
        <dt>Id</dt>
        <dd class="mono">
          <a href={`/api/executions/${execution.id}`}>{execution.id}</a>
        </dd>
      </dl>
    </>
  );
}

const unusualSentence = {
  "too-fast": "It was far quicker than its recent successes. Did it do its work?",
  "too-slow": "It took far longer than its recent successes.",
  "too-quiet": "It wrote far less than its recent successes. Did it do its work?",
};

function Trigger({ kind, cause }: { kind: ExecutionView["trigger"]["kind"]; cause: ExecutionPage["cause"] }) {
  const link =
    cause === null ? null : (
      <a href={executionPath(cause.id)}>
        {cause.batch} <Status of={cause} />
      </a>
    );
  switch (kind) {
    case "cron":
      return <>by its schedule</>;
    case "manual":
      return <>by hand</>;
    case "after":
      return <>after {link ?? "a previous batch"}</>;
    case "onFailure":
      return <>by the failure of {link ?? "another batch"}</>;
    case "retry":
      return <>as another attempt after {link ?? "a failed one"}</>;
    case "rerun":
      return <>as a rerun of {link ?? "an earlier one"}</>;
    default:
      return kind satisfies never;
  }
}
