// The server of an agent that does not lead: its own health, and everything else from the one that does.
import { trimEndOf } from "../text/trim.ts";
import { request as httpRequest, createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { request as httpsRequest } from "node:https";
import { once } from "node:events";
import { ConfigError, messageOf } from "../errors.ts";
import { isLoopback } from "../text/loopback.ts";
import { maxDescriptors } from "../platform/descriptors.ts";
import { maxConnectionsFor } from "./protocol/connections.ts";
import { problemBody, problemType } from "./protocol/problem.ts";
import { allowReadOnly, readOnlyDetail, readOnlyMethods, refuseUnknownMethods } from "./protocol/read-only.ts";

export interface StandbyDeps {
  host: string;
  port: number;
  /** Path of --base-url; "" for none. */
  basePath: string;
  /** Where the leader is reached; null while nobody leads. */
  leaderUrl: () => string | null;
  /** What /readyz tells. */
  details: () => object;
}

/** Each takes a second one, to the leader. */
const maxConnections = 256;
const headersTimeoutMs = 10_000;
const leaderTimeoutMs = 30_000;

/** Returns the address, and what closes it. Throws ConfigError when the address cannot be had. */
export async function serveStandby(
  deps: StandbyDeps,
): Promise<{ url: string; port: number; close: () => Promise<void> }> {
  const server = createServer({ headersTimeout: headersTimeoutMs }, (incoming, outgoing) =>
    answer(incoming, outgoing, deps),
  );
  server.maxConnections = Math.min(maxConnections, maxConnectionsFor(maxDescriptors()));
  refuseUnknownMethods(server);
  server.listen(deps.port, deps.host);
  try {
    await once(server, "listening");
  } catch (error) {
    throw new ConfigError(`cannot serve HTTP on ${deps.host}:${deps.port}: ${messageOf(error)}`);
  }
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : deps.port;
  const host = isLoopback(deps.host) ? deps.host : "127.0.0.1";
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${port}`,
    port,
    async close() {
      if (!server.listening) return;
      const closed = new Promise<void>((done) => server.close(() => done()));
      server.closeAllConnections();
      await closed;
    },
  };
}

function answer(incoming: IncomingMessage, outgoing: ServerResponse, deps: StandbyDeps): void {
  const whole = (incoming.url ?? "/").split("?")[0] ?? "/";
  const path = whole.startsWith(`${deps.basePath}/`) ? whole.slice(deps.basePath.length) : whole;
  const isOwn = ["/healthz", "/readyz", "/metrics"].includes(path);
  if (isOwn && !readOnlyMethods.includes(incoming.method ?? "")) {
    const body = problemBody(path, 405, readOnlyDetail);
    return send(outgoing, 405, problemType, body, { Allow: allowReadOnly });
  }
  switch (path) {
    case "/healthz":
      return send(outgoing, 200, "application/json", JSON.stringify({ status: "ok" }));
    case "/readyz":
      return send(
        outgoing,
        200,
        "application/json",
        JSON.stringify({ ready: true, reasons: [], details: deps.details() }),
      );
    case "/metrics":
      return send(outgoing, 200, "text/plain; version=0.0.4; charset=utf-8", standbyMetrics);
    default:
      return pass(incoming, outgoing, deps.leaderUrl());
  }
}

const standbyMetrics = `# HELP batch_agent_leading 1 if this agent leads, 0 if it stands by.
# TYPE batch_agent_leading gauge
batch_agent_leading 0
# HELP batch_agent_ready 1 if /readyz says so, else 0.
# TYPE batch_agent_ready gauge
batch_agent_ready 1
`;

/**
 * Headers of one connection. Passed on, `connection: close` would have clients take an answer that is cut off for one
 * that has ended.
 */
const hopByHop = new Set(["connection", "keep-alive", "proxy-connection", "transfer-encoding", "trailer", "upgrade"]);

/** Hands a request on as it is, its token included. */
function pass(incoming: IncomingMessage, outgoing: ServerResponse, leader: string | null): void {
  const fail = (detail: string) => {
    if (outgoing.headersSent) return void outgoing.destroy();
    send(outgoing, 503, problemType, problemBody(null, 503, detail), { "retry-after": "2" });
  };
  if (leader === null || leader === "") return fail("this agent stands by, and no other leads right now");
  const url = new URL(trimEndOf(leader, "/") + (incoming.url ?? "/"));
  const request = url.protocol === "https:" ? httpsRequest : httpRequest;
  const headers = { ...incoming.headers, host: url.host, connection: "close" };
  const sent = request(url, { method: incoming.method ?? "GET", headers, timeout: leaderTimeoutMs }, (response) => {
    // Whoever asks sees which agent has answered.
    const kept = Object.entries(response.headers).filter(([name]) => !hopByHop.has(name));
    outgoing.writeHead(response.statusCode ?? 502, {
      ...Object.fromEntries(kept),
      "x-batch-agent-leader": url.origin,
    });
    response.pipe(outgoing);
    response.on("error", () => outgoing.destroy());
  });
  sent.on("timeout", () => {
    if (!outgoing.headersSent) sent.destroy(new Error("it does not answer"));
  });
  sent.on("error", (error) => fail(`the leader at ${url.origin} cannot be reached: ${error.message}`));
  outgoing.on("close", () => sent.destroy());
  incoming.pipe(sent);
}

function send(outgoing: ServerResponse, status: number, type: string, body: string, headers = {}): void {
  outgoing.writeHead(status, {
    "content-type": type,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...headers,
  });
  outgoing.end(body);
}
