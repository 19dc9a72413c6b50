// Describes what every page needs of its route: the agent's state, an answer in HTML, and pages for what could not be
// shown.
import type { Context } from "hono";
import type { JSX } from "hono/jsx/jsx-runtime";
import type { AppDeps } from "../views/deps.ts";
import { standingOf } from "./batch-list.ts";
import type { AgentState } from "./pages/shell.tsx";
import { troublePage } from "./pages/trouble.tsx";

/** Call it before anything else of a page is looked up: changes from here on are among the events after `event`. */
export function agentState({
  access,
  catalog,
  clock,
  feed,
  history,
  version,
}: Pick<AppDeps, "access" | "catalog" | "clock" | "feed" | "history" | "version">): AgentState {
  return {
    version,
    now: clock.now(),
    event: feed.newest(),
    guarded: access.token !== null,
    failing: countFailing(catalog, history),
    notReady: catalog.notReady(),
    details: catalog.details(),
  };
}

function countFailing(catalog: AppDeps["catalog"], history: AppDeps["history"]): number {
  return catalog
    .batches()
    .filter(({ name, state }) => state !== "removed" && standingOf(history.outlines(name), 0).isFailing).length;
}

/** Answers with a page. Pages tell how things are now: nobody keeps them. */
export function html(c: Context, page: JSX.Element, status: 200 | 400 | 404 | 500 = 200): Response {
  return c.body(`<!doctype html>${(page as { toString: () => string }).toString()}`, status, {
    "Content-Type": "text/html; charset=utf-8",
  });
}

/** Returns whether somebody looks at this with a browser, rather than a program that reads the API. */
export function wantsPage(c: Context): boolean {
  return (
    !/^\/(api|assets|healthz|readyz|metrics|openapi)/.test(c.req.path) &&
    (c.req.header("Accept") ?? "").includes("text/html")
  );
}

/** Returns what could not be shown, as a page. */
export function trouble(c: Context, deps: AppDeps, status: number, detail: string): Response {
  return html(c, troublePage({ agent: agentState(deps), status, detail }), status as 404);
}
