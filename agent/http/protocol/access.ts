// Describes what stands before every route: whether the request names a host of ours, and whether who asks has the
// token.
import type { Context, Hono, MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import type { Clock } from "../../async/clock.ts";
import type { TokenSource } from "../../platform/token.ts";
import { loginPage, onwardPage } from "../dashboard/pages/login.tsx";
import { pathOfBase } from "./base-path.ts";
import { clientOfRequest } from "./client.ts";
import { problemResponse } from "./problem.ts";
import { allowReadOnly, readOnlyDetail, readOnlyMethods } from "./read-only.ts";
import { createWrongTries, isSame, isSession, issueSession, sessionSeconds } from "./session.ts";

export interface Access {
  /** null: anybody who reaches the port may look. */
  token: TokenSource | null;
  /** Tells where people reach the agent; null: they use its address. */
  baseUrl: string | null;
}

/**
 * Cookies of a host are shared by all of its ports, and by all paths behind a proxy: each agent needs a name of its
 * own.
 */
const cookiePrefix = "batch_agent_session";
const formBytes = 8 * 1024;
/** Open to all: health, and what the login page itself needs. */
const open = /^\/(healthz|readyz|login|style\.css|assets\/icon\.svg)$/;
const forPrograms = /^\/(api\/|metrics$|openapi\.json$)/;

/**
 * Returns whether `host`, as the Host header has it, can only be meant for us. A page of a stranger that has its own
 * name lead to our address (DNS rebinding) cannot use an address, a name without a dot, or one that no registry gives
 * out.
 */
export function isOurHost(host: string, baseUrl: string | null): boolean {
  if (!URL.canParse(`http://${host}`)) return false;
  const { hostname } = new URL(`http://${host}`);
  if (/^[\d.]+$/.test(hostname) || hostname.startsWith("[") || !hostname.includes(".")) return true;
  if (/\.(localhost|svc|svc\.cluster\.local)$/.test(hostname)) return true;
  return baseUrl !== null && new URL(baseUrl).hostname === hostname;
}

/** With a token the cookie is what a strange name lacks, so any name will do. */
export function hostGuard({ token, baseUrl }: Access): MiddlewareHandler {
  return async (c, next) => {
    if (token === null && !isOurHost(hostOf(c), baseUrl)) {
      return problemResponse(
        c,
        421,
        "this agent does not go by that name; say by which it is reached with --base-url, or use its address",
      );
    }
    return next();
  };
}

/** Refuses all but GET and HEAD, and POST /login where there is a token. */
export function methodGuard({ token }: Access): MiddlewareHandler {
  return async (c, next) => {
    const login = token !== null && c.req.path === "/login";
    if (readOnlyMethods.includes(c.req.method) || (login && c.req.method === "POST")) return next();
    return login
      ? problemResponse(c, 405, "/login takes GET, HEAD and POST", { Allow: `${allowReadOnly}, POST` })
      : problemResponse(c, 405, readOnlyDetail, { Allow: allowReadOnly });
  };
}

/** Asks for the token, and adds the login where there is one. Nothing is asked without a token. */
export function addAccess(
  app: Hono,
  { access: { token: source, baseUrl }, clock }: { access: Access; clock: Clock },
): void {
  if (source === null) return;
  const wrong = createWrongTries(clock);
  const cookie = {
    path: pathOfBase(baseUrl) || "/",
    httpOnly: true,
    sameSite: "Strict",
    secure: baseUrl?.startsWith("https:") ?? false,
  } as const;

  /** Returns what is wrong with it: nothing, or the status and the words to refuse it with. */
  function refusal(
    c: Context,
    given: string,
    token: string | null,
  ): { status: 401 | 429 | 503; detail: string; wait?: number } | null {
    if (token === null)
      return { status: 503, detail: "the agent cannot read its token file: nobody is let in until it can" };
    // A right token is let in however often others from the same address, such as a proxy's, were wrong.
    if (isSame(given, token)) return null;
    const client = clientOfRequest(c);
    const wait = wrong.waitOf(client);
    if (wait > 0) return { status: 429, detail: `wrong too often: wait ${wait} s`, wait };
    wrong.add(client, given);
    return { status: 401, detail: "wrong token" };
  }

  const hasSession = (c: Context, token: string | null) =>
    token !== null && isSession(getCookie(c, cookieNameOf(c, baseUrl)) ?? "", token, clock.now());

  app.use(async (c, next) => {
    if (open.test(c.req.path)) return next();
    const token = await source.current();
    if (hasSession(c, token)) return next();
    const given = /^Bearer +(\S+) *$/i.exec(c.req.header("Authorization") ?? "")?.[1];
    const refused =
      given === undefined
        ? { status: 401, detail: "this asks for `Authorization: Bearer <token>`" }
        : refusal(c, given, token);
    if (refused === null) return next();
    if (!forPrograms.test(c.req.path) && c.req.header("Accept")?.includes("text/html") === true)
      return toLogin(c, baseUrl);
    return problemResponse(c, refused.status, refused.detail, headersOf(refused));
  });

  app.get("/login", async (c) =>
    html(
      c,
      loginPage({ next: localPath(c.req.query("next")), inside: hasSession(c, await source.current()), trouble: null }),
    ),
  );
  app.post(
    "/login",
    bodyLimit({ maxSize: formBytes, onError: (c) => problemResponse(c, 413, "that is no login form") }),
    async (c) => {
      if (isFromElsewhere(c, baseUrl)) return problemResponse(c, 403, "this form was sent from another site");
      const form = await c.req.parseBody();
      const next = localPath(form["next"]);
      if (form["leave"] !== undefined) {
        deleteCookie(c, cookieNameOf(c, baseUrl), cookie);
        return c.redirect("/login", 303);
      }
      const token = await source.current();
      const given = typeof form["token"] === "string" ? form["token"].trim() : "";
      const refused = refusal(c, given, token);
      if (refused !== null)
        return html(c, loginPage({ next, inside: false, trouble: refused.detail }), refused.status, headersOf(refused));
      setCookie(c, cookieNameOf(c, baseUrl), issueSession(token ?? "", clock.now()), {
        ...cookie,
        maxAge: sessionSeconds,
      });
      return c.redirect(next, 303);
    },
  );
}

/** A link followed from another site comes without our cookie; asked for once more from here it comes with it. */
function toLogin(c: Context, baseUrl: string | null): Response | Promise<Response> {
  const { pathname, search } = new URL(c.req.url);
  const again = c.req.header("Sec-Fetch-Site");
  if ((again === "cross-site" || again === "same-site") && getCookie(c, cookieNameOf(c, baseUrl)) === undefined)
    return html(c, onwardPage(localPath(pathname + search)));
  const to = pathname === "/" && search === "" ? "/login" : `/login?next=${encodeURIComponent(pathname + search)}`;
  return c.redirect(to, 303);
}

/** The session cookie's name: by the port that the browser knows, and the path of the base URL. */
function cookieNameOf(c: Context, baseUrl: string | null): string {
  const { port, pathname } = new URL(baseUrl ?? `http://${hostOf(c)}`);
  return [cookiePrefix, port, ...pathname.split(/[^A-Za-z0-9]/)].filter((part) => part !== "").join("_");
}

/** A path on this agent, whatever was asked for. */
export function localPath(asked: unknown): string {
  if (typeof asked !== "string" || !/^\/(?![/\\])[\x21-\x7e]*$/.test(asked) || asked.includes("\\")) return "/";
  const url = new URL(asked, "http://here");
  const path = url.pathname + url.search;
  // /a/..//x has become //x
  return url.host === "here" && url.pathname !== "/login" && !path.startsWith("//") ? path : "/";
}

/**
 * Returns what the browser says of where a form came from; programs say nothing. A proxy may have put its own name for
 * us into Host, so a page of the base URL is ours too.
 */
function isFromElsewhere(c: Context, baseUrl: string | null): boolean {
  const site = c.req.header("Sec-Fetch-Site");
  if (site !== undefined) return site !== "same-origin" && site !== "none";
  const origin = c.req.header("Origin");
  if (origin === undefined) return false;
  const ours = [`http://${hostOf(c)}`, ...(baseUrl === null ? [] : [baseUrl])].map((url) => new URL(url).host);
  return !URL.canParse(origin) || !ours.includes(new URL(origin).host);
}

function hostOf(c: Context): string {
  return c.req.header("Host") ?? new URL(c.req.url).host;
}

function headersOf({ status, wait }: { status: number; wait?: number }): Record<string, string> {
  return {
    ...(status === 401 ? { "WWW-Authenticate": 'Bearer realm="batch-agent"' } : {}),
    ...(wait === undefined ? {} : { "Retry-After": String(wait) }),
  };
}

function html(c: Context, page: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return c.body(`<!doctype html>${String(page)}`, status as 200, {
    "Content-Type": "text/html; charset=utf-8",
    ...headers,
  });
}
