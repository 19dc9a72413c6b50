// The timeline: a lane for each batch over an hour up to a week, and above all how much ran and will run at once.
import { absoluteText, spanText } from "../../../text/relative-time.ts";
import type { TimelineQuery } from "../../protocol/query.ts";
import { laneHeight, type Lane } from "../drawing/timeline.ts";
import {
  gridPath,
  tickLabel,
  ticksOf,
  timelineWidth,
  unitsIn,
  zooms,
  type TimeWindow,
  type Zoom,
} from "../drawing/window.ts";
import { reasonText } from "../words.ts";
import { Choice, Filters, GroupAndTag } from "./filters.tsx";
import { Absolute, batchPath, BatchLink, executionPath } from "./parts.tsx";
import { zoneText } from "../zones.ts";
import { Shell, type AgentState } from "./shell.tsx";

export interface TimelinePage {
  agent: AgentState;
  query: TimelineQuery;
  window: TimeWindow;
  tags: readonly string[];
  groups: readonly string[];
  lanes: readonly Lane[];
  /** Batches that would have a lane, were there room. */
  hidden: number;
  load: { path: string; most: number };
  zoneOf: (batch: string) => string | null;
}

export const loadHeight = 40;
const dayMs = 86_400_000;
const zoomNames: Record<Zoom, string> = { hour: "Hour", "6h": "6 hours", day: "Day", week: "Week" };

