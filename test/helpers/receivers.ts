// Who gets messages: a real SMTP server and a real HTTP server, which behave as badly as they are told to.
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import { afterEach } from "vitest";
import { temporaryFolder } from "./tmp.ts";

const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

export interface ReceivedMail {
  from: string;
  to: string[];
  /** As it came, headers and all. */
  raw: string;
  headers: Record<string, string>;
  /** Whether it came over TLS, and as whom. */
  secure: boolean;
  user: string | null;
}

export interface MailServer {
  port: number;
  mails: ReceivedMail[];
  /** Connections there have been. */
  connections: () => number;
  stop: () => Promise<void>;
}

/**
 * An SMTP server on 127.0.0.1; without STARTTLS and AUTH unless `options` says otherwise. `port` 0 takes a free one.
 */
export async function mailServer(options: SMTPServerOptions = {}, port = 0): Promise<MailServer> {
  const mails: ReceivedMail[] = [];
  let connections = 0;
  const server = new SMTPServer({
    disabledCommands: ["STARTTLS", "AUTH"],
    logger: false,
    closeTimeout: 100,
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        const raw = Buffer.concat(chunks).toString("utf8");
        const { mailFrom, rcptTo } = session.envelope;
        const from = mailFrom === false ? "" : mailFrom.address;
        mails.push({
          from,
          to: rcptTo.map(({ address }) => address),
          raw,
          headers: headersOf(raw),
          secure: session.secure,
          user: session.user === undefined ? null : String(session.user),
        });
        done();
      });
    },
    ...options,
    onConnect(session, done) {
      connections += 1;
      if (options.onConnect === undefined) done();
      else options.onConnect.call(server, session, done);
    },
  });
  server.on("error", () => undefined);
  server.listen(port, "127.0.0.1");
  await once(server.server, "listening");
  let stopped: Promise<void> | null = null;
  const stop = () => (stopped ??= new Promise<void>((done) => server.close(() => done())));
  closing.push(stop);
  return { port: (server.server.address() as AddressInfo).port, mails, connections: () => connections, stop };
}

function headersOf(raw: string): Record<string, string> {
  const head = raw.slice(0, raw.indexOf("\r\n\r\n")).replace(/\r\n[ \t]+/g, " ");
  return Object.fromEntries(
    head
      .split("\r\n")
      .map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
  );
}

/** The texts of a mail's parts, decoded. */
export function partsOf({ raw }: ReceivedMail): { plain: string; html: string } {
  const part = (type: string) => {
    const at = raw.indexOf(`Content-Type: text/${type}`);
    const [head = "", ...rest] = raw.slice(at).split("\r\n\r\n");
    const body = rest.join("\r\n\r\n").split("\r\n----")[0] ?? "";
    if (/base64/.test(head)) return Buffer.from(body, "base64").toString("utf8");
    if (!/quoted-printable/.test(head)) return body;
    const bytes = body
      .replace(/=\r\n/g, "")
      .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
    return Buffer.from(bytes, "latin1").toString("utf8");
  };
  return { plain: part("plain").replaceAll("\r\n", "\n"), html: part("html").replaceAll("\r\n", "\n") };
}

/** A key and a certificate for localhost and 127.0.0.1, signed by itself; `certFile` is for who is to trust it. */
export function selfSigned(): { key: Buffer; cert: Buffer; certFile: string } {
  const home = temporaryFolder();
  const [keyFile, certFile] = [join(home, "key.pem"), join(home, "cert.pem")];
  const names = "subjectAltName=DNS:localhost,IP:127.0.0.1";
  execFileSync(
    "openssl",
    [
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-days",
      "2",
      "-subj",
      "/CN=localhost",
      "-addext",
      names,
      "-keyout",
      keyFile,
      "-out",
      certFile,
    ],
    { stdio: "ignore" },
  );
  return { key: readFileSync(keyFile), cert: readFileSync(certFile), certFile };
}

export interface Call {
  path: string;
  method: string;
  headers: IncomingHttpHeaders;
  body: string;
}

/** An HTTP server on 127.0.0.1 that answers each whole request as `answer` does; 200 without one. */
export async function webhookServer(
  answer: (call: Call, response: ServerResponse) => void = (_, response) => void response.end(),
  port = 0,
) {
  const calls: Call[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const call = {
        path: request.url ?? "",
        method: request.method ?? "",
        headers: request.headers,
        body: Buffer.concat(chunks).toString("utf8"),
      };
      calls.push(call);
      answer(call, response);
    });
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  let stopped: Promise<void> | null = null;
  const stop = () => {
    stopped ??= new Promise<void>((done) => server.close(() => done()));
    server.closeAllConnections();
    return stopped;
  };
  closing.push(stop);
  const { port: taken } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${taken}`, port: taken, calls, stop };
}
