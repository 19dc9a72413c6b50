// Takes waiting messages to their receivers, address by address: one that does not answer holds up nobody else. Each is
// tried until it is taken, refused or given up; only then its file goes. Longer than other files: every step of it
// changes the state of one address, which one class guards.
import { messageOf } from "../errors.ts";
import type { Clock } from "../async/clock.ts";
import { sleep } from "../async/sleep.ts";
import type { Logger } from "../logger.ts";
import type { EpochMs } from "../model/ids.ts";
import { addressOf, giveUpDays, isTooOld, mayGo, maxWaiting, placeOf, retryWait } from "./delivery-policy.ts";
import { GivenUpLog } from "./given-up-log.ts";
import type { Courier, Delivery, Outbox, Message } from "./port.ts";

/** Deliveries under way at once of each kind; each address has one at a time. */
const maxParallel = { mail: 4, webhook: 64, ping: 64 };
/** The ones of them to addresses that did not answer the last time: the rest is kept for the others. */
const maxRetries = { mail: 1, webhook: 16, ping: 16 };
const storeRetryMs = 1_000;
/** At the end, how long those under way may take. */
const lastWaitMs = 1_500;

export interface Deliveries {
  /** Takes a message that is on disk. */
  add: (message: Message) => void;
  /** Resolves once what was given up so far is off the disk. Call before `start`. */
  settled: () => Promise<void>;
  start: () => void;
  /** Nothing new goes out; what is under way gets a moment, the rest stays on disk. */
  stop: () => Promise<void>;
  /** Hears of each message that will never be taken. */
  onLost: (listener: (place: string, why: string) => void) => void;
  /** Returns where nobody takes anything, and why; addresses of one host are one. */
  trouble: () => { place: string; why: string; waiting: number }[];
  counts: () => DeliveryCounts;
}

interface DeliveryCounts {
  waiting: number;
  /** Since the agent started. */
  delivered: number;
  refused: number;
  givenUp: number;
}

interface Waiting extends Omit<Message, "content" | "to"> {
  place: Place;
  failures: number;
  notBefore: EpochMs;
}

/** One address. */
interface Place {
  address: string;
  /** Holds what may be shown of it. */
  name: string;
  courier: Message["content"]["kind"];
  /** Oldest first. */
  waiting: Waiting[];
  /** Ids of those under way. */
  sending: Set<string>;
  failures: number;
  notBefore: EpochMs;
  /** Why nothing was taken the last time; null when something was. */
  why: string | null;
  /** When that was. */
  failedAt: EpochMs;
  cancel: () => void;
}

export interface DeliveriesDeps {
  clock: Clock;
  log: Logger;
  outbox: Outbox;
  /** `mail` is null when the agent has no mail server: mails wait for one. */
  couriers: { mail: Courier | null; webhook: Courier; ping: Courier };
}

export function createDeliveries(deps: DeliveriesDeps): Deliveries {
  const loop = new DeliveryLoop(deps);
  return {
    add: (message) => loop.add(message),
    settled: () => loop.settled(),
    onLost: (listener) => loop.onLost(listener),
    start: () => loop.start(),
    stop: () => loop.stop(),
    trouble: () => loop.trouble(),
    counts: () => loop.counts(),
  };
}

/** Invariants: an address is sent one message at a time, oldest first; what waits for one holds up no other. */
class DeliveryLoop {
  readonly #deps: DeliveriesDeps;
  readonly #places = new Map<string, Place>();
  readonly #underWay = new Set<Promise<void>>();
  readonly #tally = { delivered: 0, refused: 0, givenUp: 0 };
  readonly #sending = { mail: 0, webhook: 0, ping: 0 };
  readonly #retrying = { mail: 0, webhook: 0, ping: 0 };
  readonly #lostListeners: ((place: string, why: string) => void)[] = [];
  readonly #givenUp: GivenUpLog;
  #waiting = 0;
  #going = false;

  constructor(deps: DeliveriesDeps) {
    this.#deps = deps;
    this.#givenUp = new GivenUpLog(deps);
  }

