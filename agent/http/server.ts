// Serves the app over HTTP, within limits that a slow or hostile client cannot stretch.
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { hostname } from "node:os";
import { getRequestListener } from "@hono/node-server";
import type { Hono } from "hono";
import { createTurns } from "../async/turns.ts";
import { messageOf, ConfigError } from "../errors.ts";
import { createTargetReader } from "./protocol/base-path.ts";
import { CountedRequest, createAnswerQueue, limitConnections } from "./protocol/connections.ts";
import { sendCopy } from "./protocol/zero-copy.ts";
import { setStandingHeaders } from "./protocol/security-headers.ts";
import { problemAt } from "./protocol/problem.ts";
import { refuseUnknownMethods } from "./protocol/read-only.ts";

export interface HttpServer {
  url: string;
  /** The same for links that people elsewhere are to open. */
  linkUrl: string;
  port: number;
  /** Takes no more connections, and ends those that are open after `closeMs` at most. */
  close: () => Promise<void>;
}

const closeMs = 1_000;
/** Requests that wait for their turn; who comes then gets a 503. */
const maxWaiting = 500;
/** Probes do not wait behind pages. */
const probe = /\/(healthz|readyz)(\?|$)/;

export interface ListenOptions {
  host: string;
  /** 0 takes a free one. */
  port: number;
  /** Path of --base-url that requests may begin with; "" for none. */
  basePath?: string;
  headersTimeoutMs?: number;
  /** Time without progress after which an answer is broken off. */
  stallMs?: number;
  maxConnections?: number;
  /** Hears of a connection that could not be taken (out of memory or descriptors); the server goes on. */
  onError?: (error: Error) => void;
}

/** Throws ConfigError when the address cannot be had. */
export async function listen(app: Hono, options: ListenOptions): Promise<HttpServer> {
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;
  const headersTimeout = options.headersTimeoutMs ?? 10_000;
  const serverOptions = {
    headersTimeout,
    requestTimeout: headersTimeout,
    keepAliveTimeout: 5_000,
    maxHeaderSize: 16 * 1024,
    connectionsCheckingInterval: Math.min(headersTimeout, 5_000),
  };
  const turns = createTurns(maxWaiting);
  const answer = getRequestListener(
    async (request, env) => {
      const path = (env.incoming as IncomingMessage).url ?? "";
      if (!probe.test(path) && !(await turns.acquire()))
        return problemAt(null, 503, "too many requests wait already; try again", { "Retry-After": "1" });
      return sendCopy(await app.fetch(request, env), env.outgoing as ServerResponse);
    },
    {
      hostname: host, // for a request without Host
      errorHandler: (error) =>
        error instanceof Error && error.name === "RequestError"
          ? problemAt(null, 400, error.message)
          : problemAt(null, 500, "the agent could not answer"),
    },
  );
  const answers = createAnswerQueue();
  const readTarget = createTargetReader(options.basePath ?? "", app);
  const server = createServer({ ...serverOptions, IncomingMessage: CountedRequest }, (incoming, outgoing) => {
    setStandingHeaders(outgoing);
    incoming.url = readTarget(incoming.url ?? "/");
    void answers.run(incoming.socket, outgoing, () => answer(incoming, outgoing));
  });
  limitConnections(server, options);
  refuseUnknownMethods(server);
  server.listen(options.port, options.host);
  try {
    await once(server, "listening");
  } catch (error) {
    const reason = messageOf(error);
    throw new ConfigError(
      `cannot serve HTTP on ${host}:${options.port}: ${reason}`,
      "choose another address with --host or --port (0 takes a free one)",
    );
  }
  server.on("error", (error) => options.onError?.(error)); // with nobody to hear it, it would end the agent
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : options.port;
  const bound = typeof address === "object" && address !== null ? address.address : "";
  // Nobody can open the address that stands for all of them: here its own loopback does, elsewhere the machine's name.
  const loopback = { "0.0.0.0": "127.0.0.1", "::": "[::1]" }[bound];
  return {
    url: `http://${loopback ?? host}:${port}`,
    linkUrl: `http://${loopback === undefined ? host : hostname()}:${port}`,
    port,
    async close() {
      const closed = new Promise<void>((done) => server.close(() => done()));
      server.closeIdleConnections();
      const late = setTimeout(() => server.closeAllConnections(), closeMs);
      await closed;
      clearTimeout(late);
    },
  };
}
