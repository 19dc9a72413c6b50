// The routes for people: which data goes on which page. What is on it is decided in core, how it looks in pages/.
import type { Context, Hono } from "hono";
import type { JSX } from "hono/jsx/jsx-runtime";
import { countBatches, selectBatches, standingOf, tagsOf, type Listed } from "../core/listing.ts";
import type { AppDeps } from "./app.ts";
import { addAssetRoutes } from "./assets.ts";
import { overviewPage } from "./pages/overview.tsx";
import type { AgentState } from "./pages/shell.tsx";
import { troublePage } from "./pages/trouble.tsx";
import { overviewQuery } from "./query.ts";
import { createReader } from "./read.ts";

/** Lines of the list on one page. */
const pageLength = 250;

export function addPageRoutes(app: Hono, deps: AppDeps): void {
  const { catalog, history } = deps;
  const { live } = createReader(deps);
  addAssetRoutes(app);

  app.get("/", async (c) => {
    const { only, page, ...query } = overviewQuery(c);
    const all: Listed[] = catalog.batches().map((status) => ({ status, executions: history.document(status.name)?.executions ?? [] }));
    const nextOf = (name: string) => catalog.next(name, 1)[0] ?? null;
    const found = selectBatches(all, query, (name) => (nextOf(name) === null ? null : Date.parse(nextOf(name) as string)));
    const of = Math.max(1, Math.ceil(found.length / pageLength));
    const at = Math.min(page, of);
    const shown = only === null ? found.slice((at - 1) * pageLength, at * pageLength) : all.filter(({ status }) => only.includes(status.name));
    const rows = await Promise.all(
      shown.map(async (listed) => {
        const { open } = standingOf(listed.executions);
        return { ...listed, next: nextOf(listed.status.name), live: open === null ? null : await live(open) };
      }),
    );
    return html(c, overviewPage({ agent: agentState(deps), counts: countBatches(all), tags: tagsOf(all), query, page: { at, of }, found: found.length, rows }));
  });
}

export function agentState({ catalog, clock, version }: Pick<AppDeps, "catalog" | "clock" | "version">): AgentState {
  return { version, now: clock.now(), notReady: catalog.notReady(), details: catalog.details() };
}

/** Answers with a page. Pages tell how things are now: nobody keeps them. */
export function html(c: Context, page: JSX.Element, status: 200 | 400 | 404 | 500 = 200): Response {
  return c.body(`<!doctype html>${String(page)}`, status, { "Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store" });
}

/** Whether somebody looks at this with a browser, rather than a program that reads the API. */
export function wantsPage(c: Context): boolean {
  return !/^\/(api|assets|healthz|readyz|metrics|openapi)/.test(c.req.path) && (c.req.header("Accept") ?? "").includes("text/html");
}

/** What could not be shown, as a page. */
export function trouble(c: Context, deps: AppDeps, status: number, detail: string): Response {
  return html(c, troublePage({ agent: agentState(deps), status, detail }), status as 404);
}