  add(message: Message): void {
    const { to: _to, content, ...rest } = message;
    const place = this.#placeAt(addressOf(message), placeOf(message), content.kind);
    if (place.waiting.some(({ id }) => id === message.id)) return;
    place.waiting.push({ ...rest, place, failures: 0, notBefore: 0 });
    this.#waiting += 1;
    if (this.#waiting > maxWaiting) this.#giveUpOldest();
    this.#pump(place);
  }

  async settled(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  onLost(listener: (place: string, why: string) => void): void {
    this.#lostListeners.push(listener);
  }

  start(): void {
    this.#going = true;
    this.#pumpAll();
  }

  async stop(): Promise<void> {
    const { couriers, clock } = this.#deps;
    this.#going = false;
    for (const place of this.#places.values()) place.cancel();
    const close = () => [couriers.mail, couriers.webhook, couriers.ping].forEach((courier) => courier?.close());
    const late = clock.after(lastWaitMs, close);
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
    late();
    close();
    this.#givenUp.flush();
  }

  trouble(): { place: string; why: string; waiting: number }[] {
    const found = new Map<string, { place: string; why: string; waiting: number }>();
    for (const { name, why, waiting } of this.#places.values()) {
      if (why === null || waiting.length === 0) continue;
      const known = found.get(name) ?? { place: name, why, waiting: 0 };
      found.set(name, { ...known, waiting: known.waiting + waiting.length });
    }
    return [...found.values()];
  }

  counts(): DeliveryCounts {
    return { waiting: this.#waiting, ...this.#tally };
  }

  #placeAt(address: string, name: string, courier: Place["courier"]): Place {
    let place = this.#places.get(address);
    if (place === undefined) {
      place = {
        address,
        name,
        courier,
        waiting: [],
        sending: new Set(),
        failures: 0,
        notBefore: 0,
        why: null,
        failedAt: 0,
        cancel: () => undefined,
      };
      this.#places.set(address, place);
    }
    return place;
  }

  /** Gives up one of the address with the most, so that one that is dead for long does not cost the others theirs. */
  #giveUpOldest(): void {
    let fullest: Place | undefined;
    for (const place of this.#places.values())
      if (fullest === undefined || place.waiting.length > fullest.waiting.length) fullest = place;
    const oldest = fullest?.waiting.find(({ id }) => !fullest.sending.has(id));
    if (oldest !== undefined) this.#giveUp(oldest, `more than ${maxWaiting} wait`);
  }

  #giveUp(waiting: Waiting, why: string): void {
    this.#tally.givenUp += 1;
    this.#lost(waiting, `given up: ${waiting.place.why ?? why}`);
    this.#givenUp.add({
      ...labelOf(waiting),
      reason: why,
      ...(waiting.place.why === null ? {} : { last: waiting.place.why }),
    });
    this.#discard(waiting);
  }

  #lost({ place }: Waiting, why: string): void {
    for (const listener of this.#lostListeners) listener(place.name, why);
  }

