// How long a message that nobody takes is tried, and how often. Pure.
import type { Iso, EpochMs } from "../model/ids.ts";

const dayMs = 86_400_000;
const firstWaitMs = 1_000;
const maxWaitMs = 300_000;
const maxAskedMs = 3_600_000;

/** Messages older than this are given up. */
export const giveUpDays = 3;
/** So many wait at most; beyond that the oldest are given up. */
export const maxWaiting = 1_000;

/**
 * Wait before the next try after `failures` in a row (at least 1), in ms: 1 s, 2 s, 4 s … 5 min; what a receiver asks
 * for up to an hour.
 */
export function retryWait(failures: number, askedMs: number | null): number {
  const own = Math.min(maxWaitMs, firstWaitMs * 2 ** Math.min(failures - 1, 30));
  return askedMs === null ? own : Math.min(maxAskedMs, Math.max(own, askedMs));
}

/**
 * Returns whether its wait is over. One longer than any wait there is was set by a clock that stood wrong: it holds
 * nothing up.
 */
export function mayGo(notBefore: EpochMs, now: EpochMs): boolean {
  return notBefore <= now || notBefore - now > maxAskedMs;
}

export function isTooOld(createdAt: Iso, now: EpochMs): boolean {
  return now - Date.parse(createdAt) > giveUpDays * dayMs;
}

type Addressed = { to: string; content: { kind: "mail" | "webhook" | "ping" } };

/**
 * Returns what messages share that wait for one another: the address alone, as its neighbours may answer all the
 * same.
 */
export function addressOf({ to, content }: Addressed): string {
  return `${content.kind} ${to}`;
}

/** Returns what may be shown of an address: `mail`, or scheme, host and port of a URL. Throws on what is no URL. */
export function placeOf({ to, content }: Addressed): string {
  return content.kind === "mail" ? "mail" : new URL(to).origin;
}

/** Milliseconds that a Retry-After header asks for, null when it asks for none. */
export function parseRetryAfter(header: string | null, now: EpochMs): number | null {
  if (header === null) return null;
  const text = header.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1_000;
  const at = /^[A-Z][a-z]{2}, /.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}
