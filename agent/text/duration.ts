// Durations as people write them: 90s, 15m, 1h30m, 2d.

const units = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000 };

/** Milliseconds, or null for what is no duration. Units come largest first, each at most once. */
export function parseDuration(text: string): number | null {
  const match = /^(?=\d)(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9})s)?$/.exec(text);
  if (match === null) return null;
  const [, d = 0, h = 0, m = 0, s = 0] = match.map(Number).map((part) => (Number.isNaN(part) ? 0 : part));
  return d * units.d + h * units.h + m * units.m + s * units.s;
}

/**
 * `ms` as 1h30m, to the nearest second; 345ms where that would be nothing. Reads back by `parseDuration` from one
 * second on.
 */
export function formatDuration(ms: number): string {
  if (ms < 0) return `-${formatDuration(-ms)}`;
  if (ms > 0 && ms < 1_000) return `${Math.max(1, Math.floor(ms))}ms`;
  let rest = Math.round(ms / 1_000) * 1_000;
  const parts = Object.entries(units).map(([unit, size]) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    return count === 0 ? "" : `${count}${unit}`;
  });
  return parts.join("") || "0s";
}
