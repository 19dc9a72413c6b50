// Calls webhooks: a JSON POST, signed if there is a secret. Nothing of an answer but its status counts.
import { createHmac } from "node:crypto";
import type { Clock } from "../async/clock.ts";
import { ConfigError } from "../errors.ts";
import { readBounded } from "../platform/files.ts";
import { plainLine } from "../text/untrusted.ts";
import { parseRetryAfter } from "./delivery-policy.ts";
import type { Courier, Delivery, Message } from "./port.ts";

const answerMs = 10_000;
const maxSecretBytes = 64 * 1024;

export interface WebhookOptions {
  clock: Clock;
  /** Path of the file that holds the secret, read anew for each call; null: unsigned. */
  secretFile: string | null;
  userAgent: string;
  /** How long an answer may take. */
  timeoutMs?: number;
}

/** Throws ConfigError when there is to be a secret and it cannot be read. */
export async function openWebhookCaller({
  clock,
  secretFile,
  userAgent,
  timeoutMs = answerMs,
}: WebhookOptions): Promise<Courier> {
  const closing = new AbortController();
  const first = secretFile === null ? null : await readSecret(secretFile);
  if (first !== null && "trouble" in first)
    throw new ConfigError(
      `--webhook-secret-file: ${first.trouble}`,
      "write the secret into it, or take the option out",
    );

  async function send({ id, to, event, content }: Message): Promise<Delivery> {
    if (content.kind !== "webhook") return { kind: "refused", why: "it is no webhook" };
    try {
      const url = new URL(to);
      const headers: Record<string, string> = {
        "Content-Type": "application/json",
        "User-Agent": userAgent,
        "X-Batch-Agent-Delivery": id,
        "X-Batch-Agent-Event": event,
      };
      if (url.username !== "" || url.password !== "") {
        headers.Authorization = `Basic ${Buffer.from(`${decoded(url.username)}:${decoded(url.password)}`).toString("base64")}`;
        url.username = url.password = "";
      }
      if (secretFile !== null) {
        const secret = await readSecret(secretFile);
        // Nothing goes out unsigned for want of the secret.
        if ("trouble" in secret) return { kind: "later", why: secret.trouble, waitMs: null, down: true };
        headers["X-Batch-Agent-Signature"] =
          `sha256=${createHmac("sha256", secret.key).update(content.body).digest("hex")}`;
      }
      const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), closing.signal]);
      const response = await fetch(url, { method: "POST", headers, body: content.body, redirect: "manual", signal });
      void response.body?.cancel().catch(() => undefined);
      return judge(response, clock.now());
    } catch (error) {
      return { kind: "later", why: troubleText(error, timeoutMs), waitMs: null, down: true };
    }
  }

  return { send, close: () => closing.abort() };
}

function judge(response: Response, now: number): Delivery {
  const { status } = response;
  if (status >= 200 && status < 300) return { kind: "accepted" };
  const why = `it answered ${status}`;
  if (status >= 300 && status < 400) return { kind: "refused", why: `${why}, and redirects are not followed` };
  if (status >= 500 || status === 429 || status === 408 || status === 425) {
    return { kind: "later", why, waitMs: parseRetryAfter(response.headers.get("Retry-After"), now), down: false };
  }
  return { kind: "refused", why };
}

/** Returns the text as it stands where it is not encoded, as a password with a bare `%`. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The innermost cause, as `fetch failed` tells nothing; never with the URL. */
function troubleText(error: unknown, timeoutMs: number): string {
  if (error instanceof Error && error.name === "TimeoutError") return `no answer within ${timeoutMs / 1_000} s`;
  let cause = error;
  while (cause instanceof Error && cause.cause !== undefined) cause = cause.cause;
  if (cause instanceof AggregateError && cause.errors[0] !== undefined) cause = cause.errors[0];
  const code = cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "";
  const text = cause instanceof Error && !/https?:\/\//.test(cause.message) ? cause.message : "";
  return plainLine(text === "" ? code || "it could not be called" : text);
}

/** As bytes: text of another encoding than UTF-8 would sign with another secret. */
async function readSecret(path: string): Promise<{ key: Buffer } | { trouble: string }> {
  try {
    const { bytes, size } = await readBounded(path, maxSecretBytes);
    if (size > maxSecretBytes) return { trouble: `the secret's file ${path} is larger than ${maxSecretBytes} bytes` };
    const end = /\r?\n$/.exec(bytes.toString("latin1"))?.index ?? bytes.length;
    return end === 0 ? { trouble: `the secret's file ${path} is empty` } : { key: bytes.subarray(0, end) };
  } catch (error) {
    return { trouble: `the secret cannot be read: ${error instanceof Error ? error.message : String(error)}` };
  }
}
