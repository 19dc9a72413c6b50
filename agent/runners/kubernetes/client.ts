// Requests to the API server over node:https. At most eight are in flight; a 429 is obeyed by all of them. A watch has
// a connection of its own.
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Clock } from "../../async/clock.ts";
import { sleep } from "../../async/sleep.ts";
import { messageOf } from "../../errors.ts";
import { readPlainBytes } from "../../platform/files.ts";
import { readStatus, type StatusBody } from "./api.ts";
import type { ServerAccess } from "./kubeconfig.ts";

type Method = "GET" | "POST" | "PUT" | "DELETE";

type Answer =
  | { kind: "ok"; status: number; body: unknown }
  | { kind: "refused"; status: number; error: StatusBody }
  /** Nobody knows whether it was carried out. */
  | { kind: "unreachable"; error: string };

export interface Client {
  readonly server: string;
  /** Never rejects. Asks once; a 429 is asked again after the server's own time, some times. */
  request: (method: Method, path: string, body?: unknown) => Promise<Answer>;
  /**
   * Opens a watch: `onLine` gets each line. Resolves when it has ended, with why; null where the server ended it in
   * order. `abort` breaks it off.
   */
  watch: (
    path: string,
    onLine: (line: string) => void,
    onOpen: () => void,
  ) => { ended: Promise<string | null>; abort: () => void };
  /** Requests by method and status so far; status 0 where there was no answer. */
  counts: () => ReadonlyMap<string, number>;
  close: () => void;
}

const inFlight = 8;
const timeoutMs = 30_000;
/** An object is at most 3 MiB; a page of a list may hold 500 of some KiB. */
const maxBodyBytes = 64 * 1024 * 1024;
const maxLineBytes = 4 * 1024 * 1024;
const maxThrottled = 5;
const maxRetryAfterMs = 30_000;
const maxTokenBytes = 64 * 1024;
/** A token file is read again after this time: it rotates within an hour. */
const tokenMs = 10_000;

