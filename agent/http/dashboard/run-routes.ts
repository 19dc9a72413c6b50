// The page of a run.
import type { Hono } from "hono";
import { HttpProblem } from "../protocol/problem.ts";
import type { AppDeps } from "../views/deps.ts";
import { createReader } from "../views/live.ts";
import { ganttOf } from "./drawing/gantt.ts";
import { agentState, html } from "./page.ts";
import { runPage } from "./pages/run.tsx";
import { pictureOf } from "./run-picture.ts";
import { zoneOf } from "./zones.ts";

const maxExecutions = 500;

export function addRunRoutes(app: Hono, deps: AppDeps): void {
  const { catalog, history, clock } = deps;
  const { live } = createReader(deps);

  app.get("/runs/:run", async (c) => {
    const run = c.req.param("run");
    const executions = await history.run(run);
    if (executions.length === 0) throw new HttpProblem(404, `there is no run ${run}`);
    return html(
      c,
      runPage({
        agent: agentState(deps),
        run,
        picture: pictureOf(executions, catalog),
        gantt: ganttOf(executions.slice(0, maxExecutions), clock.now()),
        executions: await Promise.all(executions.slice(0, maxExecutions).map(live)),
        zoneOf: (name) => zoneOf(catalog.batch(name)?.batch),
      }),
    );
  });
}
