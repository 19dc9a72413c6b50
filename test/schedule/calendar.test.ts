// Calendars, and due times dropped or moved by them: tables, and random rules against an oracle that walks day by day.
import { describe, expect, test } from "vitest";
import type { DayRule, Shift } from "../../agent/model/calendar.ts";
import { createDayRule, dayOf, parseCalendar, parseDay, type CalendarFile } from "../../agent/schedule/calendar.ts";
import { clockChanges, createSchedule, dueBetween, nextDue, parsePattern } from "../../agent/schedule/schedule.ts";

const day = 86_400_000;
const iso = (t: number | null) => (t === null ? null : new Date(t).toISOString().slice(0, 16));
const at = (text: string) => Date.parse(`${text}Z`);

function calendar(file: CalendarFile, icsDays: number[] = []) {
  const { calendar, faults } = parseCalendar("c", file, icsDays);
  expect(faults).toEqual([]);
  return calendar;
}

function rule(skip: CalendarFile | null, only: CalendarFile | null, shift: Shift = "none"): DayRule {
  const made = createDayRule(skip === null ? [] : [calendar(skip)], only === null ? [] : [calendar(only)], shift);
  return made as DayRule;
}

function scheduleOf(text: string, days: DayRule | null, zone = "UTC") {
  const parsed = parsePattern(text);
  if (!("pattern" in parsed)) throw new Error(parsed.message);
  return createSchedule([parsed.pattern], zone, 0, days);
}

function dues(text: string, days: DayRule, from: string, count: number, zone = "UTC"): (string | null)[] {
  const schedule = scheduleOf(text, days, zone);
  const found: (string | null)[] = [];
  for (let after: number | null = at(from) - 1; found.length < count;) {
    const next: number | null = nextDue(schedule, after);
    found.push(iso(next));
    if (next === null) break;
    after = next;
  }
  return found;
}

describe("parseCalendar", () => {
  test.each<[string, CalendarFile, string[], string[]]>([
    ["dates", { dates: ["2026-12-25"] }, ["2026-12-25"], ["2027-12-25", "2026-12-24"]],
    ["every year", { dates: ["12-25"] }, ["2026-12-25", "1999-12-25"], ["2026-12-26"]],
    ["29 February", { dates: ["02-29"] }, ["2028-02-29"], ["2027-02-28", "2027-03-01"]],
    [
      "ranges hold both ends",
      { ranges: [{ from: "2026-12-24", to: "2027-01-02" }] },
      ["2026-12-24", "2027-01-02"],
      ["2026-12-23", "2027-01-03"],
    ],
    ["weekdays", { weekdays: ["sat", "sun"] }, ["2026-11-28", "2026-11-29"], ["2026-11-27", "2026-11-30"]],
    ["weekdays before 1970", { weekdays: ["wed"] }, ["1969-12-31"], ["1970-01-01"]],
  ])("%s", (_, file, inside, outside) => {
    const { has } = calendar(file);
    for (const text of inside) expect([text, has(parseDay(text) as number)]).toEqual([text, true]);
    for (const text of outside) expect([text, has(parseDay(text) as number)]).toEqual([text, false]);
  });

  test.each<[CalendarFile, (string | number)[], string]>([
    [{ dates: ["2026-02-30"] }, ["dates", 0], '"2026-02-30" is not a day of the calendar'],
    [{ dates: ["12-25", "13-01"] }, ["dates", 1], '"13-01" is not a day of the calendar'],
    [{ dates: ["25.12.2026"] }, ["dates", 0], '"25.12.2026" is not a day of the calendar'],
    [{ ranges: [{ from: "2026-12-24", to: "x" }] }, ["ranges", 0, "to"], '"x" is not a day of the calendar'],
    [
      { ranges: [{ from: "2026-12-24", to: "2026-12-01" }] },
      ["ranges", 0],
      "the range ends on 2026-12-01, before it begins on 2026-12-24",
    ],
  ])("%j is a fault", (file, path, message) => {
    expect(parseCalendar("c", file, []).faults).toMatchObject([{ path, message }]);
  });

  test("calendars with the same days have the same key", () => {
    expect(calendar({ dates: ["2026-12-25", "12-24"] }).key).toBe(calendar({ dates: ["12-24", "2026-12-25"] }).key);
    expect(calendar({ dates: ["2026-12-25"] }).key).not.toBe(calendar({ dates: ["12-25"] }).key);
  });
});

