import { expect, test } from "vitest";
import { absoluteText, bytesText, relativeText, spanText } from "../../agent/text/relative-time.ts";

test.each([
  [-5, "0 ms"],
  [0, "0 ms"],
  [999, "999 ms"],
  [999.7, "1.0 s"],
  [1_000, "1.0 s"],
  [9_949, "9.9 s"],
  [9_950, "10 s"],
  [119_499, "119 s"],
  [119_500, "2 min"],
  [3_569_000, "59 min"],
  [3_570_000, "1 h"],
  [12_000_000, "3 h 20 min"],
  [86_369_000, "23 h 59 min"],
  [86_370_000, "1 d"],
  [352_800_000, "4 d 2 h"],
])("%i ms is %s", (ms, want) => expect(spanText(ms)).toBe(want));

test.each([
  [0, "now"],
  [999, "now"],
  [-999, "now"],
  [1_000, "in 1 s"],
  [-2_700, "2 s ago"],
  [-65_000, "65 s ago"],
  [86_400_000, "in 1 d"],
])("%i ms from now: %s", (ms, want) => expect(relativeText(1_000_000 + ms, 1_000_000)).toBe(want));

test.each([
  [0, "0 bytes"],
  [1, "1 byte"],
  [1_023, "1023 bytes"],
  [1_536, "1.5 KiB"],
  [10 * 1024 * 1024, "10 MiB"],
  [2 ** 30, "1.0 GiB"],
])("%i bytes are %s", (bytes, want) => expect(bytesText(bytes)).toBe(want));

test("an absolute time says its zone", () =>
  expect(absoluteText("2026-11-24T02:00:00.000Z")).toBe("2026-11-24 02:00:00 UTC"));
