// Who leads, decided from a Lease as it was read. Whether its holder is gone is judged by how long this agent has seen
// no change of it: clocks of two machines are never compared. Pure.
import { object, text } from "./api.ts";

/** A holder that has not renewed it for so long is gone. */
export const leaseSeconds = 15;
/** A leader that could not renew it for so long leaves: before anybody else can take it. */
export const renewDeadlineMs = 10_000;

export interface LeaseRead {
  holder: string;
  /** Counts the changes of leader: what an earlier one still writes bears a smaller number. */
  transitions: number;
  durationMs: number;
  resourceVersion: string;
  url: string | null;
}

export const urlAnnotation = "batch-agent/url";

export function readLease(value: unknown): LeaseRead {
  const lease = object(value);
  const metadata = object(lease?.["metadata"]);
  const spec = object(lease?.["spec"]);
  const seconds = spec?.["leaseDurationSeconds"];
  const transitions = spec?.["leaseTransitions"];
  return {
    holder: text(spec?.["holderIdentity"]) ?? "",
    transitions: typeof transitions === "number" ? transitions : 0,
    durationMs: (typeof seconds === "number" ? seconds : leaseSeconds) * 1_000,
    resourceVersion: text(metadata?.["resourceVersion"]) ?? "",
    url: text(object(metadata?.["annotations"])?.[urlAnnotation]),
  };
}

/** `seenForMs`: since this agent saw the last change of it. */
export function mayAcquire(lease: LeaseRead, identity: string, seenForMs: number): boolean {
  return lease.holder === "" || lease.holder === identity || seenForMs > lease.durationMs;
}

/** Times of a Lease have exactly six digits of a second. */
export function microTime(at: number): string {
  return new Date(at).toISOString().replace("Z", "000Z");
}