describe("due times under a rule", () => {
  const weekend = { weekdays: ["sat", "sun"] };
  test("skipOn drops them", () => {
    expect(dues("0 7 * * *", rule(weekend, null), "2026-11-27T00:00", 3)).toEqual([
      "2026-11-27T07:00",
      "2026-11-30T07:00",
      "2026-12-01T07:00",
    ]);
  });
  test("onlyOn keeps only its days", () => {
    expect(dues("0 7 * * *", rule(null, { dates: ["01-01"] }), "2026-11-27T00:00", 2)).toEqual([
      "2027-01-01T07:00",
      "2028-01-01T07:00",
    ]);
  });
  test("shift next moves them over the end of a month, and those that meet come once", () => {
    expect(dues("0 7 * * *", rule(weekend, null, "next"), "2026-10-30T00:00", 3)).toEqual([
      "2026-10-30T07:00",
      "2026-11-02T07:00",
      "2026-11-03T07:00",
    ]);
    expect(dues("0 7 31 * *", rule(weekend, null, "next"), "2026-10-01T00:00", 2)).toEqual([
      "2026-11-02T07:00",
      "2026-12-31T07:00",
    ]);
  });
  test("shift previous moves them to the last allowed day before", () => {
    expect(dues("0 7 1 * *", rule(weekend, null, "previous"), "2026-07-15T00:00", 3)).toEqual([
      "2026-07-31T07:00", // 1 August 2026 is a Saturday
      "2026-09-01T07:00",
      "2026-10-01T07:00",
    ]);
  });
  test("different times of a moved day all come, in order", () => {
    expect(dues("0 6,20 * * 6,1", rule(weekend, null, "next"), "2026-11-28T00:00", 3)).toEqual([
      "2026-11-30T06:00",
      "2026-11-30T20:00",
      "2026-12-07T06:00",
    ]);
  });
  test("a moved due time that falls into a gap of the clocks comes at its end", () => {
    // 28 March 2027: clocks in Paris go from 02:00 to 03:00 (01:00Z). The 27th is barred.
    const barred = rule({ dates: ["2027-03-27"] }, null, "next");
    expect(dues("30 2 27 3 *", barred, "2027-03-20T00:00", 1, "Europe/Paris")).toEqual(["2027-03-28T01:00"]);
  });
  test("the day is that of the batch's zone", () => {
    // 23:30 on Friday in New York is Saturday in UTC.
    expect(dues("30 23 * * *", rule(weekend, null), "2026-11-28T00:00", 2, "America/New_York")).toEqual([
      "2026-11-28T04:30",
      "2026-12-01T04:30",
    ]);
  });
  test("single starts are dropped and moved too", () => {
    expect(dues("2026-11-28T09:00:00", rule(weekend, null), "2026-11-01T00:00", 1)).toEqual([null]);
    expect(dues("2026-11-28T09:00:00", rule(weekend, null, "next"), "2026-11-01T00:00", 1)).toEqual([
      "2026-11-30T09:00",
    ]);
    expect(dues("2026-11-28T09:00:00+09:00", rule(weekend, null, "previous"), "2026-11-01T00:00", 1)).toEqual([
      "2026-11-27T00:00",
    ]);
  });
  test("no day allowed: never due, and found out soon", () => {
    const never = rule(null, { dates: ["2020-01-01"] }, "next");
    expect(dues("* * * * *", never, "2026-11-28T00:00", 1)).toEqual([null]);
    expect(
      dues(
        "0 0 29 2 *",
        rule({ weekdays: ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] }, null),
        "2026-11-28T00:00",
        1,
      ),
    ).toEqual([null]);
  });
  test("a gap of many due times is counted without the barred ones", () => {
    const schedule = scheduleOf("0 * * * *", rule(weekend, null));
    expect(dueBetween(schedule, at("2026-11-27T22:30"), at("2026-11-30T01:30"))).toMatchObject({ count: 3 });
  });
});

