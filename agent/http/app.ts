// The routes: read-only views of what the agent knows. Decides nothing.
import { Hono, type Context } from "hono";
import { secureHeaders } from "hono/secure-headers";
import type { BatchStatus, Execution } from "../core/model.ts";
import { batchView, executionView, graphView, problemView, runView } from "../core/views.ts";
import type { Catalog, Clock, History, Logger, LogStore } from "../ports.ts";
import { archiveResponse, logResponse } from "./logs.ts";
import { overviewPage } from "./pages/overview.tsx";
import { styleSheet } from "./pages/style.ts";
import { HttpProblem, problemResponse } from "./problem.ts";
import { batchQuery, executionQuery } from "./query.ts";

export interface AppDeps {
  catalog: Catalog;
  history: History;
  logs: LogStore;
  clock: Clock;
  log: Logger;
  version: string;
}

const nextShown = 5;

export function createApp({ catalog, history, logs, clock, log, version }: AppDeps): Hono {
  const app = new Hono();

  app.use(
    secureHeaders({
      contentSecurityPolicy: { defaultSrc: ["'none'"], styleSrc: ["'self'"], frameAncestors: ["'none'"], formAction: ["'none'"], baseUri: ["'none'"] },
      xFrameOptions: "DENY",
      strictTransportSecurity: false, // that is for whoever ends TLS in front of it
    }),
  );
  app.use(async (c, next) => {
    if (c.req.method !== "GET" && c.req.method !== "HEAD") {
      return problemResponse(c, 405, "this API is read-only: the folder of batches is the way to change something", { Allow: "GET, HEAD" });
    }
    return next();
  });
  app.notFound((c) => problemResponse(c, 404, `there is nothing at ${c.req.path}`));
  app.onError((error, c) => {
    if (error instanceof HttpProblem) return problemResponse(c, error.status, error.message);
    log.error("request failed", { path: c.req.path, error: error.stack ?? error.message });
    return problemResponse(c, 500, "the agent could not answer; its log says why");
  });

  const json = (c: Context, body: unknown, status: 200 | 503 = 200) => {
    c.header("Cache-Control", "no-store");
    return c.json(body as object, status);
  };
  async function viewOf(status: BatchStatus) {
    const document = history.document(status.name);
    const view = batchView(status, document, catalog.next(status.name, nextShown));
    const last = document?.executions.at(-1);
    return last?.status === "running" ? { ...view, lastExecution: await live(last) } : view;
  }
  function executionOf(c: Context): Execution {
    const id = c.req.param("id") ?? "";
    const execution = history.find(id);
    if (execution === undefined) throw new HttpProblem(404, `there is no execution ${id}`);
    return execution;
  }
  /** A running one's logs grow; its record does not know. */
  async function live(execution: Execution) {
    if (execution.status !== "running") return executionView(execution);
    const [out, err] = await Promise.all((["stdout", "stderr"] as const).map((stream) => logs.stat(execution.batch, execution.id, stream)));
    return executionView(execution, { stdoutBytes: out?.size ?? 0, stderrBytes: err?.size ?? 0 });
  }

  app.get("/healthz", (c) => json(c, { status: "ok" }));
  app.get("/readyz", (c) => {
    const reasons = catalog.notReady();
    return json(c, { ready: reasons.length === 0, reasons, details: catalog.details() }, reasons.length === 0 ? 200 : 503);
  });

  app.get("/api/batches", async (c) => {
    const { tag, state } = batchQuery(c);
    const items = catalog
      .batches()
      .filter((batch) => state === undefined || batch.state === state)
      .filter((batch) => tag === undefined || batch.batch?.file.tags.includes(tag));
    return json(c, { items: await Promise.all(items.map(viewOf)) });
  });
  app.get("/api/batches/:name", async (c) => {
    const status = catalog.batch(c.req.param("name"));
    if (status === undefined) throw new HttpProblem(404, `there is no batch ${c.req.param("name")}`);
    return json(c, await viewOf(status));
  });
  app.get("/api/problems", (c) => json(c, { items: catalog.problems().map(problemView) }));

  app.get("/api/executions", async (c) => {
    const { items, more } = history.page(executionQuery(c));
    return json(c, { items: await Promise.all(items.map(live)), nextCursor: more ? (items.at(-1)?.id ?? null) : null });
  });
  app.get("/api/executions/:id", async (c) => json(c, await live(executionOf(c))));
  app.get("/api/executions/:id/stdout", (c) => logResponse(c, logs, executionOf(c), "stdout"));
  app.get("/api/executions/:id/stderr", (c) => logResponse(c, logs, executionOf(c), "stderr"));
  app.get("/api/executions/:id/logs", (c) => archiveResponse(c, logs, executionOf(c)));

  app.get("/api/runs/:run", async (c) => {
    const executions = history.run(c.req.param("run"));
    if (executions.length === 0) throw new HttpProblem(404, `there is no run ${c.req.param("run")}`);
    return json(c, { ...runView(c.req.param("run"), executions), items: await Promise.all(executions.map(live)) });
  });
  app.get("/api/graph", (c) => json(c, graphView(catalog.batches(), catalog.edges())));

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
  return app;
}
