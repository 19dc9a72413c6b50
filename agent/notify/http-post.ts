// One POST to an address that people wrote down, and what its answer means. Nothing of an answer but its status counts.
import type { EpochMs } from "../model/ids.ts";
import { tlsTrouble } from "../text/tls-words.ts";
import { plainLine } from "../text/untrusted.ts";
import { parseRetryAfter } from "./delivery-policy.ts";
import type { Delivery } from "./port.ts";

export interface Post {
  url: string;
  headers: Readonly<Record<string, string>>;
  body: string | Uint8Array<ArrayBuffer>;
}

export interface PostOptions {
  now: () => EpochMs;
  /** How long an answer may take. */
  timeoutMs: number;
  /** Breaks the call off. */
  signal: AbortSignal;
}

/** Sends it, with the credentials of the URL in a header. Never throws. */
export async function post({ url: to, headers, body }: Post, options: PostOptions): Promise<Delivery> {
  const { now, timeoutMs, signal: closing } = options;
  try {
    const url = new URL(to);
    const credentials: Record<string, string> = {};
    if (url.username !== "" || url.password !== "") {
      const pair = `${decoded(url.username)}:${decoded(url.password)}`;
      credentials["Authorization"] = `Basic ${Buffer.from(pair).toString("base64")}`;
      url.username = url.password = "";
    }
    const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), closing]);
    const sent = { method: "POST", headers: { ...headers, ...credentials }, body, redirect: "manual", signal } as const;
    const response = await fetch(url, sent);
    void response.body?.cancel().catch(() => undefined);
    return classify(response, now());
  } catch (error) {
    return { kind: "later", why: troubleText(error, timeoutMs), waitMs: null, down: true };
  }
}

function classify(response: Response, now: number): Delivery {
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
  return tlsTrouble(code, text) ?? plainLine(text === "" ? code || "it could not be called" : text);
}
