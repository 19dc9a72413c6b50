// The routes for programs: health, and everything below /api, as JSON and plain text.
import type { Context, Hono } from "hono";
import type { LogStream } from "../../logs/port.ts";
import { graphView, problemView, runView } from "../../views.ts";
import { HttpProblem } from "../protocol/problem.ts";
import {
  batchParameters,
  batchQuery,
  executionParameters,
  executionQuery,
  flag,
  onlyParameters,
} from "../protocol/query.ts";
import { changesOf } from "../views/changes.ts";
import type { AppDeps } from "../views/deps.ts";
import { groupViews, isMeant } from "../views/groups.ts";
import { createReader } from "../views/live.ts";
import { createEvents } from "./events.ts";
import { followResponse } from "./follow-log.ts";
import { mergedLogParameters, mergedLogResponse } from "./merged-log.ts";
import { openApi } from "./openapi.ts";
import { fileList, fileText } from "./revision-files.ts";
import { searchAnswer } from "./search-log.ts";
import { archiveResponse, logResponse } from "./serve-log.ts";

export function addApiRoutes(app: Hono, deps: AppDeps): void {
  const { catalog, history, logs, metrics, clock } = deps;
  const reader = createReader(deps);
  const { live, viewOf, executionOf, loggedOf, batchOf } = reader;
  const following = { ...deps, live, now: clock.now };
  const log = async (c: Context, stream: LogStream) => {
    const execution = await loggedOf(c);
    return flag(c, "follow")
      ? followResponse(c, following, execution, stream)
      : logResponse(c, logs, execution, stream);
  };
  const json = (c: Context, body: unknown, status: 200 | 503 = 200) => c.json(body as object, status);
  const text = (c: Context, body: string) => c.body(body, 200, { "Content-Type": "application/json" });

  let description: string | null = null; // made of YAML, which takes a tenth of a second, and large
  app.get("/openapi.json", (c) => text(c, (description ??= JSON.stringify(openApi(deps.version)))));
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

  /** A route below /api/ and the parameters that it takes. */
  const api = (path: string, parameters: readonly string[], handler: (c: Context) => Response | Promise<Response>) =>
    app.get(path, (c) => {
      onlyParameters(c, parameters);
      return handler(c);
    });

  api("/api/batches", batchParameters, async (c) => {
    const { state, ...where } = batchQuery(c);
    const items = catalog.batches().filter((batch) => (state ?? batch.state) === batch.state && isMeant(batch, where));
    return json(c, { items: await Promise.all(items.map(viewOf)) });
  });
  api("/api/batches/:name", [], async (c) => json(c, await viewOf(batchOf(c))));
  api("/api/batches/:name/files", [], async (c) => json(c, await fileList(deps.revisions, batchOf(c))));
  api("/api/batches/:name/files/:path{.+}", [], async (c) =>
    c.text(await fileText(deps.revisions, batchOf(c), c.req.param("path") ?? "")),
  );
  api("/api/groups", [], (c) => json(c, { items: groupViews(deps) }));
  api("/api/problems", [], (c) => json(c, { items: catalog.problems().map(problemView) }));

  api("/api/executions", executionParameters, async (c) => {
    const { group, tag } = batchQuery(c);
    const query = executionQuery(c);
    const where = { ...(group === undefined ? {} : { group }), ...(tag === undefined ? {} : { tag }) };
    if (group !== undefined || tag !== undefined)
      query.batches = new Set(
        catalog
          .batches()
          .filter((batch) => isMeant(batch, where))
          .map(({ name }) => name),
      );
    const { items, more } = await history.page(query);
    const texts: string[] = [];
    for (const item of items) {
      const made = reader.text(item);
      texts.push(typeof made === "string" ? made : await made);
    }
    const body = `{"items":[${texts.join(",")}],"nextCursor":${JSON.stringify(more ? items.at(-1)?.id : null)}}`;
    return text(c, body);
  });
  api("/api/executions/:id", [], async (c) => text(c, await reader.text(await executionOf(c))));
  api("/api/executions/:id/changes", [], async (c) =>
    json(c, await changesOf(await executionOf(c), { ...deps, monotonic: clock.monotonic })),
  );
  api("/api/executions/:id/stdout", ["tail", "follow"], (c) => log(c, "stdout"));
  api("/api/executions/:id/stderr", ["tail", "follow"], (c) => log(c, "stderr"));
  api("/api/executions/:id/log", mergedLogParameters, async (c) => mergedLogResponse(c, following, await loggedOf(c)));
  api("/api/executions/:id/search", ["q"], async (c) => json(c, await searchAnswer(c, logs, await loggedOf(c))));
  api("/api/executions/:id/logs", [], async (c) => archiveResponse(c, logs, await loggedOf(c)));

  api("/api/runs/:run", [], async (c) => {
    const run = c.req.param("run") ?? "";
    const executions = await history.run(run);
    if (executions.length === 0) throw new HttpProblem(404, `there is no run ${run}`);
    return json(c, { ...runView(run, executions), items: await Promise.all(executions.map(live)) });
  });
  api("/api/events", ["since"], createEvents({ ...deps, reader }));
  api("/api/graph", [], (c) => json(c, graphView(catalog.batches(), catalog.edges())));
}
