import { describe, expect, test } from "vitest";
import {
  bothDays,
  clockChanges,
  createSchedule,
  dueBetween,
  jitterOffset,
  nextDue,
  parsePattern,
} from "../../agent/schedule/schedule.ts";
import { isTimeZone, spanAt } from "../../agent/schedule/zone.ts";
import type { Schedule } from "../../agent/model/batch.ts";

function scheduleOf(patterns: string | string[], zone = "UTC"): Schedule {
  const parsed = [patterns].flat().map((text) => {
    const result = parsePattern(text);
    if (!("pattern" in result)) throw new Error(`${text}: ${result.message}`);
    return result.pattern;
  });
  return createSchedule(parsed, zone, 0);
}

/** Due times in [from, to), ISO without seconds. */
function dueIn(schedule: Schedule, from: string, to: string): string[] {
  const times: string[] = [];
  for (
    let at = nextDue(schedule, Date.parse(from) - 1);
    at !== null && at < Date.parse(to);
    at = nextDue(schedule, at)
  ) {
    times.push(new Date(at).toISOString().slice(0, 16) + "Z");
  }
  return times;
}

const every = (from: string, stepMinutes: number, count: number) =>
  Array.from(
    { length: count },
    (_, i) => new Date(Date.parse(from) + i * stepMinutes * 60_000).toISOString().slice(0, 16) + "Z",
  );

