// Sends mail over SMTP with nodemailer. Says of each mail whether it was taken, refused, or is to be tried again.
import { createTransport } from "nodemailer";
import { messageOf, ConfigError } from "../errors.ts";
import { isLoopback } from "../text/loopback.ts";
import { tlsTrouble } from "../text/tls-words.ts";
import { plainLine } from "../text/untrusted.ts";
import type { Courier, Delivery, Message } from "./port.ts";

const answerMs = 10_000;
const silenceMs = 30_000;
/** How long one mail may take in all. */
const sendMs = 60_000;
const connections = 2;

/**
 * `url`: smtp:// (TLS by STARTTLS where the server offers it, and always where a password is sent beyond this machine)
 * or smtps:// (TLS from the start), with `user:password@` and nodemailer's options as `?name=value`. `from`: null for
 * the URL's user if that is an address, else batch-agent@ and `hostname`. Throws ConfigError.
 */
export function createMailer(url: string, { from, hostname }: { from: string | null; hostname: string }): Courier {
  const { protocol, hostname: host, username, password } = new URL(url);
  const user = decoded(username);
  const sender = from ?? (isAddress(user) ? user : `batch-agent@${hostname}`);
  if (/\p{Cc}/u.test(sender) || !isAddress(/<([^<>]*)>\s*$/.exec(sender)?.[1] ?? sender)) {
    throw new ConfigError(
      "--mail-from: this is not a mail address",
      "write it as batch@example.org, or as: Batches <batch@example.org>",
    );
  }
  const domain = /@([^@<>\s]+)/.exec(sender)?.[1] ?? hostname;
  const local = isLoopback(host);
  const transport = createTransport({
    url,
    pool: true,
    maxConnections: connections,
    maxRequeues: 0, // what was broken off may have been taken: it is for the caller to try again
    connectionTimeout: answerMs,
    greetingTimeout: answerMs,
    dnsTimeout: answerMs,
    socketTimeout: silenceMs,
    disableFileAccess: true,
    disableUrlAccess: true,
    // no certificate names this machine's own address
    ...(protocol === "smtp:" && local ? { tls: { rejectUnauthorized: false } } : {}),
    ...(protocol === "smtp:" && !local && username !== "" ? { requireTLS: true } : {}),
  });
  const secrets = [password, decoded(password)].filter((secret) => secret !== "");
  const said = (error: unknown) => {
    const text = messageOf(error);
    const trouble = tlsTrouble((error as SmtpError).code ?? "", text);
    if (trouble !== null) return trouble;
    return plainLine(secrets.reduce((masked, secret) => masked.replaceAll(secret, "***"), text));
  };

  async function send(message: Message): Promise<Delivery> {
    const { id, to, event, content, createdAt } = message;
    if (content.kind !== "mail") return { kind: "refused", why: "it is no mail" };
    try {
      await transport.sendMail({
        from: sender,
        to: { name: "", address: to },
        subject: content.subject,
        text: content.text,
        html: content.html,
        date: new Date(createdAt),
        messageId: `<${id}@${domain}>`,
        headers: { "Auto-Submitted": "auto-generated", "X-Batch-Agent-Event": event },
        signal: AbortSignal.timeout(sendMs),
      });
      return { kind: "accepted" };
    } catch (error) {
      return classify(error as SmtpError, said(error));
    }
  }

  return { send, close: () => transport.close({ force: true }) };
}

interface SmtpError extends Error {
  code?: string;
  responseCode?: number;
  command?: string;
}

/** A receiver, or what is written, may be refused for good; all else (nobody there, login, sender) may be mended. */
function classify({ code, responseCode = 0, command }: SmtpError, why: string): Delivery {
  const ofMessage = (code === "EENVELOPE" && command !== "MAIL FROM") || code === "EMESSAGE";
  const final = command === "API" || (responseCode >= 500 && responseCode !== 503);
  if (ofMessage && final) return { kind: "refused", why };
  return { kind: "later", why, waitMs: null, down: !ofMessage || responseCode === 421 };
}

function isAddress(text: string): boolean {
  return /^[^\s@<>"]+@[^\s@<>"]+$/.test(text);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
