// The timeline: a lane for each batch, the last 24 hours and the coming 24, and above all how much ran and will run at once.
import { laneHeight, timelineWidth, type Lane } from "../drawing/timeline.ts";
import { batchPath, BatchLink, executionPath } from "./parts.tsx";
import { Shell, type AgentState } from "./shell.tsx";

export interface TimelinePage {
  agent: AgentState;
  query: { text: string; tag: string | null };
  tags: readonly string[];
  lanes: readonly Lane[];
  /** Batches that would have a lane, were there room. */
  hidden: number;
  load: { path: string; most: number };
}

export const loadHeight = 40;
const hours = [-24, -18, -12, -6, 0, 6, 12, 18];

export function timelinePage({ agent, query, tags, lanes, hidden, load }: TimelinePage) {
  const { now } = agent;
  return (
    <Shell title="Timeline" agent={agent} place="timeline" refresh="all">
      <div class="head">
        <h1>Timeline</h1>
        <span class="dim">the last 24 hours and the coming 24, busiest first</span>
      </div>
      <form class="filters" method="get" action="/timeline" role="search" data-filters>
        <label class="grow">
          <span>Search</span>
          <input type="search" name="q" value={query.text} placeholder="name, description or tag" autocomplete="off" />
        </label>
        <label>
          <span>Tag</span>
          <select name="tag">
            <option value="">any</option>
            {tags.map((tag) => (
              <option value={tag} selected={tag === query.tag}>
                {tag}
              </option>
            ))}
          </select>
        </label>
        <button type="submit">Apply</button>
      </form>
      <div id="lanes" data-live>
        {lanes.length === 0 ? (
          <div class="empty">
            <p>Nothing ran in the last 24 hours, and nothing is due in the coming 24.</p>
            <p>
              <a href="/">All batches</a>
            </p>
          </div>
        ) : (
          <table class="timeline">
            <caption class="hidden">
              Executions of the last 24 hours and foreseen ones of the coming 24, by batch
            </caption>
            <thead>
              <tr>
                <th scope="col">Batch</th>
                <th scope="col">
                  <span class="hours">
                    {hours.map((hour) => (
                      <span>
                        {hour === 0 ? (
                          <b>now</b>
                        ) : (
                          <time datetime={new Date(now + hour * 3_600_000).toISOString()} data-hour>
                            {new Date(now + hour * 3_600_000).toISOString().slice(11, 16)}
                          </time>
                        )}
                      </span>
                    ))}
                  </span>
                </th>
              </tr>
            </thead>
            <tbody>
              <tr class="load">
                <th scope="row">
                  At once <span class="about">{load.most} at most</span>
                </th>
                <td>
                  <svg
                    viewBox={`0 0 ${timelineWidth} ${loadHeight}`}
                    preserveAspectRatio="none"
                    role="img"
                    aria-label={`At most ${load.most} at once`}
                  >
                    <Grid height={loadHeight} />
                    <path class="load" d={load.path} />
                    <Now height={loadHeight} />
                  </svg>
                </td>
              </tr>
              {lanes.map((lane) => (
                <tr>
                  <th scope="row">
                    <BatchLink name={lane.name} />
                  </th>
                  <td>
                    <LaneSvg lane={lane} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
        {hidden > 0 && (
          <p class="dim">
            {hidden} more {hidden === 1 ? "batch is" : "batches are"} left out: those that work least. Search or choose
            a tag to see them.
          </p>
        )}
        <p class="legend">
          {(["succeeded", "unusual", "failed", "running", "aborted"] as const).map((tone) => (
            <span>
              <svg viewBox="0 0 10 10" aria-hidden="true">
                <rect class={tone} width="10" height="10" rx="2" />
              </svg>
              {tone}
            </span>
          ))}
          <span>
            <svg viewBox="0 0 10 10" aria-hidden="true">
              <rect class="coming" width="10" height="10" rx="2" />
            </svg>
            foreseen, as long as its median
          </span>
        </p>
      </div>
    </Shell>
  );
}

function LaneSvg({ lane }: { lane: Lane }) {
  const { ran, failed, coming } = lane.counts;
  return (
    <svg
      viewBox={`0 0 ${timelineWidth} ${laneHeight}`}
      preserveAspectRatio="none"
      role="group"
      aria-label={`${lane.name}: ${ran} in the last day, ${failed} failed, ${coming} foreseen`}
    >
      <Grid height={laneHeight} />
      {lane.coming !== "" && <path class="coming" d={lane.coming} />}
      <a href={batchPath(lane.name)} tabindex={-1} aria-hidden="true">
        {lane.bars.map(({ tone, path }) => (
          <path class={tone} d={path} />
        ))}
      </a>
      {lane.links.map(({ execution, x, y, width, height }) => (
        <a
          href={executionPath(execution.id)}
          aria-label={`${execution.status}, ${execution.startedAt ?? execution.createdAt}`}
        >
          <rect class={execution.status} x={String(x)} y={String(y)} width={String(width)} height={String(height)}>
            <title>{`${execution.status} ${execution.reason ?? ""} ${execution.startedAt ?? execution.createdAt}`}</title>
          </rect>
        </a>
      ))}
      <Now height={laneHeight} />
    </svg>
  );
}

function Grid({ height }: { height: number }) {
  return <path class="grid" d={hours.map((hour) => `M${(hour + 24) * 60} 0v${height}`).join("")} />;
}

function Now({ height }: { height: number }) {
  return <path class="now" d={`M${timelineWidth / 2} 0v${height}`} />;
}