  #discard(waiting: Waiting): void {
    const { place, id } = waiting;
    place.waiting = place.waiting.filter((other) => other !== waiting);
    this.#waiting -= 1;
    if (place.waiting.length === 0) {
      place.cancel();
      this.#places.delete(place.address);
    }
    this.#track(this.#removed(id));
  }

  /** Again and again, and not sent meanwhile; an agent that starts before it has worked sends it once more. */
  async #removed(id: string): Promise<void> {
    for (let said = false; ; said = true) {
      try {
        await this.#deps.outbox.remove(id);
        return;
      } catch (error) {
        if (!said)
          this.#deps.log.error("a message that is done with cannot be deleted", { id, error: errorText(error) });
        if (!this.#going) return;
        await sleep(this.#deps.clock, storeRetryMs);
      }
    }
  }

  #track(work: Promise<void>): void {
    const done = work
      .catch((error: unknown) =>
        this.#deps.log.error("a message could not be seen to in order", { error: errorText(error) }),
      )
      .finally(() => this.#underWay.delete(done));
    this.#underWay.add(done);
  }

  #pumpAll(): void {
    for (const place of [...this.#places.values()]) this.#pump(place);
  }

  /** Sends what may go now, and sets the timer for what may go later. */
  #pump(place: Place): void {
    const courier = this.#deps.couriers[place.courier];
    place.cancel();
    if (!this.#going) return;
    const now = this.#deps.clock.now();
    // What is old because no agent ran, or because the clock was set, is tried before it is given up.
    const asOf = courier === null ? now : place.failedAt;
    for (const old of place.waiting.filter(({ id, createdAt }) => !place.sending.has(id) && isTooOld(createdAt, asOf)))
      this.#giveUp(old, `nobody took it for ${giveUpDays} days`);
    if (courier === null) return this.#rest(place, now + 3_600_000);
    if (place.sending.size === 0 && this.#hasRoom(place) && mayGo(place.notBefore, now)) {
      const next = place.waiting.find(({ notBefore }) => mayGo(notBefore, now));
      if (next !== undefined) this.#track(this.#deliver(next, courier));
    }
    const times = place.waiting
      .filter(({ id }) => !place.sending.has(id))
      .map(({ notBefore }) => Math.max(notBefore, place.notBefore));
    const soonest = Math.min(...times);
    if (place.sending.size === 0 && soonest > now) this.#rest(place, soonest);
  }

  #hasRoom({ courier, why }: Place): boolean {
    return (
      this.#sending[courier] < maxParallel[courier] && (why === null || this.#retrying[courier] < maxRetries[courier])
    );
  }

  #rest(place: Place, until: EpochMs): void {
    if (place.waiting.length > 0)
      place.cancel = this.#deps.clock.after(Math.max(0, until - this.#deps.clock.now()), () => this.#pump(place));
  }

  async #deliver(waiting: Waiting, courier: Courier): Promise<void> {
    const { place, id } = waiting;
    place.sending.add(id);
    const isRetry = place.why !== null;
    this.#sending[place.courier] += 1;
    if (isRetry) this.#retrying[place.courier] += 1;
    let delivery: Delivery | null = null;
    try {
      const message = await this.#deps.outbox.read(id);
      delivery = message === null ? { kind: "refused", why: "its file is gone" } : await courier.send(message);
    } catch (error) {
      delivery = { kind: "later", why: errorText(error), waitMs: null, down: true };
    } finally {
      place.sending.delete(id);
      this.#sending[place.courier] -= 1;
      if (isRetry) this.#retrying[place.courier] -= 1;
    }
    this.#settle(waiting, delivery);
    this.#pumpAll(); // others may have waited for a place among the calls
  }

  #settle(waiting: Waiting, delivery: Delivery): void {
    const { place } = waiting;
    const now = this.#deps.clock.now();
    switch (delivery.kind) {
      case "accepted":
        if (place.why !== null) this.#deps.log.info("messages are taken again", { to: place.name });
        Object.assign(place, { failures: 0, notBefore: 0, why: null });
        this.#tally.delivered += 1;
        this.#deps.log.debug("message delivered", labelOf(waiting));
        this.#discard(waiting);
        break;
      case "refused":
        Object.assign(place, { failures: 0, notBefore: 0, why: null });
        this.#tally.refused += 1;
        this.#lost(waiting, `refused: ${delivery.why}`);
        this.#deps.log.error("a message was refused; it is not tried again", {
          ...labelOf(waiting),
          reason: delivery.why,
        });
        this.#discard(waiting);
        break;
      case "later": {
        if (!this.#going) return; // broken off because the agent ends: it says nothing about the place
        const failing = delivery.down ? place : waiting;
        failing.failures += 1;
        failing.notBefore = now + retryWait(failing.failures, delivery.waitMs);
        if (!delivery.down) Object.assign(place, { failures: 0, notBefore: 0 });
        const known = place.why !== null;
        Object.assign(place, { why: delivery.why, failedAt: now });
        this.#deps.log[known ? "debug" : "warn"]("a message is not taken yet; it is tried again", {
          ...labelOf(waiting),
          reason: delivery.why,
        });
        break;
      }
      default:
        return delivery satisfies never;
    }
  }
}

function labelOf({ id, batch, event, place }: Waiting): object {
  return { batch, event, to: place.name, id };
}

function errorText(error: unknown): string {
  return messageOf(error);
}
