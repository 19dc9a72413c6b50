import { expect, test } from "vitest";
import { parseInstant, parsePast } from "../../agent/text/instant.ts";

test.each([
  ["2026-11-24", "2026-11-24T00:00:00.000Z"],
  ["2026-11-24T02:00", "2026-11-24T02:00:00.000Z"],
  ["2026-11-24T02:00:00.5Z", "2026-11-24T02:00:00.500Z"],
  ["2026-11-24T02:00:00+09:00", "2026-11-23T17:00:00.000Z"],
  ["2026-02-30", null],
  ["2026-11-24T25:00", null],
  ["24 Nov 2026", null],
  ["", null],
])("%s is %s", (text, want) => {
  const at = parseInstant(text);
  expect(at === null ? null : new Date(at).toISOString()).toBe(want);
});

test.each([
  ["24h", -86_400_000],
  ["0s", 0],
  ["1970-01-01", -1_000_000_000],
])("%s is that long ago", (text, want) => expect(parsePast(text, 1_000_000_000)).toBe(1_000_000_000 + want));