export function timelinePage({ agent, query, window, tags, groups, lanes, hidden, load, zoneOf }: TimelinePage) {
  const { now } = agent;
  return (
    <Shell title="Timeline" agent={agent} place="timeline" {...(window.isLive ? { refresh: "all" } : {})}>
      <div class="head">
        <h1>Timeline</h1>
        <Steps query={query} window={window} />
      </div>
      <Filters
        action="/timeline"
        search={{ name: "q", label: "Search", hint: "name, description or tag", value: query.text }}
      >
        <label>
          <span>Day (UTC)</span>
          <input
            type="date"
            name="day"
            value={window.isLive ? "" : new Date(window.from).toISOString().slice(0, 10)}
            data-at={window.isLive ? "" : new Date(window.from).toISOString()}
          />
        </label>
        <Choice
          label="Zoom"
          name="zoom"
          chosen={query.zoom}
          all={zooms.map((zoom) => [zoom, zoomNames[zoom]])}
          none={null}
        />
        <GroupAndTag groups={groups} tags={tags} chosen={query} />
      </Filters>
      <div id="lanes" data-live>
        <p class="found">
          <Absolute at={new Date(window.from).toISOString()} /> to <Absolute at={new Date(window.to).toISOString()} />,
          times in <b data-zone-name>UTC</b>; failures first, then the busiest
        </p>
        <Legend />
        {lanes.length === 0 ? (
          <div class="empty">
            <p>Nothing ran in this time, and nothing is due in it.</p>
            <p>
              <a href={linkTo(query, { from: null })}>Back to now</a> · <a href="/executions">All executions</a>
            </p>
          </div>
        ) : (
          <table class="timeline">
            <caption class="hidden">Executions and expected ones in this time, by batch</caption>
            <thead>
              <tr>
                <th scope="col">Batch</th>
                <th scope="col">
                  <Ticks window={window} />
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
                    <Grid window={window} height={loadHeight} />
                    <path class="load" d={load.path} />
                    <Now window={window} now={now} height={loadHeight} />
                  </svg>
                </td>
              </tr>
              {lanes.map((lane) => (
                <tr>
                  <th scope="row" title={lane.name}>
                    <BatchLink name={lane.name} />
                  </th>
                  <td>
                    <LaneSvg lane={lane} zone={zoneOf(lane.name)} window={window} now={now} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
        {hidden > 0 && (
          <p class="dim">
            {hidden} more {hidden === 1 ? "batch is" : "batches are"} not shown: those that did least. Search or choose
            a tag to see them.
          </p>
        )}
      </div>
    </Shell>
  );
}

/** The time before and after, now, and how much of it is shown. */
function Steps({ query, window }: { query: TimelineQuery; window: TimeWindow }) {
  const length = window.to - window.from;
  const step = (ms: number) => linkTo(query, { from: window.from + ms });
  return (
    <nav class="steps" aria-label="Time" id="steps" data-live>
      <a class="tile quiet" href={step(-dayMs)}>
        ← Day before
      </a>
      {length < dayMs && (
        <>
          <a class="tile quiet" href={step(-length)}>
            ← Earlier
          </a>
          <a class="tile quiet" href={step(length)}>
            Later →
          </a>
        </>
      )}
      <a class="tile quiet" href={step(dayMs)}>
        Day after →
      </a>
      <a
        class="tile quiet"
        href={linkTo(query, { from: null })}
        {...(window.isLive ? { "aria-current": "true" as const } : {})}
      >
        Now
      </a>
      <span class="dim">Zoom</span>
      {zooms.map((zoom) => (
        <a
          class="tile quiet"
          href={linkTo(query, { zoom, from: window.isLive ? null : window.from })}
          {...(zoom === query.zoom ? { "aria-current": "true" as const } : {})}
        >
          {zoomNames[zoom]}
        </a>
      ))}
    </nav>
  );
}

function linkTo(query: TimelineQuery, changes: Partial<TimelineQuery>): string {
  const { text, tag, group, zoom, from } = { ...query, ...changes };
  const pairs: [string, string | null][] = [
    ["q", text],
    ["tag", tag],
    ["group", group],
    ["zoom", zoom === "day" ? null : zoom],
    ["at", from === null ? null : new Date(from).toISOString().replace(/:00\.000Z$/, "Z")],
  ];
  const search = new URLSearchParams(
    pairs.flatMap(([name, value]): [string, string][] => (value === null || value === "" ? [] : [[name, value]])),
  );
  return search.size === 0 ? "/timeline" : `/timeline?${search.toString()}`;
}

/**
 * Labels in the page's own units, so that they are not stretched with the lanes. They stand at full hours of UTC; the
 * browser puts them at those of its own zone.
 */
function Ticks({ window }: { window: TimeWindow }) {
  return (
    <svg
      class="ticks"
      role="img"
      aria-label="Hours"
      data-from={String(window.from)}
      data-to={String(window.to)}
      data-zoom={window.zoom}
    >
      {ticksOf(window).map((at) => {
        const { x, y, text } = tickLabel(at, new Date(at).toISOString(), window);
        return (
          <text x={x} y={y}>
            {text}
          </text>
        );
      })}
    </svg>
  );
}

function LaneSvg({ lane, zone, window, now }: { lane: Lane; zone: string | null; window: TimeWindow; now: number }) {
  const { ran, failed, coming } = lane.counts;
  const words =
    `${lane.name}: ${ran} ${ran === 1 ? "execution" : "executions"}, ${failed} ` +
    `failed${coming > 0 ? `, ${coming} expected` : ""}`;
  return (
    <svg viewBox={`0 0 ${timelineWidth} ${laneHeight}`} preserveAspectRatio="none" role="group" aria-label={words}>
      <title>{words}</title>
      <Grid window={window} height={laneHeight} />
      {lane.coming !== "" && <path class="coming" d={lane.coming} />}
      <a href={batchPath(lane.name)} tabindex={-1} aria-hidden="true">
        {lane.density !== "" && <path class="density" d={lane.density} />}
        {lane.bars.map(({ tone, path }) => (
          <path class={tone} d={path} />
        ))}
      </a>
      {lane.links.map(({ execution, x, y, width, height }) => {
        const told = describe(lane.name, execution);
        const own = zone === null ? {} : { "data-own": zoneText(execution.startedAt ?? execution.createdAt, zone) };
        return (
          <a href={executionPath(execution.id)} aria-label={told}>
            <rect class={execution.status} x={String(x)} y={String(y)} width={String(width)} height={String(height)}>
              <title data-title {...own}>
                {told}
              </title>
            </rect>
          </a>
        );
      })}
      <Now window={window} now={now} height={laneHeight} />
    </svg>
  );
}

/** `night-load failed: exit code, 2026-11-24 02:00:00 UTC, took 3 s` */
function describe(
  name: string,
  { status, reason, startedAt, createdAt, durationMs }: Lane["links"][number]["execution"],
) {
  const why = reason === null ? "" : `: ${reasonText(reason)}`;
  const took = durationMs === null ? "" : `, took ${spanText(durationMs)}`;
  return `${name} ${status}${why}, ${absoluteText(startedAt ?? createdAt)}${took}`;
}

const legend = [
  ["failed", "failed"],
  ["succeeded", "succeeded"],
  ["unusual", "succeeded, but unusual"],
  ["running", "running"],
  ["aborted", "aborted"],
  ["density", "many executions, the more the higher"],
  ["coming", "expected, as long as usual"],
] as const;

function Legend() {
  return (
    <p class="legend" role="group" aria-label="Legend">
      {legend.map(([tone, words]) => (
        <span>
          <svg class="swatch" viewBox="0 0 10 10" aria-hidden="true">
            <rect class={tone} width="10" height="10" rx="2" />
          </svg>
          {words}
        </span>
      ))}
    </p>
  );
}

function Grid({ window, height }: { window: TimeWindow; height: number }) {
  return <path class="grid" data-height={String(height)} d={gridPath(ticksOf(window), window, height)} />;
}

function Now({ window, now, height }: { window: TimeWindow; now: number; height: number }) {
  const x = Math.round(unitsIn(window)(now));
  return x < 0 || x > timelineWidth ? null : <path class="now" d={`M${x} 0v${height}`} />;
}
