import { expect, test } from "vitest";
import { instantOf, isTimeZone, spanAt } from "../../agent/schedule/zone.ts";

const iso = (t: number) => new Date(t).toISOString();
const minute = 60_000;

test.each([
  ["Europe/Paris", true],
  ["europe/paris", true],
  ["UTC", true],
  ["Etc/GMT+5", true],
  ["America/Argentina/Buenos_Aires", true],
  ["", false],
  ["+05:30", false],
  ["-08:00", false],
  ["Z", false],
  ["GMT+1", false],
  ["Europe/Lutetia", false],
  [" Europe/Paris", false],
  ["local", false],
  // ICU's own short names, which the IANA database does not have.
  ...["ACT", "AST", "BST", "CST", "ECT", "IST", "JST", "PST", "SST", "VST", "bst", "Ist"].map(
    (name) => [name, false] as const,
  ),
  ["SystemV/EST5EDT", false],
  ["US/Pacific-New", false],
  // Short names that it does have.
  ...["CET", "EET", "EST", "GMT", "HST", "MET", "MST", "PRC", "ROC", "ROK", "UCT", "WET"].map(
    (name) => [name, true] as const,
  ),
  ...["EST5EDT", "GB", "NZ-CHAT", "W-SU", "Zulu", "Asia/Kolkata", "Europe/Kyiv"].map((name) => [name, true] as const),
] as const)("isTimeZone(%j) is %s", (name, want) => {
  expect(isTimeZone(name)).toBe(want);
});

// Where a span begins is where clocks change: to the ms, with the offset before and after, in minutes.
const changes: { zone: string; at: string; before: number; offset: number }[] = [
  { zone: "Europe/Paris", at: "2027-03-28T01:00:00.000Z", before: 60, offset: 120 },
  { zone: "Europe/Paris", at: "2027-10-31T01:00:00.000Z", before: 120, offset: 60 },
  { zone: "America/New_York", at: "2027-03-14T07:00:00.000Z", before: -300, offset: -240 },
  { zone: "America/New_York", at: "1990-04-01T07:00:00.000Z", before: -300, offset: -240 },
  { zone: "Australia/Lord_Howe", at: "2027-04-03T15:00:00.000Z", before: 660, offset: 630 },
  { zone: "Africa/Casablanca", at: "2027-02-07T02:00:00.000Z", before: 60, offset: 0 },
  { zone: "Africa/Casablanca", at: "2027-03-14T02:00:00.000Z", before: 0, offset: 60 },
  { zone: "Antarctica/Troll", at: "2027-03-28T01:00:00.000Z", before: 0, offset: 120 },
  { zone: "Pacific/Apia", at: "2011-12-30T10:00:00.000Z", before: -600, offset: 840 },
  { zone: "Pacific/Kiritimati", at: "1994-12-31T10:00:00.000Z", before: -600, offset: 840 },
  { zone: "Asia/Pyongyang", at: "2018-05-04T15:00:00.000Z", before: 510, offset: 540 },
];

test.each(changes)("$zone changes at $at", ({ zone, at, before, offset }) => {
  const t = Date.parse(at);
  const span = spanAt(zone, t);
  expect({ start: iso(span.start), before: span.before / minute, offset: span.offset / minute }).toEqual({
    start: at,
    before,
    offset,
  });
  expect(iso(spanAt(zone, t - 1).end)).toBe(at);
  expect(spanAt(zone, span.end - 1)).toMatchObject({ start: span.start, offset: span.offset });
});

test("where nothing changes a span ends all the same, a year away or more, with no change of offset", () => {
  const t = Date.parse("2026-11-24T12:00:00Z");
  for (const zone of ["UTC", "Asia/Kolkata", "America/Phoenix"]) {
    const span = spanAt(zone, t);
    expect(span.before).toBe(span.offset);
    expect(span.end - t).toBeGreaterThan(365 * 86_400_000);
    expect(spanAt(zone, span.end).offset).toBe(span.offset);
  }
});

test("from 1990 to 2100 the spans agree with Intl's clock, follow each other and hold their instant", () => {
  const zones = [
    "Europe/Paris",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "Africa/Cairo",
    "America/St_Johns",
    "Pacific/Chatham",
    "Asia/Gaza",
  ];
  for (const zone of zones) {
    const wall = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" });
    let span = spanAt(zone, Date.UTC(1990, 0, 1));
    while (span.end < Date.UTC(2100, 0, 1)) {
      for (const t of [span.start, Math.floor((span.start + span.end) / 2_000) * 1_000, span.end - 1_000]) {
        expect(`${zone} ${wall.format(t)}`).toBe(
          `${zone} ${iso(t + span.offset)
            .slice(0, 19)
            .replace("T", " ")}`,
        );
      }
      const next = spanAt(zone, span.end);
      expect(next.start).toBeLessThanOrEqual(span.end);
      if (next.offset !== span.offset) expect(next).toMatchObject({ start: span.end, before: span.offset });
      span = next;
    }
  }
});

test.each([
  ["an ordinary time", "Europe/Paris", "2026-12-24T18:00", "2026-12-24T17:00:00.000Z"],
  ["in a gap: the first instant after it", "Europe/Paris", "2027-03-28T02:30", "2027-03-28T01:00:00.000Z"],
  ["the last of a gap", "Europe/Paris", "2027-03-28T02:59:59.999", "2027-03-28T01:00:00.000Z"],
  ["right after a gap", "Europe/Paris", "2027-03-28T03:00", "2027-03-28T01:00:00.000Z"],
  ["shown twice: the first", "Europe/Paris", "2027-10-31T02:30", "2027-10-31T00:30:00.000Z"],
  ["after what is shown twice", "Europe/Paris", "2027-10-31T03:00", "2027-10-31T02:00:00.000Z"],
  ["a day that never was", "Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00:00.000Z"],
  ["far from UTC", "Pacific/Kiritimati", "2027-01-01T00:00", "2026-12-31T10:00:00.000Z"],
])("instantOf: %s", (_name, zone, wall, want) => {
  expect(iso(instantOf(zone, Date.parse(`${wall}Z`)))).toBe(want);
});

test("an unknown zone is a RangeError", () => {
  expect(() => spanAt("Europe/Lutetia", 0)).toThrow(RangeError);
});
