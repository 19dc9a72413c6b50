// The last changes that readers of /api/events may still ask for, by the number that the journal gave each. They
// outlive the journal's segments in a file of their own..
import type { Execution } from "../model/execution.ts";
import { decodeLine, encodeLine, type Change } from "./change.ts";

/** Events that can be asked for again. */
const keptEvents = 1_000;

export type HistoryEvent = { id: number } & (
  { kind: "execution"; execution: Execution } | { kind: "batch"; name: string }
);

export class EventRing {
  #events: HistoryEvent[] = [];
  /** All events after this number are held. */
  #floor: number;
  #newest: number;

  constructor(newest: number) {
    this.#floor = newest;
    this.#newest = newest;
  }

  /** The newest number that any change has. */
  get newest(): number {
    return this.#newest;
  }

  /** The oldest event that can be asked for; `Infinity` for none. */
  get oldest(): number {
    return this.#events.at(-keptEvents)?.id ?? this.#events[0]?.id ?? Infinity;
  }

  /** Takes in an event; numbers only grow. */
  add(id: number, change: Change): void {
    if (id <= this.#newest) return;
    this.#newest = id;
    if (change.kind === "put") this.#events.push({ id, kind: "execution", execution: change.execution });
    else if (change.kind === "touch") this.#events.push({ id, kind: "batch", name: change.batch });
    const over = this.#events.length - keptEvents;
    if (over > 0) this.#floor = this.#events[over - 1]?.id ?? this.#floor;
    // A few more are held than can be asked for, so that not every event moves all.
    if (over > keptEvents) this.#events.splice(0, over);
  }

  /** Events after a number; null when some of them are no longer held, or the number was never given. */
  since(id: number): readonly HistoryEvent[] | null {
    if (id < this.#floor || id > this.#newest) return null;
    let [low, high] = [0, this.#events.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#events[middle]?.id ?? 0) <= id) low = middle + 1;
      else high = middle;
    }
    return this.#events.slice(low);
  }

  /** All of it as text, a line an event. */
  text(): string {
    const lines = this.#events.slice(-keptEvents).map(({ id, ...event }) => {
      const change: Change =
        event.kind === "execution" ? { kind: "put", execution: event.execution } : { kind: "touch", batch: event.name };
      return encodeLine({ seq: id, changes: [change] });
    });
    return `${JSON.stringify({ floor: this.#floor, newest: this.#newest })}\n${lines.join("")}`;
  }

  /** Returns what `text` wrote; null for anything else. */
  static parse(text: string): EventRing | null {
    const [first = "", ...lines] = text.split("\n");
    try {
      const { floor, newest } = JSON.parse(first) as { floor: unknown; newest: unknown };
      if (!Number.isSafeInteger(floor) || !Number.isSafeInteger(newest)) return null;
      const ring = new EventRing(floor as number);
      for (const line of lines.slice(0, -1)) {
        const event = decodeLine(line);
        const change = event?.changes[0];
        if (event === null || change === undefined) return null;
        ring.add(event.seq, change);
      }
      ring.#newest = Math.max(ring.#newest, newest as number);
      return ring;
    } catch {
      return null;
    }
  }
}
