// The routes of the pages that show all batches: the list, the timeline, the problems. What is on them is decided in core, how it looks in pages/.
import type { Hono } from "hono";
import type { Problem } from "../../model/problem.ts";
import { executionListQuery, overviewQuery, timelineQuery } from "../protocol/query.ts";
import type { AppDeps } from "../views/deps.ts";
import { createReader } from "../views/live.ts";
import { addAssetRoutes } from "./assets.ts";
import { toPastQuery } from "./execution-list.ts";
import { groupsOf } from "./groups.ts";
import { allExecutionsPage } from "./pages/all-executions.tsx";
import { countBatches, selectBatches, standingOf, tagsOf, type Listed } from "./batch-list.ts";
import { createPast, newest, openCount, type Outline } from "./past.ts";
import { stripLength } from "./drawing/sparkline.ts";
import { addDetailRoutes, withExcerpts } from "./detail-routes.ts";
import {
  busiestFirst,
  foresee,
  goOn,
  lastDay,
  laneOf,
  loadOf,
  usualMs,
  type Foreseen,
  type Outlook,
} from "./drawing/timeline.ts";
import { agentState, html } from "./page.ts";
import { overviewPage } from "./pages/overview.tsx";
import { problemsPage } from "./pages/problems.tsx";
import { loadHeight, timelinePage } from "./pages/timeline.tsx";

/** Lines of the list on one page. */
const pageLength = 100;
const mostLanes = 40;
/** Coming starts of a batch that are looked up. */
const mostComing = 100;
const fewComing = 10;
const dayMs = 86_400_000;
const mostProblems = 200;
const executionsOnPage = 50;

export function addPageRoutes(app: Hono, deps: AppDeps): void {
  const { catalog, history, settings } = deps;
  const { live } = createReader(deps);
  const past = createPast(history);
  addAssetRoutes(app);
  addDetailRoutes(app, deps);
  const listed = (): Listed[] =>
    catalog.batches().map((status) => ({
      status,
      standing: standingOf(past.outlines(status.name), openCount(past, status.name)),
    }));

  app.get("/", async (c) => {
    const { only, page, ...query } = overviewQuery(c);
    const agent = agentState(deps);
    const all = listed();
    const nextOf = (name: string) => isoOrNull(catalog.nextDueAt(name));
    const found = selectBatches(all, query, catalog.nextDueAt, catalog.edges());
    const of = Math.max(1, Math.ceil(found.length / pageLength));
    const at = Math.min(page, of);
    const shown =
      only === null
        ? found.slice((at - 1) * pageLength, at * pageLength)
        : all.filter(({ status }) => only.includes(status.name));
    const rows = await Promise.all(
      shown.map(async (one) => {
        const { name } = one.status;
        const { open, result } = one.standing;
        const running = open === null ? undefined : await past.find(open.id);
        return {
          ...one,
          recent: newest(past.outlines(name), stripLength),
          result: result === null ? null : ((await past.find(result.id)) ?? null),
          next: nextOf(name),
          live: running === undefined ? null : await live(running),
        };
      }),
    );
    return html(
      c,
      overviewPage({
        agent,
        counts: countBatches(all),
        tags: tagsOf(catalog.batches()),
        groups: groupsOf(catalog.batches()),
        query,
        page: { at, of },
        found: found.length,
        rows,
      }),
    );
  });

  app.get("/timeline", (c) => {
    const recent = byBatch(past.outlinesSince(deps.clock.now() - dayMs));
    const query = timelineQuery(c);
    const agent = agentState(deps);
    const { now } = agent;
    const all = listed();
    const chosen = selectBatches(all, { ...query, state: null, last: null, sort: "name" }, () => null)
      .map(({ status }) => ({
        name: status.name as string,
        status,
        executions: lastDay(recent.get(status.name) ?? [], now),
      }))
      .filter(
        ({ executions, status }) =>
          executions.length > 0 ||
          ((status.state === "scheduled" || status.state === "chained") && status.batch !== null),
      );
    const byName = new Map(chosen.map((one) => [one.name, one]));
    const order = busiestFirst(chosen, now);
    const names = order.slice(0, mostLanes);
    const foreseen = foresee(outlooks(names, now), now);
    const lanes = names.map((name) =>
      laneOf(name, lastDay(newest(history.outlines(name), Infinity), now), foreseen.get(name) ?? [], now),
    );
    for (const spans of foreseen.values()) load.push(...spans);
    return html(
      c,
      timelinePage({
        agent,
        query,
        tags: tagsOf(catalog.batches()),
        lanes,
        hidden: order.length - names.length,
        load: loadOf(load, loadHeight, now),
      }),
    );
  });

  /** Its coming starts until one is more than a day off. Few are asked for at first: a hundred starts of a yearly one are a century of calendar. */
  function nextDay(name: string, now: number): number[] {
    const upTo = (count: number) => catalog.next(name, count).map((at) => Date.parse(at));
    const enough = (starts: readonly number[], count: number) =>
      starts.length < count || (starts.at(-1) ?? 0) >= now + dayMs;
    const first = upTo(1);
    if (enough(first, 1)) return first;
    const few = upTo(fewComing);
    return enough(few, fewComing) ? few : upTo(mostComing);
  }

  /** Of these and of all that come before them in their chains, as far as they are looked for. */
  function outlooks(names: readonly string[], now: number): Map<string, Outlook> {
    const wanted = new Set(names);
    const found = new Map<string, Outlook>();
    for (const name of wanted) {
      if (found.size >= 4 * mostLanes) break;
      const after = catalog.batch(name)?.batch?.after ?? [];
      const starts = goOn(nextDay(name, now), mostComing, now);
      found.set(name, { starts, after, usualMs: usualMs(newest(past.outlines(name), Infinity)) });
      if (starts.length === 0) after.forEach((before) => wanted.add(before));
    }
    return found;
  }

  app.get("/executions", async (c) => {
    const query = executionListQuery(c);
    const agent = agentState(deps);
    const all = catalog.batches();
    const { items, more } = await past.page(toPastQuery(query, all, executionsOnPage));
    return html(
      c,
      allExecutionsPage({
        agent,
        query,
        groups: groupsOf(all),
        tags: tagsOf(all),
        items: await Promise.all(items.map(live)),
        nextCursor: more ? (items.at(-1)?.id ?? null) : null,
      }),
    );
  });

  app.get("/problems", async (c) => {
    const all = catalog.problems();
    const shown = await withExcerpts(all.slice(0, mostProblems), settings);
    const groups = new Map<string, typeof shown>();
    for (const problem of shown.filter((one) => !isOwn(one)))
      groups.set(problem.batch, [...(groups.get(problem.batch) ?? []), problem]);
    return html(
      c,
      problemsPage({
        agent: agentState(deps),
        own: shown.filter(isOwn),
        groups: [...groups].map(([batch, problems]) => ({
          batch,
          problems,
          known: catalog.batch(batch) !== undefined,
        })),
        hidden: all.length - shown.length,
      }),
    );
  });
}

function byBatch(outlines: readonly Outline[]): Map<string, Outline[]> {
  const found = new Map<string, Outline[]>();
  for (const outline of outlines) {
    const ofBatch = found.get(outline.batch);
    if (ofBatch === undefined) found.set(outline.batch, [outline]);
    else ofBatch.push(outline);
  }
  return found;
}

const isoOrNull = (at: number | null) => (at === null ? null : new Date(at).toISOString());

/** Of the agent and its data folder, rather than of a folder somebody wrote. */
function isOwn({ batch, code }: Problem): boolean {
  return batch === "" || code === "history-corrupt" || code === "not-stored";
}
