// The page of one batch: settings, chain, problems, coming starts, durations over time, history.
import type { DurationChart } from "../drawing/duration-chart.ts";
import { spanText } from "../../../text/relative-time.ts";
import type { BatchView, ExecutionView } from "../../../views.ts";
import type { Edge } from "../../../definitions/chain-graph.ts";
import type { Streak } from "../failures.ts";
import { whyText } from "../words.ts";
import { Chain, ChainLegend, type ChainNode } from "./chain.tsx";
import { Commit } from "./commit.tsx";
import { Durations } from "./durations.tsx";
import { ExecutionTable } from "./executions.tsx";
import { Absolute, BatchLink, batchPath, Command, executionPath, Relative, ToneMark, When } from "./parts.tsx";
import { ProblemList, type ShownProblem } from "./problems.tsx";
import { Settings, SourceBox, type Inherited, type Source } from "./source.tsx";
import { Shell, type AgentState } from "./shell.tsx";

export interface BatchPage {
  agent: AgentState;
  batch: BatchView;
  problems: readonly ShownProblem[];
  chain: { nodes: readonly ChainNode[]; edges: readonly Edge[]; hidden: number };
  chart: DurationChart | null;
  /** The failures in a row that it stands in; null when it is well. */
  streak: Streak | null;
  /** Zone of its schedule; null without one. */
  timeZone: string | null;
  inherited: Inherited;
  /** null where it has no revision in force. */
  source: Source | null;
  /** The last line of the latest failure's stderr. */
  lastWord: string | null;
  history: { items: readonly ExecutionView[]; nextCursor: string | null; first: boolean };
}

export function batchPage(view: BatchPage) {
  const { agent, batch, problems, chain, chart, history } = view;
  const { now } = agent;
  return (
    <Shell title={batch.name} agent={agent} refresh={`batch:${batch.name}`}>
      <div id="batch" data-live>
        <div class="head">
          <p class="crumbs">
            <a href="/">Batches</a> / batch
          </p>
          <h1>{batch.name}</h1>
          <span class={`badge ${batch.state}`}>{batch.state}</span>
          {batch.definition?.tags.map((tag) => (
            <a class="tag" href={`/?tag=${encodeURIComponent(tag)}`}>
              {tag}
            </a>
          ))}
          {batch.definition?.description !== undefined && <p class="crumbs">{batch.definition.description}</p>}
        </div>
        {view.streak !== null && <Failing view={view} streak={view.streak} />}
        {problems.length > 0 && (
          <section class="box trouble" aria-labelledby="problems-title">
            <h2 id="problems-title">Problems</h2>
            {batch.definition !== null && batch.state !== "invalid" && (
              <p>The last valid version stays in force until they are mended.</p>
            )}
            <ProblemList problems={problems} />
          </section>
        )}
        <div class="columns">
          <section class="box" aria-labelledby="next-title">
            <h2 id="next-title">Next starts</h2>
            <Next batch={batch} zone={view.timeZone} now={now} />
            <h2 class="later">Figures</h2>
            <Figures batch={batch} now={now} />
          </section>
          <Settings batch={batch} inherited={view.inherited} />
        </div>
        {chain.nodes.length > 1 && (
          <section class="box" aria-labelledby="chain-title">
            <h2 id="chain-title">Chain</h2>
            <Chain label={`Chain of ${batch.name}`} nodes={chain.nodes} edges={chain.edges} />
            {chain.hidden > 0 && (
              <p class="dim">{chain.hidden} more batches hang together with these and are not drawn.</p>
            )}
            <ChainLegend edges={chain.edges} />
          </section>
        )}
        {view.source !== null && <SourceBox name={batch.name} source={view.source} />}
        {chart !== null && <Durations chart={chart} />}
        <section class="box" aria-label="History">
          {history.items.length === 0 ? (
            <p class="dim">
              {batch.state === "scheduled"
                ? "It has not run yet. Its first execution appears here by itself."
                : "It has not run."}
            </p>
          ) : (
            <ExecutionTable caption="History" executions={history.items} now={now} zoneOf={() => view.timeZone} />
          )}
          <nav class="pages" aria-label="Pages of the history">
            {!history.first && <a href={batchPath(batch.name)}>← newest</a>}
            {history.nextCursor !== null && (
              <a rel="next" href={`${batchPath(batch.name)}?cursor=${history.nextCursor}`}>
                older →
              </a>
            )}
          </nav>
        </section>
      </div>
    </Shell>
  );
}

/** Says at the top that it fails, since when, and leads to the latest failure. */
function Failing({ view, streak }: { view: BatchPage; streak: Streak }) {
  const { batch } = view;
  const { now } = view.agent;
  const latest = view.history.first ? view.history.items.find(({ status }) => status === "failed") : undefined;
  return (
    <section class="box answer failed" aria-label="Failing">
      <p class="what">
        <ToneMark tone="failed" word="Failing" /> since <Absolute at={streak.since} zone={view.timeZone} />{" "}
        <span class="dim">
          (<Relative at={streak.since} now={now} />)
        </span>
        {streak.count > 1 && `, ${streak.count} times in a row`}
      </p>
      {latest !== undefined && (
        <p>
          <a href={executionPath(latest.id)}>The latest failure</a>: {whyText(latest)}
          {view.lastWord !== null && <span class="last-word mono">{view.lastWord}</span>}
        </p>
      )}
      <p>
        {streak.lastSuccess === null ? (
          "It has not succeeded before, as far as the history goes."
        ) : (
          <>
            <a href={executionPath(streak.lastSuccess.id)}>The last success</a> was{" "}
            <Relative at={streak.lastSuccess.finishedAt ?? streak.lastSuccess.createdAt} now={now} />.
          </>
        )}
      </p>
      {latest !== undefined && (batch.state === "scheduled" || batch.state === "chained") && (
        <Command text={`batch-agent rerun ${latest.id}`} />
      )}
    </section>
  );
}

function Next({ batch, zone, now }: { batch: BatchView; zone: string | null; now: number }) {
  if (batch.blockedBy.length > 0) {
    return (
      <p>
        Blocked by{" "}
        {batch.blockedBy.slice(0, 10).map((name) => (
          <>
            <BatchLink name={name} />{" "}
          </>
        ))}
      </p>
    );
  }
  if (batch.next.length === 0)
    return (
      <p class="dim">
        {batch.state === "chained" ? "Whenever the batch before it in the chain has finished." : "None."}
      </p>
    );
  return (
    <ol class="next">
      {batch.next.map((at) => (
        <li>
          <When at={at} now={now} zone={zone} />
        </li>
      ))}
    </ol>
  );
}

function Figures({ batch, now }: { batch: BatchView; now: number }) {
  const { counts, medianMs, p95Ms } = batch.stats;
  return (
    <dl>
      <dt>Kept</dt>
      <dd>
        {Object.entries(counts)
          .filter(([, count]) => count > 0)
          .map(([status, count]) => `${count} ${status}`)
          .join(", ") || "nothing yet"}
      </dd>
      {medianMs !== null && (
        <>
          <dt>Takes</dt>
          <dd>
            {spanText(medianMs)} at the median{p95Ms !== null && `, ${spanText(p95Ms)} at the 95th percentile`}
          </dd>
        </>
      )}
      <dt>Revision</dt>
      <dd class="mono">{batch.revision ?? "none"}</dd>
      {batch.commit !== null && (
        <>
          <dt>Commit</dt>
          <dd>
            <Commit commit={batch.commit} info={batch.commitInfo} now={now} />
          </dd>
        </>
      )}
    </dl>
  );
}
