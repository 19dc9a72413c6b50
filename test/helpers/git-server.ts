// Serves bare repositories over HTTP with git's own http-backend, on a port of its own; with a token if asked for.
import { execFileSync, spawn } from "node:child_process";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { afterEach } from "vitest";

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** `token`: what the password of each request must be. `tls`: over https, with this certificate. */
export async function gitServer(
  root: string,
  token: string | null = null,
  tls: { key: Buffer; cert: Buffer } | null = null,
) {
  const backend = `${execFileSync("git", ["--exec-path"], { encoding: "utf8" }).trim()}/git-http-backend`;
  let port = 0;
  let stop: () => Promise<void> = () => Promise.resolve();
  let requests = 0;

  function answer(request: IncomingMessage, response: ServerResponse): void {
    requests += 1;
    const given = Buffer.from(/^Basic (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? "", "base64")
      .toString()
      .split(":")[1];
    if (token !== null && given !== token) {
      response.writeHead(401, { "WWW-Authenticate": 'Basic realm="git"' }).end("no");
      return;
    }
    const url = new URL(request.url ?? "/", "http://localhost");
    const cgi = spawn(backend, {
      env: {
        PATH: process.env["PATH"],
        GIT_PROJECT_ROOT: root,
        GIT_HTTP_EXPORT_ALL: "1",
        REQUEST_METHOD: request.method,
        PATH_INFO: url.pathname,
        QUERY_STRING: url.search.slice(1),
        CONTENT_TYPE: request.headers["content-type"] ?? "",
        CONTENT_LENGTH: request.headers["content-length"] ?? "",
        HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
        GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
      },
    });
    request.pipe(cgi.stdin).on("error", () => undefined);
    const chunks: Buffer[] = [];
    cgi.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    cgi.on("close", () => {
      const bytes = Buffer.concat(chunks);
      const end = bytes.indexOf("\r\n\r\n");
      const headers = bytes
        .subarray(0, end)
        .toString()
        .split("\r\n")
        .map((line) => line.split(": ") as [string, string]);
      const status = Number(headers.find(([name]) => name === "Status")?.[1]?.slice(0, 3) ?? 200);
      response
        .writeHead(status, Object.fromEntries(headers.filter(([name]) => name !== "Status")))
        .end(bytes.subarray(end + 4));
    });
  }

  async function up(): Promise<void> {
    const server = tls === null ? createServer(answer) : createTlsServer(tls, answer);
    server.on("tlsClientError", () => undefined);
    await new Promise<void>((done) => server.listen(port, "127.0.0.1", done));
    port = (server.address() as AddressInfo).port;
    stop = () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      });
  }

  await up();
  closers.push(() => stop());
  return {
    up,
    down: async () => {
      await stop();
      stop = () => Promise.resolve();
    },
    requests: () => requests,
    url: (name: string, user = "") => `http${tls === null ? "" : "s"}://${user}127.0.0.1:${port}/${name}`,
  };
}
