// The page of one run: its chain as a picture with statuses, and every execution of it.
import type { Edge } from "../../../definitions/chain-graph.ts";
import type { ExecutionView } from "../../../views.ts";
import { Chain, ChainLegend, type ChainNode } from "./chain.tsx";
import type { Gantt } from "../drawing/gantt.ts";
import { GanttBox } from "./gantt.tsx";
import { ExecutionTable } from "./executions.tsx";
import { Command, shortId, ToneMark, When } from "./parts.tsx";
import { Shell, type AgentState } from "./shell.tsx";

export interface RunPicture {
  state: "running" | "succeeded" | "failed";
  nodes: readonly ChainNode[];
  edges: readonly Edge[];
  hidden: number;
}

export interface RunPage {
  agent: AgentState;
  run: string;
  picture: RunPicture;
  gantt: Gantt;
  executions: readonly ExecutionView[];
  zoneOf: (batch: string) => string | null;
}

export function runPage({ agent, run, picture, gantt, executions, zoneOf }: RunPage) {
  const first = executions[0] as ExecutionView;
  return (
    <Shell
      title={`Run of ${first.batch}`}
      agent={agent}
      refresh={`run:${run}`}
      {...(picture.state === "running" ? { reloadSeconds: 10 } : {})}
    >
      <div id="run" data-live>
        <div class="head">
          <p class="crumbs">
            <a href="/">Batches</a> / run
          </p>
          <h1>
            Run of {first.batch} <span class="dim mono">{shortId(run)}</span>
          </h1>
          <ToneMark tone={picture.state} word={picture.state} />
          <span class="dim">
            due <When at={first.trigger.dueAt} now={agent.now} zone={zoneOf(first.batch)} />
          </span>
        </div>
        {picture.state === "failed" && <Command text={`batch-agent rerun ${run}`} />}
        {picture.state === "running" && <Command text={`batch-agent cancel ${run}`} />}
        <section class="box" aria-labelledby="chain-title">
          <h2 id="chain-title">Chain</h2>
          <Chain label="Batches of this run" nodes={picture.nodes} edges={picture.edges} />
          {picture.hidden > 0 && <p class="dim">{picture.hidden} more batches are not drawn.</p>}
          <ChainLegend edges={picture.edges} />
        </section>
        <GanttBox gantt={gantt} />
        <section class="box" aria-label="Executions">
          <ExecutionTable caption="Executions" executions={executions} now={agent.now} zoneOf={zoneOf} withBatch />
        </section>
      </div>
    </Shell>
  );
}