describe("change days, golden", () => {
  // Each row is one local day, given as the UTC interval it fills.
  const days = {
    parisSpring: ["Europe/Paris", "2027-03-27T23:00Z", "2027-03-28T22:00Z"],
    parisAutumn: ["Europe/Paris", "2027-10-30T22:00Z", "2027-10-31T23:00Z"],
    newYorkSpring: ["America/New_York", "2027-03-14T05:00Z", "2027-03-15T04:00Z"],
    newYorkAutumn: ["America/New_York", "2027-11-07T04:00Z", "2027-11-08T05:00Z"],
    // Half an hour: 02:00 → 02:30 in spring, 02:00 → 01:30 in autumn.
    lordHoweSpring: ["Australia/Lord_Howe", "2027-10-02T13:30Z", "2027-10-03T13:00Z"],
    lordHoweAutumn: ["Australia/Lord_Howe", "2027-04-03T13:00Z", "2027-04-04T13:30Z"],
    // Back for Ramadan (03:00 → 02:00 on 7 February), forward after it (02:00 → 03:00 on 14 March).
    casablancaBack: ["Africa/Casablanca", "2027-02-06T23:00Z", "2027-02-08T00:00Z"],
    casablancaForward: ["Africa/Casablanca", "2027-03-14T00:00Z", "2027-03-14T23:00Z"],
  } as const;
  const rows: [keyof typeof days, string, string[]][] = [
    ["parisSpring", "30 2 * * *", ["2027-03-28T01:00Z"]],
    ["parisSpring", "*/15 2 * * *", ["2027-03-28T01:00Z"]],
    ["parisSpring", "* 2 * * *", ["2027-03-28T01:00Z"]],
    ["parisSpring", "0 2-4 * * *", ["2027-03-28T01:00Z", "2027-03-28T02:00Z"]],
    ["parisSpring", "0 3 * * *", ["2027-03-28T01:00Z"]],
    ["parisSpring", "0 * * * *", every("2027-03-27T23:00Z", 60, 23)],
    ["parisSpring", "2027-03-28T02:30:00", ["2027-03-28T01:00Z"]],
    ["parisAutumn", "30 2 * * *", ["2027-10-31T00:30Z"]],
    ["parisAutumn", "*/15 2 * * *", every("2027-10-31T00:00Z", 15, 8)],
    ["parisAutumn", "0,30 2 * * *", every("2027-10-31T00:00Z", 30, 4)],
    ["parisAutumn", "* 2 * * *", every("2027-10-31T00:00Z", 1, 120)],
    ["parisAutumn", "0 2-4 * * *", ["2027-10-31T00:00Z", "2027-10-31T02:00Z", "2027-10-31T03:00Z"]],
    ["parisAutumn", "0 * * * *", every("2027-10-30T22:00Z", 60, 25)],
    ["parisAutumn", "2027-10-31T02:30:00", ["2027-10-31T00:30Z"]],
    ["newYorkSpring", "30 2 * * *", ["2027-03-14T07:00Z"]],
    ["newYorkSpring", "*/15 2 * * *", ["2027-03-14T07:00Z"]],
    ["newYorkSpring", "* 2 * * *", ["2027-03-14T07:00Z"]],
    ["newYorkSpring", "0 2-4 * * *", ["2027-03-14T07:00Z", "2027-03-14T08:00Z"]],
    ["newYorkAutumn", "30 1 * * *", ["2027-11-07T05:30Z"]],
    ["newYorkAutumn", "30 2 * * *", ["2027-11-07T07:30Z"]],
    ["newYorkAutumn", "*/15 1 * * *", every("2027-11-07T05:00Z", 15, 8)],
    ["newYorkAutumn", "* 1 * * *", every("2027-11-07T05:00Z", 1, 120)],
    ["newYorkAutumn", "0 1-3 * * *", ["2027-11-07T05:00Z", "2027-11-07T07:00Z", "2027-11-07T08:00Z"]],
    ["lordHoweSpring", "15 2 * * *", ["2027-10-02T15:30Z"]],
    ["lordHoweSpring", "30 2 * * *", ["2027-10-02T15:30Z"]],
    ["lordHoweSpring", "*/15 2 * * *", ["2027-10-02T15:30Z", "2027-10-02T15:45Z"]],
    ["lordHoweSpring", "* 2 * * *", every("2027-10-02T15:30Z", 1, 30)],
    ["lordHoweSpring", "0 2-4 * * *", ["2027-10-02T15:30Z", "2027-10-02T16:00Z", "2027-10-02T17:00Z"]],
    ["lordHoweAutumn", "45 1 * * *", ["2027-04-03T14:45Z"]],
    ["lordHoweAutumn", "30 2 * * *", ["2027-04-03T16:00Z"]],
    ["lordHoweAutumn", "*/15 1 * * *", every("2027-04-03T14:00Z", 15, 6)],
    ["lordHoweAutumn", "* 1 * * *", every("2027-04-03T14:00Z", 1, 90)],
    ["casablancaBack", "30 2 * * *", ["2027-02-07T01:30Z"]],
    ["casablancaBack", "*/15 2 * * *", every("2027-02-07T01:00Z", 15, 8)],
    ["casablancaBack", "* 2 * * *", every("2027-02-07T01:00Z", 1, 120)],
    ["casablancaBack", "0 2-4 * * *", ["2027-02-07T01:00Z", "2027-02-07T03:00Z", "2027-02-07T04:00Z"]],
    ["casablancaForward", "30 2 * * *", ["2027-03-14T02:00Z"]],
    ["casablancaForward", "*/15 2 * * *", ["2027-03-14T02:00Z"]],
    ["casablancaForward", "* 2 * * *", ["2027-03-14T02:00Z"]],
    ["casablancaForward", "0 2-4 * * *", ["2027-03-14T02:00Z", "2027-03-14T03:00Z"]],
  ];
  test.each(rows)("%s: %s", (day, pattern, want) => {
    const [zone, from, to] = days[day];
    expect(dueIn(scheduleOf(pattern, zone), from, to)).toEqual(want);
  });

  test.each(["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"])(
    "0 0 31 2 is never due in %s",
    () => {
      expect(parsePattern("0 0 31 2 *")).toMatchObject({
        code: "never-due",
        hint: expect.stringContaining("31 February") as string,
      });
    },
  );
});

