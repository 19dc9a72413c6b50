// The routes that the log viewer in the browser asks (client/log.ts): pieces of the output, what is being written, and
// a search over all of it. Beside the pages, not a part of the API.
import type { Hono } from "hono";
import { searchAnswer } from "../api/search-log.ts";
import { logQuery } from "../protocol/query.ts";
import type { AppDeps } from "../views/deps.ts";
import { createReader } from "../views/live.ts";
import type { LogReader } from "../views/log-reader.ts";
import { followView } from "./follow-view.ts";
import { streamsOf } from "./log-views.ts";

export function addLogRoutes(app: Hono, deps: AppDeps, reader: LogReader): void {
  const { loggedOf } = createReader(deps);

  app.get("/executions/:id/lines", async (c) => {
    const { log, ...place } = logQuery(c);
    const window = await reader.window(await loggedOf(c), streamsOf(log), place);
    const { next, ...rest } = window;
    return c.json({ ...rest, next: `${next.stdout}-${next.stderr}` }, 200, { "Cache-Control": "no-store" });
  });

  app.get("/executions/:id/follow", async (c) => followView(c, deps, await loggedOf(c), logQuery(c).log));

  app.get("/executions/:id/search", async (c) => {
    const execution = await loggedOf(c);
    const streams = streamsOf(logQuery(c).log);
    const found = [];
    for (const stream of streams) found.push(await searchAnswer(c, deps.logs, execution, [stream]));
    const lines = await reader.numbersOf(
      execution,
      streams,
      found.flatMap(({ items }) => items),
    );
    return c.json({ lines, more: found.some(({ more }) => more) }, 200, { "Cache-Control": "no-store" });
  });
}
