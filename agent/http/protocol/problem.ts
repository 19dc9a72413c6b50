// Errors as application/problem+json (RFC 9457).
import type { Context } from "hono";

const titles: Record<number, string> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  413: "Content Too Large",
  416: "Range Not Satisfiable",
  421: "Misdirected Request",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

export const problemType = "application/problem+json";

/** Thrown by handlers; becomes a problem+json answer. */
export class HttpProblem extends Error {
  readonly status: number;
  readonly headers: Record<string, string>;
  constructor(status: number, detail: string, headers: Record<string, string> = {}) {
    super(detail);
    this.status = status;
    this.headers = headers;
  }
}

export function problemResponse(
  c: Context,
  status: number,
  detail: string,
  headers: Record<string, string> = {},
): Response {
  return problemAt(c.req.path, status, detail, headers);
}

/** The same without a context; `instance`: the path, null where there is none. */
export function problemAt(
  instance: string | null,
  status: number,
  detail: string,
  headers: Record<string, string> = {},
): Response {
  const body = problemBody(instance, status, detail);
  return new Response(body, { status, headers: { "Content-Type": problemType, ...headers } });
}

/** Returns the body alone, for an answer that is made without the app. */
export function problemBody(instance: string | null, status: number, detail: string): string {
  const title = titles[status] ?? "Error";
  return JSON.stringify({ type: "about:blank", title, status, detail, ...(instance === null ? {} : { instance }) });
}
