import { afterEach, expect, test } from "vitest";
import {
  gridPath,
  localTicksOf,
  ticksOf,
  windowAt,
  zooms,
  type Zoom,
} from "../../../agent/http/dashboard/drawing/window.ts";

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

const zone = process.env["TZ"];
afterEach(() => {
  if (zone === undefined) delete process.env["TZ"];
  else process.env["TZ"] = zone;
});

test.each<[string, Zoom, string, string[]]>([
  ["Asia/Kolkata", "6h", "2026-11-20T00:00Z", ["00:30", "01:30", "02:30", "03:30", "04:30", "05:30"]],
  ["Asia/Kathmandu", "hour", "2026-11-20T00:00Z", ["00:05", "00:15", "00:25", "00:35", "00:45", "00:55"]],
  [
    "America/New_York",
    "day",
    "2026-11-20T00:00Z",
    ["02:00", "05:00", "08:00", "11:00", "14:00", "17:00", "20:00", "23:00"],
  ],
  ["Europe/Paris", "6h", "2026-03-29T00:00Z", ["00:00", "01:00", "02:00", "03:00", "04:00", "05:00"]],
  ["Europe/Paris", "6h", "2026-10-24T22:00Z", ["22:00", "23:00", "00:00", "02:00", "03:00"]],
  ["Asia/Beirut", "week", "2026-03-26T12:00Z", ["22:00", "22:00", "22:00", "21:00", "21:00", "21:00", "21:00"]],
])("%s, %s from %s: ticks stand at full hours there", (timeZone, zoom, from, want) => {
  process.env["TZ"] = timeZone;
  const window = windowAt(Date.parse(from), zoom, now);
  expect(localTicksOf(window).map((at) => iso(at).slice(11, 16))).toEqual(want);
});

test("a grid has a line at each tick, within the width", () => {
  const window = windowAt(Date.parse("2026-11-20T00:00Z"), "6h", now);
  expect(gridPath(ticksOf(window), window, 9)).toBe("M0 0v9M240 0v9M480 0v9M720 0v9M960 0v9M1200 0v9");
});
