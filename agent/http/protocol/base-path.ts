// Serves everything below the path of --base-url, behind a proxy that strips it or not. Routes and pages know nothing
// of it: a request's path loses it on the way in, links, form targets and redirects get it on the way out.
import type { Hono, MiddlewareHandler } from "hono";
import { TrieRouter } from "hono/router/trie-router";

/**
 * Attributes of our pages that hold addresses. Quotes in texts of others are escaped, so that nothing of theirs is
 * taken for one.
 */
const linked = /( (?:href|src|action|formaction|data-page)="| http-equiv="refresh" content="0; url=)\/(?!\/)/g;

/** Returns the path of a base URL without `/` at its end; "" where it has none. */
export function pathOfBase(baseUrl: string | null): string {
  return baseUrl === null ? "" : new URL(baseUrl).pathname.replace(/\/$/, "");
}

/**
 * Returns a function that turns a request's target into that of a route: read below `base` first, then as it is, as a
 * proxy has stripped it.
 */
export function createTargetReader(base: string, app: Pick<Hono, "routes">): (target: string) => string {
  if (base === "") return (target) => target;
  const router = new TrieRouter<true>();
  for (const { path } of app.routes) if (!path.includes("*")) router.add("GET", path, true);
  return (target) => {
    const rest = target.startsWith(base) ? target.slice(base.length) : null;
    if (rest === null || !/^(?:[/?]|$)/.test(rest)) return target;
    const below = rest.startsWith("/") ? rest : `/${rest}`;
    const [path = "/"] = below.split("?", 1);
    return router.match("GET", path)[0].length > 0 || path === "/" ? below : target;
  };
}

/** Puts `base` before every address of ours in pages and redirects. */
export function addBasePath(base: string): MiddlewareHandler {
  return async (c, next) => {
    await next();
    const { headers } = c.res;
    const location = headers.get("Location");
    if (location?.startsWith("/") === true) headers.set("Location", base + location);
    if (headers.get("Content-Type")?.startsWith("text/html") === true)
      c.res = new Response(withBase(await c.res.text(), base), c.res);
  };
}

/** Returns a page with `base` before each of its addresses that begin with `/`. */
export function withBase(page: string, base: string): string {
  return page.replace(linked, (_match, before: string) => `${before}${base}/`);
}