describe("against an oracle that reads the wall clock minute by minute", () => {
  const zones = [
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "America/St_Johns",
  ];
  const patterns = [
    "* * * * *",
    "*/15 2 * * *",
    "30 2 * * *",
    "0 * * * *",
    "5,35 1-3 * * *",
    "15 */2 * * *",
    "0 1 * * *",
  ];
  const windows = [
    "2027-02-06",
    "2027-03-13",
    "2027-03-27",
    "2027-04-03",
    "2027-10-02",
    "2027-10-30",
    "2027-11-06",
    "2027-06-01",
  ];

  function oracle(pattern: string, zone: string, from: number, to: number): number[] {
    const [minutes, hours] = pattern.split(" ").map(expand) as [Set<number>, Set<number>];
    const fixed = /^\d+$/.test(pattern.split(" ")[0] as string) && !/[*?]/.test(pattern.split(" ")[1] as string);
    const format = new Intl.DateTimeFormat("en-GB", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
    });
    const wallOf = (at: number) => {
      const part = Object.fromEntries(
        format.formatToParts(at).map(({ type, value }) => [type, Number(value)]),
      ) as Record<string, number>;
      return Date.UTC(part["year"] as number, (part["month"] as number) - 1, part["day"], part["hour"], part["minute"]);
    };
    const matches = (wall: number) =>
      hours.has(new Date(wall).getUTCHours()) && minutes.has(new Date(wall).getUTCMinutes());
    const due: number[] = [];
    const seen = new Set<number>();
    let previous = wallOf(from - 60_000);
    for (let at = from - 86_400_000; at < from; at += 60_000) seen.add(wallOf(at));
    for (let at = from; at < to; at += 60_000) {
      const wall = wallOf(at);
      let hit = matches(wall) && !(fixed && seen.has(wall));
      for (let gap = previous + 60_000; gap < wall; gap += 60_000) hit ||= matches(gap);
      if (hit) due.push(at);
      seen.add(wall);
      previous = wall;
    }
    return due;
  }

  function expand(field: string, index: number): Set<number> {
    const most = index === 0 ? 59 : 23;
    return new Set(
      field.split(",").flatMap((part) => {
        const [, low, high, step] = /^(?:\*|(\d+)(?:-(\d+))?)(?:\/(\d+))?$/.exec(part) ?? [];
        const from = Number(low ?? 0);
        const to = low === undefined ? most : Number(high ?? low);
        const out: number[] = [];
        for (let value = from; value <= to; value += Number(step ?? 1)) out.push(value);
        return out;
      }),
    );
  }

  test.each(zones)("%s", (zone) => {
    for (const day of windows) {
      const [from, to] = [Date.parse(`${day}T00:00Z`), Date.parse(`${day}T00:00Z`) + 2.5 * 86_400_000];
      for (const pattern of patterns) {
        const schedule = scheduleOf(pattern, zone);
        const got: number[] = [];
        for (let at = nextDue(schedule, from - 1); at !== null && at < to; at = nextDue(schedule, at)) got.push(at);
        expect(got, `${pattern} from ${day}`).toEqual(oracle(pattern, zone, from, to));
      }
    }
  });
});

describe("nextDue", () => {
  const from = "2026-11-24T12:00:00.000Z";
  const rows: { pattern: string | string[]; zone?: string; want: string | null }[] = [
    { pattern: "*/10 * * * * *", want: "2026-11-24T12:00:10.000Z" },
    { pattern: "0 30 2 * * *", want: "2026-11-25T02:30:00.000Z" },
    { pattern: "@daily", zone: "Asia/Tokyo", want: "2026-11-24T15:00:00.000Z" },
    { pattern: "@hourly", want: "2026-11-24T13:00:00.000Z" },
    { pattern: "0 0 29 2 *", want: "2028-02-29T00:00:00.000Z" },
    { pattern: "0 0 L * *", want: "2026-11-30T00:00:00.000Z" },
    { pattern: "0 9 15W * *", want: "2026-12-15T09:00:00.000Z" },
    { pattern: "0 9 * * MON#2", want: "2026-12-14T09:00:00.000Z" },
    { pattern: "0 9 * * 5L", want: "2026-11-27T09:00:00.000Z" },
    { pattern: "0 0 13 * FRI", want: "2026-11-27T00:00:00.000Z" },
    { pattern: ["0 18 * * *", "0 15 * * *"], want: "2026-11-24T15:00:00.000Z" },
    { pattern: "2026-12-24T18:00", zone: "Europe/Paris", want: "2026-12-24T17:00:00.000Z" },
    { pattern: "2026-12-24T18:00:00Z", zone: "Europe/Paris", want: "2026-12-24T18:00:00.000Z" },
    { pattern: "2026-12-24T18:00:00.250+05:30", want: "2026-12-24T12:30:00.250Z" },
    { pattern: "2026-11-24T12:00:00", want: null },
    { pattern: "2020-01-01T00:00:00", want: null },
    { pattern: "2126-01-01T00:00:00", want: "2126-01-01T00:00:00.000Z" },
  ];
  test.each(rows)("$pattern $zone", ({ pattern, zone, want }) => {
    const due = nextDue(scheduleOf(pattern, zone), Date.parse(from));
    expect(due === null ? null : new Date(due).toISOString()).toBe(want);
  });

  test("29 February is found past 2100, which has none", () => {
    const due = nextDue(scheduleOf("0 0 29 2 *", "Europe/Paris"), Date.parse("2096-03-01T00:00Z"));
    expect(new Date(due as number).toISOString()).toBe("2104-02-28T23:00:00.000Z");
  });
});

