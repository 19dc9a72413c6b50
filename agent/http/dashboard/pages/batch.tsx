// The page of one batch: settings, chain, problems, coming starts, durations over time, history.
import { plotSize, type Plot } from "../drawing/duration-chart.ts";
import { absoluteText, spanText } from "../../../text/relative-time.ts";
import type { BatchView, ExecutionView } from "../../../views.ts";
import type { Edge } from "../../../definitions/chain-graph.ts";
import type { Streak } from "../failures.ts";
import { whyText } from "../words.ts";
import { Chain, ChainLegend, type ChainNode } from "./chain.tsx";
import { ExecutionTable } from "./executions.tsx";
import { Absolute, BatchLink, batchPath, executionPath, Relative, ToneMark } from "./parts.tsx";
import { ProblemList, type ShownProblem } from "./problems.tsx";
import { Shell, type AgentState } from "./shell.tsx";

export interface BatchPage {
  agent: AgentState;
  batch: BatchView;
  problems: readonly ShownProblem[];
  chain: { nodes: readonly ChainNode[]; edges: readonly Edge[]; hidden: number };
  plot: Plot | null;
  /** The failures in a row that it stands in; null when it is well. */
  streak: Streak | null;
  /** Zone of its schedule; null without one. */
  timeZone: string | null;
  /** The group that each inherited setting comes from. */
  inherited: Readonly<Record<string, string>>;
  /** Its script as it is in force, shortened; null where it cannot be shown. */
  script: { text: string; isCut: boolean } | null;
  /** The last line of the latest failure's stderr. */
  lastWord: string | null;
  history: { items: readonly ExecutionView[]; nextCursor: string | null; first: boolean };
}

export function batchPage(view: BatchPage) {
  const { agent, batch, problems, chain, plot, history } = view;
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
            <Figures batch={batch} />
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
        {view.script !== null && <Script script={view.script} />}
        {plot !== null && <Durations plot={plot} />}
        <section class="box" aria-label="History">
          {history.items.length === 0 ? (
            <p class="dim">
              {batch.state === "scheduled"
                ? "It has not run yet. Its first execution appears here by itself."
                : "It has not run."}
            </p>
          ) : (
            <ExecutionTable caption="History" executions={history.items} now={now} />
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
  const { now } = view.agent;
  const latest = view.history.first ? view.history.items.find(({ status }) => status === "failed") : undefined;
  return (
    <section class="box answer failed" aria-label="Failing">
      <p class="what">
        <ToneMark tone="failed" word="Failing" /> since <Relative at={streak.since} now={now} /> (
        <Absolute at={streak.since} />){streak.count > 1 && `, ${streak.count} times in a row`}
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
          <Relative at={at} now={now} />{" "}
          <span class="dim">
            <Absolute at={at} zone={zone} />
          </span>
        </li>
      ))}
    </ol>
  );
}

function Figures({ batch }: { batch: BatchView }) {
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
          <dd class="mono">{batch.commit}</dd>
        </>
      )}
    </dl>
  );
}

function Settings({ batch, inherited }: { batch: BatchView; inherited: BatchPage["inherited"] }) {
  return (
    <section class="box" aria-labelledby="settings-title">
      <h2 id="settings-title">Settings</h2>
      {batch.definition === null ? (
        <p class="dim">
          {batch.state === "removed"
            ? "Its folder is gone. Its history stays for a while."
            : "There is no valid version of it yet."}
        </p>
      ) : (
        <dl class="settings">
          {Object.entries(batch.definition)
            .filter(([key, value]) => key !== "description" && key !== "tags" && !isEmpty(value))
            .map(([key, value]) => (
              <>
                <dt class="mono">{key}</dt>
                <dd class="mono">
                  {textOf(value)}
                  <Origins name={key} inherited={inherited} />
                </dd>
              </>
            ))}
        </dl>
      )}
    </section>
  );
}

/** From which groups a setting comes, and which of its keys, where it is merged of several. */
function Origins({ name, inherited }: { name: string; inherited: BatchPage["inherited"] }) {
  const origins = Object.entries(inherited).filter(([key]) => key === name || key.startsWith(`${name}.`));
  if (origins.length === 0) return null;
  const words = origins.map(([key, group]) => {
    const part = key === name ? "" : `${key.slice(name.length + 1)} `;
    return `${part}from ${group === "" ? "the top" : group}/_group.yaml`.replace("the top/", "the top's ");
  });
  return <span class="dim"> ({words.join(", ")})</span>;
}

function Script({ script: { text, isCut } }: { script: NonNullable<BatchPage["script"]> }) {
  const lines = text.replace(/\n$/, "").split("\n");
  return (
    <section class="box" aria-labelledby="script-title">
      <details id="script">
        <summary>
          <h2 id="script-title">script.sh</h2>
        </summary>
        <pre class="source" tabindex={0} role="group" aria-label="script.sh">
          {lines.map((line, index) => (
            <>
              <span class="line-number">{index + 1}</span>
              <span class={/^\s*#/.test(line) ? "dim" : ""}>{line}</span>
              {"\n"}
            </>
          ))}
        </pre>
        {isCut && <p class="dim">It goes on; only its beginning is shown.</p>}
      </details>
    </section>
  );
}

function isEmpty(value: unknown): boolean {
  return value === undefined || (typeof value === "object" && value !== null && Object.keys(value).length === 0);
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(textOf).join(", ");
  if (typeof value === "object" && value !== null)
    return Object.entries(value)
      .map(([key, each]) => `${key}: ${textOf(each)}`)
      .join(", ");
  return String(value);
}

function Durations({ plot }: { plot: Plot }) {
  const { width, height, left, right, bottom } = plotSize;
  return (
    <section class="box" aria-labelledby="plot-title">
      <h2 id="plot-title">Durations</h2>
      <div
        class="scroll"
        tabindex={0}
        role="group"
        aria-label={`Durations of ${plot.dots.length} executions over time`}
      >
        <svg class="plot" viewBox={`0 0 ${width} ${height}`}>
          {plot.levels.map(({ y, ms }) => (
            <>
              <path class="grid" d={`M${left} ${y}H${width - right}`} />
              <text class="level" x={String(left - 6)} y={String(y + 4)}>
                {spanText(ms).replace(".0", "")}
              </text>
            </>
          ))}
          {plot.median !== null && <path class="median" d={`M${left} ${plot.median.y}H${width - right}`} />}
          {plot.times.map(({ x, at }, index) => (
            <text
              class={index === 0 && plot.times.length > 1 ? "first" : index === plot.times.length - 1 ? "last" : "mid"}
              x={String(x)}
              y={String(height - bottom + 18)}
            >
              {absoluteText(at).slice(5, 16)}
            </text>
          ))}
          {plot.dots.map(({ x, y, tone, execution }) => (
            <a
              href={executionPath(execution.id)}
              aria-label={`${execution.status}, took ${spanText(execution.durationMs ?? 0)}`}
              tabindex={-1}
            >
              <circle class={tone} cx={String(x)} cy={String(y)} r="4">
                <title>{`${execution.status}, ${spanText(execution.durationMs ?? 0)}, ${absoluteText(execution.startedAt ?? "")}`}</title>
              </circle>
            </a>
          ))}
        </svg>
      </div>
      <p class="dim">
        Each dot is an execution and leads to it. The line is the median of the successes
        {plot.median !== null && `, ${spanText(plot.median.ms)}`}. Times are UTC.
      </p>
    </section>
  );
}
