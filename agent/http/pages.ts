// The routes for people: the dashboard's pages and what they load.
import type { Hono } from "hono";
import { executionView } from "../core/views.ts";
import type { AppDeps } from "./app.ts";
import { overviewPage } from "./pages/overview.tsx";
import { styleSheet } from "./pages/style.ts";
import { createReader } from "./read.ts";

export function addPageRoutes(app: Hono, deps: AppDeps): void {
  const { catalog, history, clock, version } = deps;
  const { viewOf } = createReader(deps);

  app.get("/style.css", (c) => c.body(styleSheet, 200, { "Content-Type": "text/css; charset=utf-8", "Cache-Control": "max-age=300" }));
  app.get("/", async (c) => {
    c.header("Cache-Control", "no-store");
    const all = catalog.batches();
    const problems = catalog.problems();
    const batches = await Promise.all(all.slice(0, 500).map(viewOf));
    const executions = history.page({ limit: 30 }).items.map((execution) => executionView(execution));
    const hidden = { batches: all.length - batches.length, problems: Math.max(0, problems.length - 100) };
    return c.html(overviewPage({ version, now: clock.now(), batches, executions, problems: problems.slice(0, 100), hidden }));
  });
}