describe("dueBetween", () => {
  const at = Date.parse("2026-11-24T12:00:00.000Z");
  test.each([
    { pattern: "* * * * *", from: at, to: at + 59_999, want: null },
    {
      pattern: "* * * * *",
      from: at,
      to: at + 60_000,
      want: { first: at + 60_000, before: null, last: at + 60_000, count: 1 },
    },
    {
      pattern: "* * * * *",
      from: at,
      to: at + 3_600_000,
      want: { first: at + 60_000, before: at + 3_540_000, last: at + 3_600_000, count: 60 },
    },
    {
      pattern: "* * * * * *",
      from: at,
      to: at + 366 * 86_400_000 + 500,
      want: { first: at + 1_000, before: at + 366 * 86_400_000 - 1_000, last: at + 366 * 86_400_000, count: 100_000 },
    },
    { pattern: "0 0 1 1 *", from: at, to: at + 86_400_000, want: null },
  ])("$pattern to $to", ({ pattern, from, to, want }) =>
    expect(dueBetween(scheduleOf(pattern), from, to)).toEqual(want),
  );
});

test("jitter: a fixed share, spread over names", () => {
  expect(["report", "extract", "backup-1", "backup-2"].map((name) => jitterOffset(name, 300_000))).toEqual([
    144_878, 225_160, 92_225, 130_521,
  ]);
  const offsets = Array.from({ length: 1_000 }, (_, i) => jitterOffset(`batch-${i}`, 10));
  for (let share = 0; share < 10; share++)
    expect(offsets.filter((offset) => offset === share).length).toBeGreaterThan(60);
  expect(jitterOffset("report", 0)).toBe(0);
});

test("the coming changes of clocks are told where they matter", () => {
  const from = Date.parse("2026-11-24T12:00:00Z");
  const texts = (pattern: string, zone: string) =>
    clockChanges(scheduleOf(pattern, zone), from).map((change) => change.text);
  expect(texts("30 2 * * *", "Europe/Paris")).toEqual([
    '2027-03-28: clocks in Europe/Paris go forward from 02:00 to 03:00; what "30 2 * * *" has due between comes once, at 03:00',
    '2027-10-31: clocks in Europe/Paris go back from 03:00 to 02:00; "30 2 * * *" comes once, at the first of the two',
  ]);
  expect(texts("*/15 2 * * *", "Europe/Paris")[1]).toContain("comes in both");
  expect(texts("30 5 * * *", "Europe/Paris")).toEqual([]);
  expect(texts("30 2 * * *", "UTC")).toEqual([]);
});

test("a day that a zone loses, and clocks that go back over midnight, are told with their dates", () => {
  const first = (pattern: string, zone: string, from: string) =>
    clockChanges(scheduleOf(pattern, zone), Date.parse(from))[0]?.text;
  expect(first("0 3 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z")).toBe(
    '2011-12-30: clocks in Pacific/Apia go forward from 2011-12-30 00:00 to 2011-12-31 00:00; what "0 3 * * *" has due between comes once, at 2011-12-31 00:00',
  );
  expect(first("30 23 * * *", "America/Asuncion", "2023-03-01T00:00:00Z")).toContain(
    "go back from 2023-03-26 00:00 to 2023-03-25 23:00",
  );
});

test.each<[string, number]>([
  ["0 2 * * *", 1],
  ["0 1-4 * * *", 4],
  ["0 1,2,3 * * *", 3],
  ["0 */2 * * *", 4], // 00:00, 02:00 twice, 04:00
  ["0 0-4 * * *", 5],
  ["0 * * * *", 6],
])("when clocks go back %s comes %i times up to five", (pattern, count) => {
  const schedule = scheduleOf(pattern, "Europe/Paris");
  const [from, to] = [Date.parse("2026-10-24T21:59:59Z"), Date.parse("2026-10-25T03:30:00Z")];
  expect(dueBetween(schedule, from, to)?.count).toBe(count);
});

test("both days restricted means OR", () => {
  expect(["0 0 13 * FRI", "0 0 13 * *", "0 0 * * FRI", "0 0 0 1 * MON"].map(bothDays)).toEqual([
    true,
    false,
    false,
    true,
  ]);
});

test("zones", () => {
  expect(["Europe/Paris", "UTC", "+05:30", "", "Europe/Pari", "EST5EDT"].map(isTimeZone)).toEqual([
    true,
    true,
    false,
    false,
    false,
    true,
  ]);
  expect(spanAt("Europe/Paris", Date.parse("2027-03-28T01:00:00Z"))).toMatchObject({
    start: Date.parse("2027-03-28T01:00:00Z"),
    offset: 7_200_000,
    before: 3_600_000,
  });
});
