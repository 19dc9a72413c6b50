// The zone in which a batch is scheduled, and the time there. Pure.
import type { Batch } from "../../model/batch.ts";

/** Returns the zone of its schedule, or the one set for it where it has none; null where nothing names a zone. */
export function zoneOf(batch: Pick<Batch, "schedule" | "file"> | null | undefined): string | null {
  return batch?.schedule?.timeZone ?? batch?.file.timeZone ?? null;
}

const clocks = new Map<string, Intl.DateTimeFormat>();
const maxClocks = 100;

/** `2026-11-24 07:00 Asia/Tokyo` */
export function zoneText(at: string, timeZone: string): string {
  let clock = clocks.get(timeZone);
  if (clock === undefined) {
    if (clocks.size >= maxClocks) clocks.clear();
    clock = new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "short" });
    clocks.set(timeZone, clock);
  }
  return `${clock.format(Date.parse(at))} ${timeZone}`;
}
