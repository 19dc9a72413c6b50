// iCalendar files as offices and countries publish them: all-day events, recurrences, exceptions, and what is broken.
import { describe, expect, test } from "vitest";
import { parseICalendar } from "../../agent/schedule/icalendar.ts";

const file = (...events: string[][]) =>
  [
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//test//test//EN",
    ...events.flatMap((lines, index) => [
      "BEGIN:VEVENT",
      ...(lines.some((line) => line.startsWith("UID")) ? [] : [`UID:${index}@test`]),
      ...lines,
      "END:VEVENT",
    ]),
    "END:VCALENDAR",
    "",
  ].join("\r\n");

function days(text: string): string[] {
  const parsed = parseICalendar(text);
  if ("fault" in parsed) throw new Error(parsed.fault);
  return parsed.days.map((day) => new Date(day * 86_400_000).toISOString().slice(0, 10));
}

describe("all-day events", () => {
  test.each<[string, string[][], string[]]>([
    ["one day", [["DTSTART;VALUE=DATE:20261225", "DTEND;VALUE=DATE:20261226"]], ["2026-12-25"]],
    ["without an end", [["DTSTART;VALUE=DATE:20261225"]], ["2026-12-25"]],
    [
      "several days: the end is exclusive",
      [["DTSTART;VALUE=DATE:20261225", "DTEND;VALUE=DATE:20261228"]],
      ["2026-12-25", "2026-12-26", "2026-12-27"],
    ],
    ["a duration", [["DTSTART;VALUE=DATE:20261231", "DURATION:P2D"]], ["2026-12-31", "2027-01-01"]],
    ["events with a time are passed over", [["DTSTART:20261225T100000Z", "DTEND:20261225T110000Z"]], []],
    ["cancelled ones too", [["DTSTART;VALUE=DATE:20261225", "STATUS:CANCELLED"]], []],
  ])("%s", (_, events, expected) => expect(days(file(...events))).toEqual(expected));

  test("recurrences: yearly, by weekday, until, exceptions, moved instances", () => {
    expect(days(file(["DTSTART;VALUE=DATE:20241225", "RRULE:FREQ=YEARLY"])).slice(0, 3)).toEqual([
      "2024-12-25",
      "2025-12-25",
      "2026-12-25",
    ]);
    // The fourth Thursday of November.
    expect(
      days(file(["DTSTART;VALUE=DATE:20241128", "RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH;UNTIL=20261231"])),
    ).toEqual(["2024-11-28", "2025-11-27", "2026-11-26"]);
    expect(
      days(file(["DTSTART;VALUE=DATE:20260101", "RRULE:FREQ=MONTHLY;COUNT=4", "EXDATE;VALUE=DATE:20260201"])),
    ).toEqual(["2026-01-01", "2026-03-01", "2026-04-01"]);
    expect(
      days(
        file(
          ["UID:a", "DTSTART;VALUE=DATE:20260101", "RRULE:FREQ=MONTHLY;COUNT=3"],
          ["UID:a", "RECURRENCE-ID;VALUE=DATE:20260201", "DTSTART;VALUE=DATE:20260203"],
        ),
      ),
    ).toEqual(["2026-01-01", "2026-02-03", "2026-03-01"]);
    expect(
      days(file(["DTSTART;VALUE=DATE:20260101", "RDATE;VALUE=DATE:20260704", "RRULE:FREQ=YEARLY;COUNT=1"])),
    ).toEqual(["2026-01-01", "2026-07-04"]);
  });

  test("31 February comes in no year", () => {
    expect(days(file(["DTSTART;VALUE=DATE:20200201", "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=31"]))).toEqual([]);
  });

  test("folded lines and lines that end in LF only", () => {
    const text = file(["DTSTART;VALUE=DATE:20261225", "SUMMARY:A long name that is fol\r\n ded"]);
    expect(days(text)).toEqual(["2026-12-25"]);
    expect(days(text.replaceAll("\r\n", "\n"))).toEqual(["2026-12-25"]);
  });
});

