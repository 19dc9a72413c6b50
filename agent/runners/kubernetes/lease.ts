// The Lease by which one of several agents leads. A leader that cannot renew it leaves before another may take it; it
// is asked right before every commit and every request for a pod.
import { performance } from "node:perf_hooks";
import type { Clock } from "../../async/clock.ts";
import type { Logger } from "../../logger.ts";
import type { Client } from "./client.ts";
import {
  leaseSeconds,
  mayAcquire,
  microTime,
  readLease,
  renewDeadlineMs,
  urlAnnotation,
  type LeaseRead,
} from "./lease-rules.ts";

export interface LeaseDeps {
  client: Client;
  clock: Clock;
  log: Logger;
  namespace: string;
  name: string;
  /** Of this agent: another one each time it starts. */
  identity: string;
  /** Where others reach this agent. */
  url: string;
  /** Called when this agent leads no more: it must end at once and leave all as it is. */
  onLost: (why: string) => void;
}

interface LeaseHealth {
  name: string;
  holder: string | null;
  leading: boolean;
  /** When this agent began to lead, or first saw who does. */
  since: string | null;
}

const turnMs = 2_000;

export class Lease {
  readonly #deps: LeaseDeps;
  readonly #path: string;
  #read: LeaseRead | null = null;
  /** When the last change of it was seen, by a clock that only goes on. */
  #seenAt = 0;
  #epoch: number | null = null;
  /** Time of the last renewal's request by both clocks: one of them stands still while a machine sleeps. */
  #renewedAt: { monotonic: number; wall: number } | null = null;
  #since: string | null = null;
  #isOver = false;
  #cancel: () => void = () => undefined;
  #lead: (epoch: number) => void = () => undefined;
  /** Resolves with the epoch once this agent leads. */
  readonly leading: Promise<number>;

  constructor(deps: LeaseDeps) {
    this.#deps = deps;
    this.#path = `/apis/coordination.k8s.io/v1/namespaces/${deps.namespace}/leases`;
    this.leading = new Promise((done) => (this.#lead = done));
  }

  /** Resolves after the first look. */
  start(): Promise<void> {
    return this.#turn();
  }

  /** Where the leader is reached; null while nobody leads, or this agent does. */
  leaderUrl(): string | null {
    return this.#epoch !== null || this.#read === null || this.#read.holder === "" ? null : this.#read.url;
  }

  health(): LeaseHealth {
    const { name, identity } = this.#deps;
    const holder = this.#epoch === null ? this.#read?.holder || null : identity;
    return { name, holder, leading: this.#epoch !== null, since: this.#since };
  }

  /** Throws where this agent leads no more, once it has said so. */
  fence = (): void => {
    if (!this.#isOver && this.#epoch !== null && !this.#isPastDeadline()) return;
    throw new Error("this agent leads no more");
  };

  lose(why: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancel();
    this.#deps.onLost(why);
  }

  /** Gives it back, so that another may lead at once. */
  async release(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancel();
    const lease = this.#read;
    if (this.#epoch === null || lease === null) return;
    await this.#deps.client.request("PUT", `${this.#path}/${this.#deps.name}`, this.#body("", lease));
  }

  async #turn(): Promise<void> {
    if (this.#isPastDeadline()) return; // it stood still, and asks nobody any more
    await this.#poll();
    if (this.#isOver || this.#isPastDeadline()) return;
    this.#cancel = this.#deps.clock.after(turnMs, () => void this.#turn());
  }

  async #poll(): Promise<void> {
    const { client, identity, name, log } = this.#deps;
    const answer = await this.#within(client.request("GET", `${this.#path}/${name}`));
    if (answer === null) return;
    if (answer.kind === "refused" && answer.status === 404) return this.#write("POST", this.#path, null);
    if (answer.kind !== "ok") {
      const error = answer.kind === "unreachable" ? answer.error : answer.error.message;
      log.warn("the Lease cannot be read", { lease: name, error });
      return;
    }
    const lease = readLease(answer.body);
    if (lease.resourceVersion !== this.#read?.resourceVersion) this.#seenAt = performance.now();
    if (lease.holder !== this.#read?.holder) this.#since = new Date(this.#deps.clock.now()).toISOString();
    this.#read = lease;
    if (this.#epoch !== null && lease.holder !== identity) {
      this.lose(`${lease.holder === "" ? "nobody" : lease.holder} holds the Lease ${name} now`);
      return;
    }
    if (mayAcquire(lease, identity, performance.now() - this.#seenAt))
      await this.#write("PUT", `${this.#path}/${name}`, lease);
  }

  async #write(method: "POST" | "PUT", path: string, lease: LeaseRead | null): Promise<void> {
    const { client, clock, identity } = this.#deps;
    const at = { monotonic: performance.now(), wall: clock.now() };
    const answer = await this.#within(client.request(method, path, this.#body(identity, lease)));
    if (answer?.kind !== "ok" || this.#isOver) return; // somebody was faster, or nobody knows: the next look tells
    this.#read = readLease(answer.body);
    this.#seenAt = performance.now();
    this.#renewedAt = at;
    if (this.#epoch !== null) return;
    this.#epoch = this.#read.transitions;
    this.#since = new Date(clock.now()).toISOString();
    this.#lead(this.#epoch);
  }

  #body(holder: string, lease: LeaseRead | null) {
    const { namespace, name, url, clock } = this.#deps;
    const now = microTime(clock.now());
    const isNew = lease === null || (holder !== "" && lease.holder !== holder);
    return {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: {
        name,
        namespace,
        annotations: { [urlAnnotation]: holder === "" ? "" : url },
        ...(lease === null ? {} : { resourceVersion: lease.resourceVersion }),
      },
      spec: {
        holderIdentity: holder,
        leaseDurationSeconds: leaseSeconds,
        leaseTransitions: (lease?.transitions ?? 0) + (isNew ? 1 : 0),
        renewTime: now,
        ...(isNew ? { acquireTime: now } : {}),
      },
    };
  }

  /** A request that hangs must not keep a leader from leaving. */
  #within<T>(work: Promise<T>): Promise<T | null> {
    return new Promise((done) => {
      const cancel = this.#deps.clock.after(renewDeadlineMs / 2, () => done(null));
      void work.then((result) => {
        cancel();
        done(result);
      });
    });
  }

  /** Returns whether this agent led and leads no more: it has said so then. */
  #isPastDeadline(): boolean {
    if (this.#epoch === null || this.#sinceRenewalMs() <= renewDeadlineMs) return false;
    this.lose(`the Lease ${this.#deps.name} could not be renewed for ${renewDeadlineMs / 1_000} s`);
    return true;
  }

  #sinceRenewalMs(): number {
    if (this.#renewedAt === null) return Infinity;
    const { monotonic, wall } = this.#renewedAt;
    const wallMs = this.#deps.clock.now() - wall;
    const monotonicMs = performance.now() - monotonic;
    // A machine that slept: its monotonic clock stood still. A clock that was set is not a sleep, but costs no more
    // than a change of leader.
    return wallMs > 0 ? Math.max(wallMs, monotonicMs) : monotonicMs;
  }
}
