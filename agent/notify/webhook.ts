// Calls webhooks: a JSON POST, signed if there is a secret.
import { createHmac } from "node:crypto";
import type { Clock } from "../async/clock.ts";
import { messageOf, ConfigError } from "../errors.ts";
import { readBounded } from "../platform/files.ts";
import { post } from "./http-post.ts";
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
    const headers: Record<string, string> = {
      "Content-Type": "application/json",
      "User-Agent": userAgent,
      "X-Batch-Agent-Delivery": id,
      "X-Batch-Agent-Event": event,
    };
    if (secretFile !== null) {
      const secret = await readSecret(secretFile);
      // Nothing goes out unsigned for want of the secret.
      if ("trouble" in secret) return { kind: "later", why: secret.trouble, waitMs: null, down: true };
      const mac = createHmac("sha256", secret.key).update(content.body).digest("hex");
      headers["X-Batch-Agent-Signature"] = `sha256=${mac}`;
    }
    return post({ url: to, headers, body: content.body }, { now: clock.now, timeoutMs, signal: closing.signal });
  }

  return { send, close: () => closing.abort() };
}

/** As bytes: text of another encoding than UTF-8 would sign with another secret. */
async function readSecret(path: string): Promise<{ key: Buffer } | { trouble: string }> {
  try {
    const { bytes, size } = await readBounded(path, maxSecretBytes);
    if (size > maxSecretBytes) return { trouble: `the secret's file ${path} is larger than ${maxSecretBytes} bytes` };
    const end = /\r?\n$/.exec(bytes.toString("latin1"))?.index ?? bytes.length;
    return end === 0 ? { trouble: `the secret's file ${path} is empty` } : { key: bytes.subarray(0, end) };
  } catch (error) {
    return { trouble: `the secret cannot be read: ${messageOf(error)}` };
  }
}