export function createClient(access: ServerAccess, { clock, userAgent }: { clock: Clock; userAgent: string }): Client {
  const secure = access.server.startsWith("https:");
  const tls = {
    ...(access.ca === null ? {} : { ca: access.ca }),
    ...(access.certificate ?? {}),
    ...(access.serverName === null ? {} : { servername: access.serverName }),
    rejectUnauthorized: !access.insecure,
  };
  const agent = secure
    ? new HttpsAgent({ keepAlive: true, maxSockets: inFlight, ...tls })
    : new HttpAgent({ keepAlive: true, maxSockets: inFlight });
  const send = secure ? httpsRequest : httpRequest;
  const token = createTokenReader(access.token, clock);
  const counts = new Map<string, number>();
  const waiting: (() => void)[] = [];
  let free = inFlight;
  let throttledUntil = 0;
  let closed = false;

  function count(method: string, status: number): void {
    const key = `${method} ${status}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }

  async function request(method: Method, path: string, body?: unknown): Promise<Answer> {
    if (free > 0) free -= 1;
    else await new Promise<void>((done) => waiting.push(done));
    try {
      for (let turn = 0; ; turn++) {
        const pauseMs = throttledUntil - clock.monotonic();
        if (pauseMs > 0) await sleep(clock, Math.min(pauseMs, maxRetryAfterMs));
        if (closed) return { kind: "unreachable", error: "the agent is being stopped" };
        const answer = await once(method, path, body);
        count(method, answer.kind === "unreachable" ? 0 : answer.status);
        // A token that was replaced meanwhile: the new one is tried at once.
        if (answer.kind === "refused" && answer.status === 401 && turn === 0 && token.renew()) continue;
        if (answer.kind !== "refused" || answer.status !== 429 || turn >= maxThrottled) return answer;
        const afterMs = (answer.error.retryAfter ?? 1) * 1_000;
        throttledUntil = Math.max(throttledUntil, clock.monotonic() + Math.min(afterMs, maxRetryAfterMs));
      }
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  }

  function optionsOf(method: string, path: string, length: number | null): [URL, RequestOptions] {
    const bearer = token.read();
    const headers = {
      accept: "application/json",
      "user-agent": userAgent,
      ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
      ...(length === null ? {} : { "content-type": "application/json", "content-length": length }),
    };
    return [new URL(access.server + path), { method, headers }];
  }

  function once(method: Method, path: string, body: unknown): Promise<Answer> {
    return new Promise((done) => {
      const bytes = body === undefined ? null : Buffer.from(JSON.stringify(body));
      const fail = (error: unknown) => done({ kind: "unreachable", error: messageOf(error) });
      try {
        const [url, options] = optionsOf(method, path, bytes?.length ?? null);
        const sent = send(url, { ...options, agent }, (response) => {
          readBody(response, maxBodyBytes).then((text) => done(answerOf(response, text)), fail);
        });
        // For all of it: a server that trickles is one that hangs.
        const cancel = clock.after(timeoutMs, () => sent.destroy(new Error(`no answer within ${timeoutMs / 1_000} s`)));
        sent.on("close", cancel);
        sent.on("error", fail);
        sent.end(bytes ?? undefined);
      } catch (error) {
        fail(error);
      }
    });
  }

  function watch(path: string, onLine: (line: string) => void, onOpen: () => void) {
    let abort: () => void = () => undefined;
    const ended = new Promise<string | null>((done) => {
      try {
        const [url, options] = optionsOf("GET", path, null);
        // A connection of its own, so that watches leave all eight to the others.
        const sent = send(url, { ...options, ...(secure ? tls : {}), agent: false }, (response) => {
          count("WATCH", response.statusCode ?? 0);
          if (response.statusCode === 401) token.renew();
          if (response.statusCode !== 200) {
            readBody(response, maxBodyBytes).then(
              (text) =>
                done(`${response.statusCode}: ${readStatus(response.statusCode ?? 0, parseJson(text)).message}`),
              (error: unknown) => done(messageOf(error)),
            );
            return;
          }
          onOpen();
          readLines(response, onLine, (error) => sent.destroy(error));
          response.on("end", () => done(null));
          response.on("close", () => done("the connection was cut"));
          response.on("error", (error) => done(error.message));
        });
        const cancel = clock.after(timeoutMs, () => sent.destroy(new Error("no answer to a watch")));
        sent.on("response", cancel);
        sent.on("error", (error) => done(error.message));
        sent.on("close", () => {
          cancel();
          done("the connection was cut");
        });
        sent.end();
        abort = () => sent.destroy(new Error("broken off"));
      } catch (error) {
        done(messageOf(error));
      }
    });
    return { ended, abort: () => abort() };
  }

  return {
    server: access.server,
    request,
    watch,
    counts: () => counts,
    close() {
      closed = true;
      agent.destroy();
    },
  };
}

function answerOf(response: IncomingMessage, text: string): Answer {
  const status = response.statusCode ?? 0;
  const body = parseJson(text);
  if (status >= 200 && status < 300) return { kind: "ok", status, body };
  const error = readStatus(status, body);
  const header = Number(response.headers["retry-after"]);
  const retryAfter = Number.isFinite(header) && header > 0 ? header : error.retryAfter;
  return { kind: "refused", status, error: { ...error, retryAfter } };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

function readBody(response: IncomingMessage, limit: number): Promise<string> {
  return new Promise((done, fail) => {
    const chunks: Buffer[] = [];
    let length = 0;
    response.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length > limit) response.destroy(new Error(`an answer is larger than ${limit} bytes`));
      else chunks.push(chunk);
    });
    response.on("end", () => done(Buffer.concat(chunks).toString("utf8")));
    response.on("error", fail);
    response.on("close", () => fail(new Error("the connection was cut")));
  });
}

function readLines(response: IncomingMessage, onLine: (line: string) => void, onTooLong: (error: Error) => void): void {
  let rest = "";
  response.setEncoding("utf8");
  response.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > maxLineBytes) return onTooLong(new Error("a line of a watch is too long"));
    for (const line of lines) if (line !== "") onLine(line);
  });
}

interface TokenReader {
  /** Throws where it never could be read. */
  read: () => string | null;
  /** Reads it anew; returns true where it is another one now. */
  renew: () => boolean;
}

function createTokenReader(token: ServerAccess["token"], clock: Clock): TokenReader {
  if (token === null || "value" in token) return { read: () => token?.value ?? null, renew: () => false };
  const { file } = token;
  let known: { value: string; at: number } | null = null;
  function read(): string {
    if (known !== null && clock.monotonic() - known.at < tokenMs) return known.value;
    try {
      known = { value: readPlainBytes(file, maxTokenBytes).toString("utf8").trim(), at: clock.monotonic() };
    } catch (error) {
      if (known === null) throw error;
    }
    return known.value;
  }
  return {
    read,
    renew() {
      const before = known?.value;
      if (known !== null) known = { ...known, at: -Infinity };
      return read() !== before;
    },
  };
}
