import { expect, test } from "vitest";
import { ticksOf, windowAt, zooms, type Zoom } from "../../../agent/http/dashboard/drawing/window.ts";

const now = Date.parse("2026-11-24T12:34:56.000Z");
const iso = (ms: number) => new Date(ms).toISOString();

test.each([
  [null, "day", "2026-11-23T19:00:00.000Z", "2026-11-24T19:00:00.000Z"],
  [null, "6h", "2026-11-24T09:00:00.000Z", "2026-11-24T15:00:00.000Z"],
  [null, "hour", "2026-11-24T11:50:00.000Z", "2026-11-24T12:50:00.000Z"],
  ["2026-11-20T00:00:00.000Z", "day", "2026-11-20T00:00:00.000Z", "2026-11-21T00:00:00.000Z"],
  ["2026-11-20T02:13:00.000Z", "week", "2026-11-20T02:00:00.000Z", "2026-11-27T02:00:00.000Z"],
] as const)("from %s, %s", (from, zoom, wantFrom, wantTo) => {
  const window = windowAt(from === null ? null : Date.parse(from), zoom, now);
  expect([iso(window.from), iso(window.to), window.isLive]).toEqual([wantFrom, wantTo, from === null]);
});

test.each([...zooms])("%s: now lies in its own window, with something before and after", (zoom: Zoom) => {
  for (let i = 0; i < 500; i++) {
    const at = now + i * 997_000;
    const { from, to } = windowAt(null, zoom, at);
    expect(from < at && to > at).toBe(true);
  }
});

test.each([
  ["day", /T(00|03|06|09|12|15|18|21):00:00/, 8],
  ["6h", /:00:00/, 6],
  ["hour", /:[0-5]0:00/, 6],
  ["week", /T00:00:00/, 7],
] as const)("%s: ticks on full hours", (zoom, pattern, count) => {
  const ticks = ticksOf(windowAt(null, zoom, now)).map(iso);
  expect(ticks.length).toBe(count);
  for (const tick of ticks) expect(tick).toMatch(pattern);
});
