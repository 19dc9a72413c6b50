// The routes of the pages that list things: batches, executions, problems. What is on them is decided beside, how it
// looks in pages/.
import type { Hono } from "hono";
import type { Problem } from "../../model/problem.ts";
import { executionListQuery, overviewQuery } from "../protocol/query.ts";
import type { AppDeps } from "../views/deps.ts";
import { createReader } from "../views/live.ts";
import { addAssetRoutes } from "./assets.ts";
import { toHistoryQuery } from "./execution-list.ts";
import { groupsOf } from "./groups.ts";
import { allExecutionsPage } from "./pages/all-executions.tsx";
import { countBatches, selectBatches, tagsOf, type Listed } from "./batch-list.ts";
import { newest, standing } from "./past.ts";
import { sparklineLength } from "./drawing/sparkline.ts";
import { addDetailRoutes, withExcerpts } from "./detail-routes.ts";
import { agentState, html } from "./page.ts";
import { groupViews } from "../views/groups.ts";
import { overviewPage, type Pool } from "./pages/overview.tsx";
import { problemsPage } from "./pages/problems.tsx";
import { addTimelineRoute } from "./timeline-route.ts";
import { zoneOf } from "./zones.ts";

/** Lines of the list on one page. */
const pageLength = 100;
const maxProblems = 200;
const maxPools = 12;

export function addPageRoutes(app: Hono, deps: AppDeps): void {
  const { catalog, history, settings } = deps;
  const { live } = createReader(deps);
  addAssetRoutes(app);
  addDetailRoutes(app, deps);
  addTimelineRoute(app, deps);
  const listed = (): Listed[] =>
    catalog.batches().map((status) => ({
      status,
      standing: standing(history, status.name),
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
        const running = open === null ? undefined : await history.find(open.id);
        return {
          ...one,
          recent: newest(history.outlines(name), sparklineLength),
          result: result === null ? null : ((await history.find(result.id)) ?? null),
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
        pools: poolsOf(deps),
        tryOut: all.some((one) => one.standing.newest !== null) ? null : (all.find(canStart)?.status.name ?? null),
      }),
    );
  });

  app.get("/executions", async (c) => {
    const query = executionListQuery(c);
    const agent = agentState(deps);
    const all = catalog.batches();
    const { items, more } = await history.page(toHistoryQuery(query, all));
    return html(
      c,
      allExecutionsPage({
        agent,
        query,
        groups: groupsOf(all),
        tags: tagsOf(all),
        items: await Promise.all(items.map(live)),
        nextCursor: more ? (items.at(-1)?.id ?? null) : null,
        zoneOf: (name) => zoneOf(catalog.batch(name)?.batch),
      }),
    );
  });

  app.get("/problems", async (c) => {
    const all = catalog.problems();
    const shown = await withExcerpts(all.slice(0, maxProblems), settings);
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

const isoOrNull = (at: number | null) => (at === null ? null : new Date(at).toISOString());

/** For the agent and its data folder, rather than of a folder somebody wrote. */
function isOwn({ batch, code }: Problem): boolean {
  return batch === "" || code === "history-corrupt" || code === "data-folder-replaced" || code === "not-stored";
}

function canStart({ status }: Listed): boolean {
  return status.state === "scheduled";
}

/** Pools that are declared, at most a few: the API has them all. */
function poolsOf(deps: AppDeps): Pool[] {
  const isThere = [...deps.catalog.groups().inForce.values()].some(({ pools }) => Object.keys(pools).length > 0);
  if (!isThere) return [];
  const groups = groupViews(deps);
  return groups.flatMap(({ name: group, pools }) => pools.map((pool) => ({ group, ...pool }))).slice(0, maxPools);
}
