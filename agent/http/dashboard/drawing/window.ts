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
 * Returns the same by the clock of where this runs, for the browser: midnights and hours as they stand on the wall there. An
 * hour that comes twice has one tick, one that does not come has none.
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

/** Returns the lines of a grid at these times, as path data. */
export function gridPath(ticks: readonly EpochMs[], window: Pick<TimeWindow, "from" | "to">, height: number): string {
  const x = (at: EpochMs) => Math.round(((at - window.from) / (window.to - window.from)) * timelineWidth * 10) / 10;
  return ticks.map((at) => `M${x(at)} 0v${height}`).join("");
}
