// Times in words for people: how long, how long ago. Shared by the command line, the server's pages and the scripts
// in the browser.
import type { EpochMs } from "../model/ids.ts";

/**
 * A length of time in ms as everybody is shown it, in the browser, on a terminal and in a mail: `345 ms`, `1.2 s`,
 * `90 s`, `14 min`, `3 h 20 min`, `4 d 2 h`; `0 ms` for what is negative. Settings are written by `formatDuration`.
 */
export function spanText(ms: number): string {
  if (ms < 999.5) return `${Math.max(0, Math.round(ms))} ms`;
  const seconds = ms / 1_000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 119.5) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h${minutes % 60 === 0 ? "" : ` ${minutes % 60} min`}`;
  return `${Math.floor(hours / 24)} d${hours % 24 === 0 ? "" : ` ${hours % 24} h`}`;
}

/** `in 4 min`, `12 s ago`, and `now` within a second of it. */
export function relativeText(at: EpochMs, now: EpochMs): string {
  const ms = at - now;
  if (Math.abs(ms) < 1_000) return "now";
  const seconds = Math.abs(ms) < 10_000 ? Math.floor(Math.abs(ms) / 1_000) * 1_000 : Math.abs(ms);
  const text = spanText(seconds).replace(".0 s", " s");
  return ms > 0 ? `in ${text}` : `${text} ago`;
}

/** An ISO time as people read it, in UTC: `2026-11-24 02:00:00 UTC`. */
export function absoluteText(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;
}

/** Bytes as people read them, `1.5 KiB`. */
export function bytesText(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024;
    unit += 1;
  }
  return unit === 0
    ? `${bytes} ${bytes === 1 ? "byte" : "bytes"}`
    : `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}
