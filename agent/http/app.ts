// The app: what holds for every request, and the groups of routes. Decides nothing.
import { Hono, type Context } from "hono";
import { addApiRoutes } from "./api/routes.ts";
import { addPageRoutes } from "./dashboard/list-routes.ts";
import { trouble, wantsPage } from "./dashboard/page.ts";
import { addAccess, hostGuard, methodGuard } from "./protocol/access.ts";
import { addBasePath, pathOfBase } from "./protocol/base-path.ts";
import { HttpProblem, problemResponse } from "./protocol/problem.ts";
import type { AppDeps } from "./views/deps.ts";

export function createApp(deps: AppDeps): Hono {
  const { log } = deps;
  const app = new Hono();
  const base = pathOfBase(deps.access.baseUrl);
  if (base !== "") app.use(addBasePath(base));
  app.use(hostGuard(deps.access));
  app.use(methodGuard(deps.access));
  const refuse = (c: Context, status: number, detail: string, headers: Record<string, string> = {}) =>
    wantsPage(c) ? trouble(c, deps, status, detail) : problemResponse(c, status, detail, headers);
  app.notFound((c) => refuse(c, 404, `there is nothing at ${c.req.path}`));
  app.onError((error, c) => {
    if (error instanceof HttpProblem) return refuse(c, error.status, error.message, error.headers);
    log.error("request failed", { path: c.req.path, error: error.stack ?? error.message });
    return refuse(c, 500, "the agent could not answer; its log says why");
  });
  addAccess(app, deps);
  addApiRoutes(app, deps);
  addPageRoutes(app, deps);
  return app;
}
