// Heartbeats in the manner of healthchecks.io: one call at an execution's start, one at its end.
import type { Clock } from "../async/clock.ts";
import type { Execution } from "../model/execution.ts";
import { post } from "./http-post.ts";
import type { Courier } from "./port.ts";

/** As much of the output's end is sent. */
export const pingBytes = 10 * 1024;
const answerMs = 10_000;

/**
 * Returns what is put behind a heartbeat URL's path at the end of an execution; null where nothing is sent, as it
 * never started.
 */
export function endSuffix({
  status,
  startedAt,
  exitCode,
}: Pick<Execution, "status" | "startedAt" | "exitCode">): string | null {
  if (startedAt === null) return null;
  if (status === "succeeded") return "";
  // Exit code 0 would tell a success, such as after a timeout.
  return status === "failed" && exitCode !== null && exitCode !== 0 ? `/${exitCode}` : "/fail";
}

/** Returns the URL with `suffix` behind its path, before its query. */
export function pingUrl(url: string, suffix: string): string {
  if (suffix === "") return url;
  const parsed = new URL(url);
  parsed.pathname = parsed.pathname.replace(/\/$/, "") + suffix;
  return parsed.href;
}

/** `timeoutMs`: how long an answer may take. */
export function createPinger({
  clock,
  userAgent,
  timeoutMs = answerMs,
}: {
  clock: Clock;
  userAgent: string;
  timeoutMs?: number;
}): Courier {
  const closing = new AbortController();
  return {
    async send({ content }) {
      if (content.kind !== "ping") return { kind: "refused", why: "it is no heartbeat" };
      const headers = { "Content-Type": "text/plain; charset=utf-8", "User-Agent": userAgent };
      const body = Uint8Array.from(Buffer.from(content.body, "base64"));
      const call = { url: content.url, headers, body };
      const delivery = await post(call, { now: clock.now, timeoutMs, signal: closing.signal });
      // An end must not overtake its start: what is to come waits too.
      return delivery.kind === "later" ? { ...delivery, down: true } : delivery;
    },
    close: () => closing.abort(),
  };
}
