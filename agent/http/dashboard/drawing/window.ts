// Decides which stretch of time a timeline shows, what lies beside it, and where its ticks are. Pure.
import type { EpochMs } from "../../../model/ids.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
/** Units across a window, however long it is. */
export const timelineWidth = 1_440;

export type Zoom = "hour" | "6h" | "day" | "week";
export const zooms: readonly Zoom[] = ["hour", "6h", "day", "week"];

const lengths: Record<Zoom, number> = { hour: hourMs, "6h": 6 * hourMs, day: dayMs, week: 7 * dayMs };
const tickSteps: Record<Zoom, number> = { hour: 10 * minuteMs, "6h": hourMs, day: 3 * hourMs, week: dayMs };

export interface TimeWindow {
  from: EpochMs;
  to: EpochMs;
  zoom: Zoom;
  /** True when it is the one around now, which moves on. */
  isLive: boolean;
}

/** A window that begins at `from`, on a full hour or minute; around now without it, a quarter of it still to come. */
export function windowAt(from: EpochMs | null, zoom: Zoom, now: EpochMs): TimeWindow {
  const length = lengths[zoom];
  const unit = zoom === "hour" ? 10 * minuteMs : hourMs;
  const start = Math.floor((from ?? now - length * 0.75) / unit) * unit + (from === null ? unit : 0);
  return { from: start, to: start + length, zoom, isLive: from === null };
}

/** Full hours, tens of minutes or midnights (UTC) within a window. */
export function ticksOf({ from, to, zoom }: TimeWindow): EpochMs[] {
  const step = tickSteps[zoom];
  const ticks: EpochMs[] = [];
  for (let at = Math.ceil(from / step) * step; at < to; at += step) ticks.push(at);
  return ticks;
}

/**
 * Returns the same by the clock of where this runs, for the browser: midnights and hours as they stand on the wall
 * there. An hour that comes twice has one tick, one that does not come has none.
 */
export function localTicksOf({ from, to, zoom }: Pick<TimeWindow, "from" | "to" | "zoom">): EpochMs[] {
  const step = tickSteps[zoom];
  const first = new Date(from);
  const [year, month, day] = [first.getFullYear(), first.getMonth(), first.getDate()];
  const ticks = new Set<EpochMs>();
  for (let past = 0; past <= to - from + 2 * dayMs; past += step) {
    const at = new Date(year, month, day, 0, past / minuteMs);
    const isOnTheWall = at.getHours() * hourMs + at.getMinutes() * minuteMs === past % dayMs || step === dayMs;
    if (at.getTime() >= from && at.getTime() < to && isOnTheWall) ticks.add(at.getTime());
  }
  return [...ticks];
}

/** Returns where a time lies in a window, in units; outside of it below 0 or above the width. */
export const unitsIn =
  ({ from, to }: Pick<TimeWindow, "from" | "to">) =>
  (at: EpochMs) =>
    ((at - from) / (to - from)) * timelineWidth;

/** Returns the label of a tick and where it stands; `time`: the tick's own, written as ISO 8601 in the zone shown. */
export function tickLabel(at: EpochMs, time: string, window: Pick<TimeWindow, "from" | "to" | "zoom">) {
  return {
    x: `${(unitsIn(window)(at) / timelineWidth) * 100}%`,
    y: "13",
    text: window.zoom === "week" ? time.slice(5, 10) : time.slice(11, 16),
  };
}

/** Returns the lines of a grid at these times, as path data. */
export function gridPath(ticks: readonly EpochMs[], window: Pick<TimeWindow, "from" | "to">, height: number): string {
  const unit = unitsIn(window);
  return ticks.map((at) => `M${Math.round(unit(at) * 10) / 10} 0v${height}`).join("");
}
