// The route of the timeline: gathers what ran and what is expected in a window of time, within bounds.
import type { Hono } from "hono";
import { timelineQuery } from "../protocol/query.ts";
import type { AppDeps } from "../views/deps.ts";
import { selectBatches, standingOf, tagsOf } from "./batch-list.ts";
import {
  busiestFirst,
  foresee,
  goOn,
  laneOf,
  loadOf,
  spanOf,
  usualMs,
  withinWindow,
  type Outlook,
} from "./drawing/timeline.ts";
import { windowAt } from "./drawing/window.ts";
import { groupsOf } from "./groups.ts";
import { agentState, html } from "./page.ts";
import { loadHeight, timelinePage } from "./pages/timeline.tsx";
import { createPast, newest, type Outline } from "./past.ts";

const maxLanes = 40;
/** Coming starts of a batch that are looked up. */
const maxComing = 100;
const fewComing = 10;

export function addTimelineRoute(app: Hono, deps: AppDeps): void {
  const { catalog, history } = deps;
  const past = createPast(history);

  app.get("/timeline", (c) => {
    const query = timelineQuery(c);
    const agent = agentState(deps);
    const { now } = agent;
    const window = windowAt(query.from, query.zoom, now);
    const recent = byBatch(past.outlinesSince(window.from));
    const all = catalog.batches();
    const listed = all.map((status) => ({ status, standing: standingOf([], 0) }));
    const chosen = selectBatches(listed, { ...query, state: null, last: null, sort: "name" }, () => null)
      .map(({ status }) => ({
        name: status.name as string,
        status,
        executions: withinWindow(recent.get(status.name) ?? [], window, now),
      }))
      .filter(
        ({ executions, status }) =>
          executions.length > 0 ||
          (window.to > now && (status.state === "scheduled" || status.state === "chained") && status.batch !== null),
      );
    const byName = new Map(chosen.map((one) => [one.name, one]));
    const order = busiestFirst(chosen, now);
    const names = order.slice(0, maxLanes);
    const expected = window.to > now ? foresee(outlooks(names, now, window.to), window.to) : new Map<string, never[]>();
    const lanes = names
      .map((name) => laneOf(name, byName.get(name)?.executions ?? [], expected.get(name) ?? [], window, now))
      .filter(({ counts }) => counts.ran + counts.coming > 0);
    const spans = [
      ...chosen.flatMap(({ executions }) =>
        executions.filter(({ startedAt }) => startedAt !== null).map((execution) => spanOf(execution, now)),
      ),
      ...[...expected.values()].flat(),
    ];
    return html(
      c,
      timelinePage({
        agent,
        query,
        window,
        tags: tagsOf(all),
        groups: groupsOf(all),
        lanes,
        hidden: order.length - names.length,
        load: loadOf(spans, loadHeight, window),
      }),
    );
  });

  /** Its coming starts until one is past `until`. Few are asked for at first: a hundred starts of a yearly one are a century of calendar. */
  function startsUntil(name: string, until: number): number[] {
    const upTo = (count: number) => catalog.next(name, count).map((at) => Date.parse(at));
    const enough = (starts: readonly number[], count: number) => starts.length < count || (starts.at(-1) ?? 0) >= until;
    const first = upTo(1);
    if (enough(first, 1)) return first;
    const few = upTo(fewComing);
    return enough(few, fewComing) ? few : upTo(maxComing);
  }

  /** Of these and of all that come before them in their chains, as far as they are looked for. */
  function outlooks(names: readonly string[], now: number, until: number): Map<string, Outlook> {
    const wanted = new Set(names);
    const found = new Map<string, Outlook>();
    for (const name of wanted) {
      if (found.size >= 4 * maxLanes) break;
      const after = catalog.batch(name)?.batch?.after ?? [];
      const starts = goOn(startsUntil(name, until), maxComing, until).filter((at) => at >= now);
      found.set(name, { starts, after, usualMs: usualMs(newest(past.outlines(name), 200)) });
      if (starts.length === 0) after.forEach((before) => wanted.add(before));
    }
    return found;
  }
}

/** Oldest first for each batch. */
function byBatch(outlines: readonly Outline[]): Map<string, Outline[]> {
  const found = new Map<string, Outline[]>();
  for (const outline of outlines) {
    const ofBatch = found.get(outline.batch);
    if (ofBatch === undefined) found.set(outline.batch, [outline]);
    else ofBatch.push(outline);
  }
  for (const ofBatch of found.values()) ofBatch.sort((a, b) => (a.id < b.id ? -1 : 1));
  return found;
}
