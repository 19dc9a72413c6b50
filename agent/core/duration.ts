// Durations as people write them: 90s, 15m, 1h30m, 2d.

const units = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000 };

/** Milliseconds, or null for what is no duration. Units come largest first, each at most once. */
export function parseDuration(text: string): number | null {
  const match = /^(?=\d)(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9})s)?$/.exec(text);
  if (match === null) return null;
  const [, d = 0, h = 0, m = 0, s = 0] = match.map(Number).map((part) => (Number.isNaN(part) ? 0 : part));
  return d * units.d + h * units.h + m * units.m + s * units.s;
}
