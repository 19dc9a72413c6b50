// The routes for programs: health, and everything below /api, as JSON and plain text.
import type { Context, Hono } from "hono";
import type { LogStream } from "../../logs/port.ts";
import { graphView, problemView, runView } from "../../views.ts";
import { HttpProblem } from "../protocol/problem.ts";
import { batchQuery, executionQuery, flag } from "../protocol/query.ts";
import { changesOf } from "../views/changes.ts";
import type { AppDeps } from "../views/deps.ts";
import { createReader } from "../views/live.ts";
import { createEvents } from "./events.ts";
import { followResponse } from "./follow-log.ts";
import { openApi } from "./openapi.ts";
import { archiveResponse, logResponse } from "./serve-log.ts";

export function addApiRoutes(app: Hono, deps: AppDeps): void {
  const { catalog, history, logs, metrics, clock } = deps;
  const reader = createReader(deps);
  const { live, viewOf, executionOf, batchOf } = reader;
  const following = { ...deps, live, now: clock.now };
  const log = async (c: Context, stream: LogStream) => {
    const execution = await executionOf(c);
    return flag(c, "follow")
      ? followResponse(c, following, execution, stream)
      : logResponse(c, logs, execution, stream);
  };
  const json = (c: Context, body: unknown, status: 200 | 503 = 200) => c.json(body as object, status);
  const text = (c: Context, body: string) => c.body(body, 200, { "Content-Type": "application/json" });

  let description: object | null = null; // made of YAML, which takes a tenth of a second
  app.get("/openapi.json", (c) => json(c, (description ??= openApi(deps.version))));
  app.get("/healthz", (c) => json(c, { status: "ok" }));
  app.get("/readyz", (c) => {
    const reasons = catalog.notReady();
    return json(
      c,
      { ready: reasons.length === 0, reasons, details: catalog.details() },
      reasons.length === 0 ? 200 : 503,
    );
  });

  app.get("/metrics", async (c) => c.body(await metrics.text(), 200, { "Content-Type": metrics.contentType }));

  app.get("/api/batches", async (c) => {
    const { tag, state } = batchQuery(c);
    const items = catalog
      .batches()
      .filter((batch) => state === undefined || batch.state === state)
      .filter((batch) => tag === undefined || batch.batch?.file.tags.includes(tag));
    return json(c, { items: await Promise.all(items.map(viewOf)) });
  });
  app.get("/api/batches/:name", async (c) => json(c, await viewOf(batchOf(c))));
  app.get("/api/problems", (c) => json(c, { items: catalog.problems().map(problemView) }));

  app.get("/api/executions", async (c) => {
    const { items, more } = await history.page(executionQuery(c));
    const texts: string[] = [];
    for (const item of items) {
      const made = reader.text(item);
      texts.push(typeof made === "string" ? made : await made);
    }
    const body = `{"items":[${texts.join(",")}],"nextCursor":${JSON.stringify(more ? items.at(-1)?.id : null)}}`;
    return text(c, body);
  });
  app.get("/api/executions/:id", async (c) => text(c, await reader.text(await executionOf(c))));
  app.get("/api/executions/:id/changes", async (c) =>
    json(c, await changesOf(await executionOf(c), { ...deps, now: clock.now })),
  );
  app.get("/api/executions/:id/stdout", (c) => log(c, "stdout"));
  app.get("/api/executions/:id/stderr", (c) => log(c, "stderr"));
  app.get("/api/executions/:id/logs", async (c) => archiveResponse(c, logs, await executionOf(c)));

  app.get("/api/runs/:run", async (c) => {
    const executions = await history.run(c.req.param("run"));
    if (executions.length === 0) throw new HttpProblem(404, `there is no run ${c.req.param("run")}`);
    return json(c, { ...runView(c.req.param("run"), executions), items: await Promise.all(executions.map(live)) });
  });
  app.get("/api/events", createEvents({ ...deps, reader }));
  app.get("/api/graph", (c) => json(c, graphView(catalog.batches(), catalog.edges())));
}
