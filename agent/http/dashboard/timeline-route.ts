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
  medianMs,
  withinWindow,
  type Foreseen,
  type Outlook,
} from "./drawing/timeline.ts";
import { windowAt } from "./drawing/window.ts";
import { groupsOf } from "./groups.ts";
import { agentState, html } from "./page.ts";
import { loadHeight, timelinePage } from "./pages/timeline.tsx";
import { newest } from "./past.ts";
import { zoneOf } from "./zones.ts";

const maxLanes = 40;
/** Failures in a window that are looked for, so that their lanes come first. */
const maxFailures = 500;
/** Coming starts of a batch that are looked up. */
const maxComing = 100;
const fewComing = 10;

export function addTimelineRoute(app: Hono, deps: AppDeps): void {
  const { catalog, history } = deps;

  app.get("/timeline", async (c) => {
    const query = timelineQuery(c);
    const agent = agentState(deps);
    const { now } = agent;
    const window = windowAt(query.from, query.zoom, now);
    const all = catalog.batches();
    const listed = all.map((status) => ({ status, standing: standingOf([], 0) }));
    const selected = selectBatches(listed, { ...query, state: null, last: null, sort: "name" }, () => null);
    const atWork = new Map<string, Foreseen[]>(selected.map(({ status }) => [status.name, []]));
    const load: Foreseen[] = [];
    for (const { batch, from, to, isStarted } of history.spansSince(window.from)) {
      const span = { from, to: Math.max(from, to ?? now) };
      const ofBatch = atWork.get(batch);
      if (ofBatch === undefined || span.from >= window.to || span.to < window.from) continue;
      ofBatch.push(span);
      if (isStarted) load.push(span);
    }
    const failures = await history.page({
      statuses: ["failed"],
      since: window.from,
      until: window.to,
      limit: maxFailures,
    });
    const order = busiestFirst(
      selected
        .map(({ status }) => ({ name: status.name, status, spans: atWork.get(status.name) ?? [] }))
        .filter(
          ({ spans, status }) =>
            spans.length > 0 ||
            (window.to > now && (status.state === "scheduled" || status.state === "chained") && status.batch !== null),
        ),
      new Set<string>(failures.items.map(({ batch }) => batch)),
    );
    const names = order.slice(0, maxLanes);
    const expected = window.to > now ? foresee(outlooks(names, now, window.to), window.to) : new Map<string, never[]>();
    const lanes = names
      .map((name) => {
        const executions = withinWindow(newest(history.outlines(name), Infinity), window, now);
        return laneOf(name, executions, expected.get(name) ?? [], window, now);
      })
      .filter(({ counts }) => counts.ran + counts.coming > 0);
    for (const spans of expected.values()) load.push(...spans);
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
        load: loadOf(load, loadHeight, window),
        zoneOf: (name) => zoneOf(catalog.batch(name)?.batch),
      }),
    );
  });

  /**
   * Its coming starts until one is past `until`. Few are asked for at first: a hundred starts of a yearly one are a
   * century of calendar.
   */
  function startsUntil(name: string, until: number): number[] {
    const upTo = (count: number) => catalog.next(name, count).map((at) => Date.parse(at));
    const enough = (starts: readonly number[], count: number) => starts.length < count || (starts.at(-1) ?? 0) >= until;
    const first = upTo(1);
    if (enough(first, 1)) return first;
    const few = upTo(fewComing);
    return enough(few, fewComing) ? few : upTo(maxComing);
  }

  /** For these and of all that come before them in their chains, as far as they are looked for. */
  function outlooks(names: readonly string[], now: number, until: number): Map<string, Outlook> {
    const wanted = new Set(names);
    const found = new Map<string, Outlook>();
    for (const name of wanted) {
      if (found.size >= 4 * maxLanes) break;
      const after = catalog.batch(name)?.batch?.after ?? [];
      const starts = goOn(startsUntil(name, until), maxComing, until).filter((at) => at >= now);
      found.set(name, { starts, after, medianMs: medianMs(newest(history.outlines(name), 200)) });
      if (starts.length === 0) after.forEach((before) => wanted.add(before));
    }
    return found;
  }
}
