// Decides who may look: the token compared without telling how far it was right, the cookie that stands for it in a
// browser, and how often an address may be wrong. Knows no routes.
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { Clock } from "../../async/clock.ts";
import type { EpochMs } from "../../model/ids.ts";

export const sessionSeconds = 7 * 86_400;
/** No clock is set back further unless it was wrong before. */
const clockErrorSeconds = 86_400;
const maxWrongTokens = 10;
const wrongWithinMs = 60_000;
const maxAddresses = 1_000;

export function isSame(one: string, other: string): boolean {
  return timingSafeEqual(digestOf(one), digestOf(other));
}

/** A value for the cookie: when it ends, signed with the token, so that it is void once the token is another. */
export function issueSession(token: string, now: EpochMs): string {
  const end = String(Math.floor(now / 1000) + sessionSeconds);
  return `${end}.${signature(token, end)}`;
}

/** One that ends later than any issued now was issued by a clock that stood wrong: it could live for years. */
export function isSession(value: string, token: string, now: EpochMs): boolean {
  const [end = "", signed = ""] = value.split(".");
  const leftSeconds = /^\d{1,12}$/.test(end) ? Number(end) - now / 1000 : 0;
  const isCurrent = leftSeconds > 0 && leftSeconds <= sessionSeconds + clockErrorSeconds;
  return isCurrent && isSame(signed, signature(token, end));
}

function signature(token: string, end: string): string {
  return createHmac("sha256", token).update(`batch-agent session until ${end}`).digest("hex");
}

export interface WrongTries {
  /** Seconds an address has to wait, as it was wrong too often; 0 if it was not. */
  waitOf: (address: string) => number;
  add: (address: string, given: string) => void;
}

/**
 * Ten wrong tries a minute and address. The same wrong token again is no other try: a program that was not told of a
 * new token must not lock out who comes from behind the same proxy. The addresses that were wrong last are remembered.
 */
export function createWrongTries(clock: Clock): WrongTries {
  const tries = new Map<string, { since: number; given: Set<string> }>();
  const recent = (address: string) => {
    const known = tries.get(address);
    const age = known === undefined ? Infinity : clock.monotonic() - known.since;
    return known !== undefined && age < wrongWithinMs ? known : null;
  };
  return {
    waitOf(address) {
      const known = recent(address);
      return known === null || known.given.size < maxWrongTokens
        ? 0
        : Math.ceil((known.since + wrongWithinMs - clock.monotonic()) / 1000);
    },
    add(address, given) {
      const known = recent(address) ?? { since: clock.monotonic(), given: new Set() };
      known.given.add(digestOf(given).toString("hex"));
      tries.delete(address);
      tries.set(address, known);
      const [oldest] = tries.keys();
      if (tries.size > maxAddresses && oldest !== undefined) tries.delete(oldest);
    },
  };
}

function digestOf(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