/** mulberry32: the same numbers in every run. */
function seeded(seed: number): (below: number) => number {
  return (below) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

test("random rules agree with an oracle that walks day by day", () => {
  const random = seeded(20261128);
  const from = at("2026-01-01T00:00");
  const days = 250;
  for (let round = 0; round < 150; round++) {
    const start = dayOf(from) + random(100);
    const ymd = (n: number) => new Date(n * day).toISOString().slice(0, 10);
    const file: CalendarFile = {
      dates: Array.from({ length: random(12) }, () => ymd(start + random(150))),
      ranges: random(2) === 0 ? [] : [{ from: ymd(start + 10), to: ymd(start + 10 + random(40)) }],
      weekdays: ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].filter(() => random(4) === 0),
    };
    const shift = (["none", "next", "previous"] as const)[random(3)] as Shift;
    const made = random(2) === 0 ? rule(file, null, shift) : rule(null, file, shift);
    const hours = Array.from({ length: 1 + random(3) }, () => random(24));
    const pattern = `${random(60)} ${hours.join(",")} ${random(2) === 0 ? "*" : `${1 + random(28)}-31`} * *`;
    const known = calendar(file);
    const allowed = (n: number) => (made.skip.length > 0 ? !known.has(n) : known.has(n));
    const expected = new Set<number>();
    const plain = scheduleOf(pattern, null);
    for (let due = nextDue(plain, (dayOf(from) - 120) * day); due !== null && due < from + (days + 120) * day;) {
      const step = shift === "next" ? 1 : -1;
      let target: number | null = dayOf(due);
      if (!allowed(target)) {
        if (shift === "none") target = null;
        else {
          let tries = 0;
          while (!allowed(target) && tries++ < 400) target = target + step;
          if (tries >= 400) target = null;
        }
      }
      if (target !== null) expected.add(target * day + (due - dayOf(due) * day));
      due = nextDue(plain, due);
    }
    const wanted = [...expected].filter((t) => t >= from && t < from + days * day).sort((a, b) => a - b);
    const found: number[] = [];
    const schedule = scheduleOf(pattern, made);
    for (let due = nextDue(schedule, from - 1); due !== null && due < from + days * day; due = nextDue(schedule, due))
      found.push(due);
    expect({ pattern, shift, found: found.map(iso) }).toEqual({ pattern, shift, found: wanted.map(iso) });
  }
});

test.each([
  [{ ranges: [{ from: "2026-02-30", to: "2026-03-01" }] }, [["ranges", 0, "from"]]],
  [{ ranges: [{ from: "2026-02-27", to: "later" }] }, [["ranges", 0, "to"]]],
  [
    { ranges: [{ from: "x", to: "y" }] },
    [
      ["ranges", 0, "from"],
      ["ranges", 0, "to"],
    ],
  ],
  [{ ranges: [{ from: "2026-03-02", to: "2026-03-01" }] }, [["ranges", 0]]],
  [{ dates: ["2026-01-01", "13-01"] }, [["dates", 1]]],
])("%j: faults at %j", (file, paths) => {
  const { faults } = parseCalendar("c", file, []);
  expect(faults.map(({ path }) => path)).toEqual(paths);
});

test.each([
  ["2027-03-28T02:30:00", "Europe/Paris", ["2027-03-28: clocks in Europe/Paris go forward"]],
  ["2027-10-31T02:30:00", "Europe/Paris", ["2027-10-31: clocks in Europe/Paris go back"]],
  ["2027-10-31T02:30:00Z", "Europe/Paris", []],
  ["2027-10-30T02:30:00", "Europe/Paris", []],
])("a single start at %s in %s: clocks that change over it are told", (text, zone, told) => {
  const changes = clockChanges(scheduleOf(text, null, zone), at("2027-01-01T00:00"));
  expect(changes.map((change) => change.text.split(" from ")[0])).toEqual(told);
});

test("what comes by the hour comes in both of the repeated hours, and a single start at the first", () => {
  const told = (text: string) =>
    clockChanges(scheduleOf(text, null, "Europe/Paris"), at("2027-10-01T00:00"), 1)[0]?.text;
  expect(told("*/30 * * * *")).toContain('"*/30 * * * *" comes in both of the repeated hours');
  expect(told("30 2 * * *")).toContain('"30 2 * * *" comes once, at the first of the two');
  expect(told("2027-10-31T02:30:00")).toContain("comes once, at the first of the two");
});

test("a single start on a day that a rule moves comes at the same time of the next day that is left", () => {
  const days = rule({ dates: ["2027-05-01"] }, null, "next");
  const schedule = scheduleOf("2027-05-01T08:00:00", days, "Europe/Paris");
  expect(iso(nextDue(schedule, at("2027-04-01T00:00")))).toBe("2027-05-02T06:00");
});