describe("what is no calendar is a fault, never a throw", () => {
  test.each([
    ["", /cannot be read|not an iCalendar/],
    ["hello", /cannot be read/],
    ["BEGIN:VCARD\r\nVERSION:4.0\r\nFN:A\r\nEND:VCARD\r\n", /not an iCalendar file/],
    [file(["DTSTART;VALUE=DATE:notaday1"]), /"notaday1" is not a date/],
    [file(["DTSTART;VALUE=DATE:2026-12-25"]), /"2026-12-25" is not a date/],
    [file(["DTSTART;VALUE=DATE:20260230"]), /"20260230" is not a date/],
    [file(["DTSTART;VALUE=DATE:20261225", "RRULE:FREQ=SOMETIMES"]), /cannot be read/],
    [`BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n`, /cannot be read/],
  ])("%j", (text, fault) => {
    const parsed = parseICalendar(text);
    expect("fault" in parsed ? parsed.fault : parsed).toMatch(fault);
  });

  test("recurrences without an end, or without a match, end soon", () => {
    expect(days(file(["DTSTART;VALUE=DATE:20200101", "RRULE:FREQ=DAILY"])).length).toBeGreaterThan(29_000);
    expect(parseICalendar(file(["DTSTART;VALUE=DATE:20200101", "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"]))).toEqual({
      fault: "it cannot be read: a recurrence rule fits no day, or hardly any",
    });
    expect(parseICalendar(file(["DTSTART;VALUE=DATE:20200101", "RRULE:FREQ=SECONDLY"]))).toHaveProperty("fault");
  });

  const many = (count: number, lines: readonly string[]) =>
    `BEGIN:VCALENDAR\r\n${`BEGIN:VEVENT\r\n${lines.join("\r\n")}\r\nEND:VEVENT\r\n`.repeat(count)}END:VCALENDAR\r\n`;
  const from1900 = "DTSTART;VALUE=DATE:19000101";
  test.each([
    ["recur on the same days", [from1900, "RRULE:FREQ=YEARLY;BYMONTH=1,2,3,4,5,6,7,8,9,10,11,12;BYDAY=1MO,2TU,-1FR"]],
    ["recur daily", [from1900, "RRULE:FREQ=DAILY"]],
    ["last for ages", [from1900, "DTEND;VALUE=DATE:99990101"]],
    ["fit no day of a year", [from1900, "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"]],
    ["fit no day of a month", [from1900, "RRULE:FREQ=MONTHLY;BYMONTHDAY=31;BYMONTH=2"]],
    ["hold a list without end", [from1900, `RRULE:FREQ=MONTHLY;BYMONTHDAY=${"1,".repeat(500)}1`]],
  ])("thousands of events that %s are given up", (_name, lines) => {
    expect(parseICalendar(many(3_000, lines))).toHaveProperty("fault");
  });

  test("holidays of many years, and weekends, are well within the bounds", () => {
    const holidays = many(60, [from1900, "RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH"]);
    expect(days(holidays)).toContain("2026-11-26");
    expect(days(many(1, ["DTSTART;VALUE=DATE:20000101", "RRULE:FREQ=WEEKLY;BYDAY=SA,SU"])).length).toBeGreaterThan(
      10_000,
    );
  });
});

test("a recurrence rule with very many values, and more events than anybody keeps, are refused", () => {
  const weeks = Array.from({ length: 53 }, (_, i) => i + 1).flatMap((week) => [week, -week]);
  const values = weeks.flatMap((week) => ["MO", "TU", "WE", "TH", "FR"].map((day) => `${week}${day}`)).join(",");
  const rule = parseICalendar(file(["DTSTART;VALUE=DATE:20260101", `RRULE:FREQ=YEARLY;BYDAY=${values}`]));
  expect("fault" in rule && rule.fault).toMatch(/BYDAY of a recurrence rule holds more than \d+ values/);
  const many = file(...Array.from({ length: 10_001 }, () => ["DTSTART;VALUE=DATE:20260101"]));
  const events = parseICalendar(many);
  expect("fault" in events && events.fault).toMatch(/more than \d+ events/);
});

test("periods among the added and the excluded dates are passed over", () => {
  const text = file([
    "DTSTART;VALUE=DATE:20260101",
    "RDATE;VALUE=PERIOD:20260105T080000Z/PT1H",
    "RDATE;VALUE=DATE:20260107",
    "EXDATE;VALUE=DATE:20260101",
  ]);
  expect(days(text)).toEqual(["2026-01-07"]);
});
