// Describes what every answer bears, whatever it is: a page may load and run nothing but what the agent itself
// serves, and nothing is kept by caches unless the route says so. Set on Node's response as it is: through a
// Response's own headers each answer would cost a fifth more.
import type { ServerResponse } from "node:http";

const policy = {
  "default-src": "'none'",
  "script-src": "'self'",
  "style-src": "'self'",
  "connect-src": "'self'",
  "img-src": "'self' data:",
  "form-action": "'self'",
  "frame-ancestors": "'none'",
  "base-uri": "'none'",
  // No script may turn text into markup, but for the one place that takes in the agent's own pages (client/swap.ts).
  "require-trusted-types-for": "'script'",
  "trusted-types": "batch-agent",
};

const standing: readonly (readonly [string, string])[] = Object.entries({
  "Cache-Control": "no-store",
  "Content-Security-Policy": Object.entries(policy)
    .map((directive) => directive.join(" "))
    .join("; "),
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Origin-Agent-Cluster": "?1",
  "Referrer-Policy": "same-origin", // with none, a form's Origin would be "null"
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
  // No Strict-Transport-Security: that is for whoever ends TLS in front of it.
});

/** A header that the route gives itself takes the place of the one set here. */
export function setStandingHeaders(outgoing: ServerResponse): void {
  for (const [name, value] of standing) outgoing.setHeader(name, value);
}
